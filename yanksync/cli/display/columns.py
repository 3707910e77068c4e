"""Tables with fitted columns, and names side by side."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from yanksync.cli.error_handling import printable

_FITTED = 1000  # rows that decide the widths; there may be a million
_GAP = "  "
_NARROW, _INDENT = 24, 4  # a column with less room continues on new lines


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, wrapped: bool = False
) -> Iterator[str]:
    """Yield the lines of a table with a header.

    Without rows there is no line. ``wrapped``: if the last column is longer than the terminal, it
    continues below, in its column if there is room.
    """
    rest = iter(rows)
    first = [list(map(printable, row)) for row in islice(rest, _FITTED)]
    if not first:
        return
    widths = [max(map(len, column)) for column in zip(header, *first, strict=True)]
    widths[-1] = 0
    room = shutil.get_terminal_size().columns if wrapped else None
    for row in chain((header,), first, (list(map(printable, later)) for later in rest)):
        yield from [_line(row, widths)] if room is None else _wrapped(row, widths, room)


def _wrapped(cells: Sequence[str], widths: Sequence[int], room: int) -> Iterator[str]:
    """Yield a line, and the rest of its last cell below."""
    line = _line(cells, widths)
    if len(line) <= room:
        yield line
        return
    begin = _line([*cells[:-1], ""], widths)
    indent = len(line) - len(cells[-1])
    if room - indent < _NARROW:
        yield begin
        begin, indent = "", _INDENT
    begin = begin.ljust(indent)
    yield from textwrap.wrap(
        cells[-1],
        room,
        initial_indent=begin,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return _GAP.join(padded).rstrip()


def side_by_side(names: Sequence[str], indent: str = "  ") -> Iterator[str]:
    """Yield ``names`` in columns, as wide as the terminal.

    They are sorted downwards.
    """
    if not names:
        return
    width = max(map(len, names)) + len(_GAP)
    room = shutil.get_terminal_size().columns - len(indent)
    columns = max((room + len(_GAP)) // width, 1)
    height = -(-len(names) // columns)
    for line in range(height):
        row = names[line::height]
        yield indent + "".join(name.ljust(width) for name in row).rstrip()


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 finding, 2 findings."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
