"""Archives that are written as a stream, read by :mod:`zipfile`."""

from __future__ import annotations

import io
import zipfile

import pytest

from yanksync.system.zip_stream import zip_chunks


@pytest.mark.parametrize("count", [0, 1, 3, 0xFFFF + 5])  # the last one needs ZIP64
def test_zipfile_reads_every_entry(count: int) -> None:
    entries = [(f"ä{number}.json", b"x" * (number % 50)) for number in range(count)]
    body = b"".join(zip_chunks(entries))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert [one.filename for one in archive.infolist()] == [name for name, _ in entries]
        for name, content in (*entries[:3], *entries[-3:]):
            assert archive.read(name) == content
    assert b"".join(zip_chunks(entries)) == body
