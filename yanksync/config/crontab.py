"""Reads cron expressions of five fields, like Debian's cron(8).

cronsim does the work.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

_WANTED = (
    'must be five fields, like "*/5 * * * *": minute (0-59), hour (0-23), day of the month (1-31), '
    "month (1-12 or jan-dec), day of the week (0-7 or sun-sat)"
)


def parse(expression: str, after: datetime = datetime(2000, 1, 1, tzinfo=UTC)) -> CronSim:
    """Return the fields of an expression; iterating yields its moments after ``after``.

    :raises ValueError: when it is no expression that every cron reads
    """
    more = f"{_WANTED}; seconds, L, W and # are not for cron, but in {expression!r}"
    if len(expression.split()) == 6:  # some versions of cronsim accept six fields
        raise ValueError(more)
    try:
        cron = CronSim(expression, after)
        next(CronSim(expression, after))  # "0 0 30 2 *" has no moment
    except CronSimError as error:
        raise ValueError(f"{_WANTED}; {str(error).lower()} in {expression!r}") from None
    except StopIteration:
        raise ValueError(f"names a moment that never comes: {expression!r}") from None
    days = (*cron.days, *cron.weekdays)
    if any(type(day) is not int or day < 0 for day in days):
        raise ValueError(more)
    return cron
