"""Draws the events of each day, as SVG and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from yanksync.core.withdrawals.web.text import counted, day_text, moment

DAYS = 90
"""The chart shows so many days."""

_DAY = 24 * 60 * 60
_TOP, _BASE, _HEIGHT = 8, 188, 212  # pixels; names of months are below the base
_LINES = 4  # at most, above the base
_NARROW = 8  # days: the name of a month needs so much room


class DayTotals(Struct, frozen=True):
    """How many events of each kind a day had."""

    day: int  # days since 1970
    yanked: int = 0
    removed: int = 0
    quarantined: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.yanked + self.removed + self.quarantined


class _Kind(Struct, frozen=True):
    name: str  # the class in the style sheet
    one: str
    many: str
    count: Callable[[DayTotals], int]


_KINDS = (
    _Kind("yank", "yank", "yanks", lambda day: day.yanked),
    _Kind("remove", "removal", "removals", lambda day: day.removed),
    _Kind("quarantine", "quarantine", "quarantines", lambda day: day.quarantined),
)


def chart(counts: Sequence[DayTotals], last: int) -> str:
    """Return the section with the chart of :data:`DAYS` days.

    ``last`` is the last of them. It is empty when none has an event.
    """
    days = _every_day(counts, last)
    if not any(day.total for day in days):
        return ""
    period = f"{day_text(days[0].day * _DAY)} to {day_text(days[-1].day * _DAY)}"
    return f"""\
<section aria-labelledby="chart-heading">
<h2 id="chart-heading">Events a day</h2>
<p class="note">{period}</p>
<ul class="legend">
{"".join(_legend(days))}</ul>
<svg class="chart" role="img" aria-labelledby="chart-title" aria-describedby="chart-text"
height="{_HEIGHT}">
<title id="chart-title">Yanks, removals and quarantines a day</title>
<desc id="chart-text">{_described(days, period)}</desc>
{"".join(_scale(days))}{"".join(_months(days))}{"".join(_bars(days))}</svg>
<details>
<summary>The chart as a table</summary>
{_table(days)}</details>
</section>
"""


def _every_day(counts: Sequence[DayTotals], last: int) -> list[DayTotals]:
    """Return all days of the chart, the oldest first."""
    known = {one.day: one for one in counts}
    return [known.get(day, DayTotals(day)) for day in range(last - DAYS + 1, last + 1)]


def _counts(days: Sequence[DayTotals]) -> Iterator[tuple[_Kind, int]]:
    for kind in _KINDS:
        yield kind, sum(map(kind.count, days))


def _legend(days: Sequence[DayTotals]) -> Iterator[str]:
    for kind, number in _counts(days):
        word = kind.one if number == 1 else kind.many
        yield f'<li class="{kind.name}"><b>{number:,}</b> {word}</li>\n'


def _described(days: Sequence[DayTotals], period: str) -> str:
    totals = ", ".join(counted(number, kind.one, kind.many) for kind, number in _counts(days))
    most = max(days, key=lambda day: day.total)
    return (
        f"{period}: {totals}. The most in one day were {most.total:,}, on "
        f"{day_text(most.day * _DAY)}. The table below has each day."
    )


def _step(most: int) -> int:
    """Return the distance of the lines of the scale.

    1, 2 or 5, or that by a power of ten.
    """
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power * _LINES >= most:
                return digit * power
        power *= 10


def _top_value(days: Sequence[DayTotals]) -> int:
    most = max(day.total for day in days)
    step = _step(most)
    return max(-(-most // step) * step, 1)


def _y(value: int, top: int) -> float:
    return round(_BASE - (_BASE - _TOP) * value / top, 2)


def _scale(days: Sequence[DayTotals]) -> Iterator[str]:
    top = _top_value(days)
    for value in range(0, top + 1, _step(top)):
        y = _y(value, top)
        yield f'<line x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        yield f'<text x="-8" y="{y + 4}">{value:,}</text>\n'


def _x(at: int) -> str:
    return f"{100 * at / DAYS:.3f}%"


def _months(days: Sequence[DayTotals]) -> Iterator[str]:
    for at, one in enumerate(days[: DAYS - _NARROW]):
        when = moment(one.day * _DAY)
        if when.day == 1:
            yield f'<text class="month" x="{_x(at)}" y="{_HEIGHT - 6}">{when:%b}</text>\n'


def _bars(days: Sequence[DayTotals]) -> Iterator[str]:
    """Yield a group for each day that has events.

    Its title shows under a pointer.
    """
    top = _top_value(days)
    for at, day in enumerate(days):
        if not day.total:
            continue
        parts = [(kind, kind.count(day)) for kind in _KINDS if kind.count(day)]
        said = ", ".join(counted(number, kind.one, kind.many) for kind, number in parts)
        yield f"<g><title>{day_text(day.day * _DAY)}: {said}</title>"
        below = 0
        for kind, number in parts:
            y = _y(below + number, top)
            height = round(_y(below, top) - y, 2)
            yield (
                f'<rect class="{kind.name}" x="{_x(at)}" y="{y}" width="{80 / DAYS:.3f}%" '
                f'height="{height}"/>'
            )
            below += number
        yield "</g>\n"


def _table(days: Sequence[DayTotals]) -> str:
    heads = "".join(f'<th scope="col">{kind.many.capitalize()}</th>' for kind in _KINDS)
    rows = "".join(
        f'<tr><th scope="row">{day_text(day.day * _DAY)}</th>'
        + "".join(f"<td>{kind.count(day):,}</td>" for kind in _KINDS)
        + "</tr>\n"
        for day in reversed(days)
        if day.total
    )
    return (
        f'<table class="days">\n<caption>Days with events, the newest first</caption>\n'
        f'<thead><tr><th scope="col">Day</th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n'
        f"</table>\n"
    )
