"""Tables with fitted columns, and names side by side."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from yanksync.cli.error_handling import printable

_FITTED = 1000  # rows that decide the widths; there may be a million
_GAP = "  "


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table with a header.

    Without rows there is no line.
    """
    rest = iter(rows)
    first = [list(map(printable, row)) for row in islice(rest, _FITTED)]
    if not first:
        return
    widths = [max(map(len, column)) for column in zip(header, *first, strict=True)]
    widths[-1] = 0
    yield _line(header, widths)
    for row in first:
        yield _line(row, widths)
    for later in rest:
        yield _line(list(map(printable, later)), widths)


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
