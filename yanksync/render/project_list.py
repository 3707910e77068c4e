"""The list of projects in both forms, in chunks: 750,000 rows need not stand in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from yanksync.model import ListedProject
from yanksync.render.html import encoded, escape

_ROWS = 1300  # of about 50 bytes: chunks of about 64 kB
_PLAIN = re.compile(r"[A-Za-z0-9._-]*\Z")


def html_rows(projects: Iterable[ListedProject], serial: int | None = None) -> Iterator[bytes]:
    """Yield the HTML list (PEP 503); the caller sorts and leaves quarantined projects out (C12).

    Links are relative, so that they hold behind any prefix (C17).
    """
    yield (
        b'<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
        b'    <meta name="pypi:repository-version" content="1.0">\n'
        b"    <title>Simple index</title>\n  </head>\n  <body>\n"
    )
    rows = iter(projects)
    while chunk := list(islice(rows, _ROWS)):
        if _all_plain(chunk):
            lines = [f'<a href="{row.name}/">{row.display}</a><br>\n' for row in chunk]
        else:
            lines = [
                f'<a href="{escape(row.name)}/">{escape(row.display)}</a><br>\n' for row in chunk
            ]
        yield encoded("".join(lines))
    comment = "" if serial is None else f"<!--SERIAL {serial:d}-->\n"
    yield f"  </body>\n</html>\n{comment}".encode()


def json_rows(projects: Iterable[ListedProject], serial: int | None) -> Iterator[bytes]:
    """Yield the JSON list (PEP 691, and Warehouse's serials); order and choice are the caller's.

    ``meta`` stands first, and in it the serial, which is this mirror's cursor (design.md).
    """
    last = "" if serial is None else f'"_last-serial":{serial:d},'
    head = f'{{"meta":{{{last}"api-version":"1.0"}},"projects":['
    rows = iter(projects)
    while chunk := list(islice(rows, _ROWS)):
        if _all_plain(chunk) and None not in [row.serial for row in chunk]:
            texts = [f'{{"_last-serial":{row.serial:d},"name":"{row.display}"}}' for row in chunk]
        else:
            texts = list(map(_row, chunk))
        yield (head + ",".join(texts)).encode("utf-8", "backslashreplace")
        head = ","
    yield b"]}" if head == "," else f"{head}]}}".encode()


def _all_plain(rows: list[ListedProject]) -> bool:
    """Whether no name among ``rows`` needs escaping: asked once for all of them."""
    return _PLAIN.match("".join([row.name + row.display for row in rows])) is not None


def _row(project: ListedProject) -> str:
    """Return one element of ``projects``."""
    name = project.display
    quoted = f'"{name}"' if _PLAIN.match(name) else json.dumps(name, ensure_ascii=False)
    if project.serial is None:
        return f'{{"name":{quoted}}}'
    return f'{{"_last-serial":{project.serial:d},"name":{quoted}}}'
