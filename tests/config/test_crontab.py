"""Cron expressions, as crontab(5) reads them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.random_pages import CALM
from yanksync.config.crontab import parse
from yanksync.config.settings import ScheduleSettings
from yanksync.service.scheduler import CronTrigger, next_retry, trigger

UTC = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("* * * *", "wrong number of fields"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * * foo *", "bad month"),
        ("* * * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("9-5 * * * *", "bad minute"),
        ("1,,2 * * * *", "bad minute"),
        ("@daily * * * *", "bad minute"),
        ("\N{ARABIC-INDIC DIGIT ONE} * * * *", "bad minute"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 31 2,4,6 *", "bad day-of-month"),
        ("0 * * * * *", "seconds, L, W and # are not for cron"),
        ("0 0 L * *", "seconds, L, W and # are not for cron"),
        ("0 0 LW * *", "seconds, L, W and # are not for cron"),
        ("0 0 * * 5L", "seconds, L, W and # are not for cron"),
        ("0 0 * * mon#2", "seconds, L, W and # are not for cron"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, field: str) -> None:
    with pytest.raises(ValueError, match="must be five fields") as caught:
        parse(text)
    assert f"; {field}" in str(caught.value) and str(caught.value).endswith(f"in {text!r}")


def test_a_number_without_end_is_refused() -> None:
    with pytest.raises(ValueError):
        parse("9" * 5000 + " * * * *")


@CALM
@given(st.text(alphabet="0123456789*/-,#LWlw monsujafebx\u0661", max_size=30))
def test_every_text_is_an_expression_or_refused(text: str) -> None:
    with suppress(ValueError):
        parse(text)


@pytest.mark.parametrize(
    ("cron", "after", "then"),
    [
        ("*/5 * * * *", "2026-11-22T10:01", "2026-11-22T10:05"),
        ("30 4 * * 0", "2026-11-23T00:00", "2026-11-29T04:30"),  # a Sunday
        ("0 0 1 * mon", "2026-11-24T00:00", "2026-11-30T00:00"),  # either day is enough
        ("0 0 1 * mon", "2026-11-30T00:01", "2026-12-01T00:00"),
        ("0 0 */1 * mon", "2026-11-24T00:00", "2026-11-30T00:00"),  # a star: both must fit
        ("0 0 * * 7", "2026-11-23T00:00", "2026-11-29T00:00"),  # Sunday, too
        ("0 0 * JAN-MAR/2 *", "2026-11-23T00:00", "2027-01-01T00:00"),
    ],
)
def test_the_schedule_follows_it(cron: str, after: str, then: str) -> None:
    # The zone is the machine's; so is the reading of these.
    now = datetime.fromisoformat(after).astimezone()
    found = trigger(ScheduleSettings(every=None, cron=cron)).get_next_fire_time(None, now)
    late = (found - datetime.fromisoformat(then).astimezone()).total_seconds()
    assert 0 <= late <= 30


@pytest.mark.parametrize(
    ("schedule", "failures", "seconds"),
    [
        (ScheduleSettings(every=300.0), 1, 600),
        (ScheduleSettings(every=300.0), 2, 1200),
        (ScheduleSettings(every=300.0), 3, 2400),
        (ScheduleSettings(every=300.0), 4, 3600),
        (ScheduleSettings(every=300.0), 4000, 3600),
        (ScheduleSettings(every=86400.0), 1, 86400),
        (ScheduleSettings(every=None, cron="*/10 * * * *"), 1, 1200),
    ],
)
def test_failures_are_tried_again_ever_later(
    schedule: ScheduleSettings, failures: int, seconds: float
) -> None:
    delay = (next_retry(schedule, failures) - datetime.now(UTC)).total_seconds()
    assert seconds - 5 <= delay <= seconds


@pytest.mark.parametrize(
    ("cron", "begin", "expected"),
    [
        # 2:00 to 3:00 comes twice, in UTC from 0:00 to 2:00.
        ("*/30 * * * *", "2026-10-25T00:20Z", ["00:30", "01:00", "01:30", "02:00", "02:30"]),
        ("30 2 * * *", "2026-10-25T00:20Z", ["00:30", "01:30 tomorrow"]),
        # 2:00 to 3:00 does not come; what was to be done in it is done after it.
        ("30 2 * * *", "2026-03-29T00:20Z", ["01:00", "00:30 tomorrow"]),
        ("*/30 * * * *", "2026-03-29T00:20Z", ["00:30", "01:00", "01:30"]),
    ],
)
def test_summer_time(cron: str, begin: str, expected: list[str]) -> None:
    """With jitter: each time is on time, none comes twice."""
    schedule = CronTrigger(cron, 20.0, ZoneInfo("Europe/Berlin"))
    now = first = datetime.fromisoformat(begin)
    previous, found = None, []
    for _ in expected:
        previous = schedule.get_next_fire_time(previous, now)
        now = previous + timedelta(milliseconds=5)
        found.append(f"{previous:%H:%M}" + " tomorrow" * (previous.date() - first.date()).days)
    assert found == expected
