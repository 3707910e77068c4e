"""The time that upstream gives, of the headers Date and Age."""

from __future__ import annotations

import pytest

from yanksync.upstream.http.http_answers import upstream_time


@pytest.mark.parametrize(
    ("date", "age", "time"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", None, 784111777.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "100", 784111877.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "-5", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None, 784111777.0),
        ("Sun, 06 Nov 1994 08:49:37 +0000", None, 784111777.0),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None, None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "soon", None),
        ("Sun, 06 xyz 1994 08:49:37 GMT", None, None),
        ("now", None, None),
        (None, None, None),
    ],
)
def test_what_is_read(date: str | None, age: str | None, time: float | None) -> None:
    assert upstream_time(date, age) == time
