"""Cron expressions, as crontab(5) reads them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from yanksync.config.crontab import parse
from yanksync.config.settings import Schedule
from yanksync.service.scheduler import later, trigger

UTC = ZoneInfo("UTC")


def test_fields() -> None:
    found = parse("*/20 8-10,22 1,15 jan-MAR/2 *")
    assert found.minutes == (0, 20, 40)
    assert found.hours == (8, 9, 10, 22)
    assert found.days == (1, 15)
    assert found.months == (1, 3)
    assert found.weekdays == (0, 1, 2, 3, 4, 5, 6)
    assert not found.either


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [("0", (0,)), ("7", (0,)), ("1-5", (1, 2, 3, 4, 5)), ("5-7", (0, 5, 6)), ("sun", (0,)),
     ("Mon-Fri/2", (1, 3, 5)), ("*/3", (0, 3, 6)), ("4/2", (4, 6))],
)  # fmt: skip
def test_weekdays_begin_with_sunday(text: str, weekdays: tuple[int, ...]) -> None:
    assert parse(f"0 0 * * {text}").weekdays == weekdays


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * * *", "five fields"),
        ("60 * * * *", "the minute '60' is not from 0 to 59"),
        ("* 24 * * *", "the hour '24' is not from 0 to 23"),
        ("* * 0 * *", "the day '0' is not from 1 to 31"),
        ("* * * foo *", "the month 'foo' is not from 1 to 12 or jan to dec"),
        ("* * * * 8", "the weekday '8' is not from 0 to 7 or sun to sat"),
        ("*/0 * * * *", "the minute '\\*/0' names nothing"),
        ("9-5 * * * *", "the minute '9-5' names nothing"),
        ("1,,2 * * * *", "the minute '' is no number"),
        ("@daily * * * *", "the minute '@daily' is no number"),
        ("0 0 30 2 *", "a day that never comes"),
        ("0 0 31 2,4,6 *", "a day that never comes"),
    ],
)
def test_what_is_no_expression_is_told(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(text)


@pytest.mark.parametrize(
    ("cron", "after", "then"),
    [
        ("*/5 * * * *", "2026-11-22T10:01", "2026-11-22T10:05"),
        ("30 4 * * 0", "2026-11-23T00:00", "2026-11-29T04:30"),  # a Sunday
        ("0 0 1 * mon", "2026-11-24T00:00", "2026-11-30T00:00"),  # either day is enough
        ("0 0 1 * mon", "2026-11-30T00:01", "2026-12-01T00:00"),
    ],
)
def test_the_schedule_follows_it(cron: str, after: str, then: str) -> None:
    # The zone is the machine's; so is the reading of these.
    now = datetime.fromisoformat(after).astimezone()
    found = trigger(Schedule(every=None, cron=cron)).get_next_fire_time(None, now)
    late = (found - datetime.fromisoformat(then).astimezone()).total_seconds()
    assert 0 <= late <= 30


@pytest.mark.parametrize(
    ("schedule", "failures", "seconds"),
    [
        (Schedule(every=300.0), 1, 600),
        (Schedule(every=300.0), 2, 1200),
        (Schedule(every=300.0), 3, 2400),
        (Schedule(every=300.0), 4, 3600),
        (Schedule(every=300.0), 4000, 3600),
        (Schedule(every=86400.0), 1, 86400),
        (Schedule(every=None, cron="*/10 * * * *"), 1, 1200),
    ],
)
def test_failures_are_tried_again_ever_later(
    schedule: Schedule, failures: int, seconds: float
) -> None:
    delay = (later(schedule, failures) - datetime.now(UTC)).total_seconds()
    assert seconds - 5 <= delay <= seconds
