"""Writes the list of projects in both forms, in chunks.

So 750,000 rows need not fit into memory.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from yanksync.core.formats.html.page_writer import encode_utf8, escape
from yanksync.core.model import ListedProject

_ROWS = 1300  # of about 50 bytes: chunks of about 64 kB
_HTML_HEAD = (
    b'<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
    b'    <meta name="pypi:repository-version" content="1.0">\n'
    b"    <title>Simple index</title>\n  </head>\n  <body>\n"
)
_PLAIN = re.compile(r"[A-Za-z0-9._-]*\Z")


class ProjectListForms:
    """Both forms of the list from one reading of the rows.

    Reading the rows takes longer than rendering them.
    """

    def __init__(self, rows: Callable[[], Iterable[ListedProject]], serial: int | None) -> None:
        """Take ``rows`` that returns fresh rows at each call."""
        self._rows = rows
        self._serial = serial
        self._html: deque[bytes] = deque()  # from the reading for the last JSON form
        self._whole = False

    def json(self) -> Iterator[bytes]:
        """Yield the JSON form, and keep the HTML form.

        The kept form needs about 60 bytes for each project.
        """
        self._whole = False
        self._html.clear()
        for chunk, plain in _chunks(self._rows()):
            self._html.append(_html(chunk, plain))
            yield _json_head(self._serial) if len(self._html) == 1 else b","
            yield _json(chunk, plain)
        if not self._html:
            yield _json_head(self._serial)
        self._whole = True
        yield b"]}"

    def html(self) -> Iterator[bytes]:
        """Yield the HTML form.

        The first time this is the kept form; after that it is made from the rows.
        """
        if not self._whole:
            yield from html_rows(self._rows())
            return
        self._whole = False
        yield _HTML_HEAD
        while self._html:
            yield self._html.popleft()
        yield _html_end(None)


def html_rows(projects: Iterable[ListedProject], serial: int | None = None) -> Iterator[bytes]:
    """Yield the HTML list (PEP 503).

    The caller sorts the rows and leaves out quarantined projects.

    Links are relative, so that they work below any prefix.
    """
    yield _HTML_HEAD
    for chunk, plain in _chunks(projects):
        yield _html(chunk, plain)
    yield _html_end(serial)


def json_rows(projects: Iterable[ListedProject], serial: int | None) -> Iterator[bytes]:
    """Yield the JSON list (PEP 691, with Warehouse's serials).

    The caller sorts and selects the rows.

    ``meta`` comes first, and in it the serial, which is this mirror's cursor.
    """
    head = _json_head(serial)
    for chunk, plain in _chunks(projects):
        yield head + _json(chunk, plain)
        head = b","
    yield b"]}" if head == b"," else head + b"]}"


def serial_rows(rows: Callable[[], Iterable[ListedProject]]) -> Iterator[bytes]:
    """Yield the serials by name, as in shadowmire's ``local.json``.

    ``rows`` returns fresh rows. Only projects with a serial are listed: a follower needs it to see
    when they change.
    """
    head = "{"
    known = (row for row in rows() if row.serial is not None)
    while chunk := list(islice(known, _ROWS)):
        yield (head + ",".join([f'"{row.name}":{row.serial:d}' for row in chunk])).encode()
        head = ","
    yield b"}" if head == "," else b"{}"


def _chunks(projects: Iterable[ListedProject]) -> Iterator[tuple[list[ListedProject], bool]]:
    """Yield lists of rows, and whether their names need no escaping."""
    rows = iter(projects)
    while chunk := list(islice(rows, _ROWS)):
        names = "".join([row.name + row.display for row in chunk])
        yield chunk, _PLAIN.match(names) is not None


def _html(chunk: list[ListedProject], plain: bool) -> bytes:
    if plain:
        lines = [f'<a href="{row.name}/">{row.display}</a><br>\n' for row in chunk]
    else:
        lines = [f'<a href="{escape(row.name)}/">{escape(row.display)}</a><br>\n' for row in chunk]
    return encode_utf8("".join(lines))


def _html_end(serial: int | None) -> bytes:
    comment = "" if serial is None else f"<!--SERIAL {serial:d}-->\n"
    return f"  </body>\n</html>\n{comment}".encode()


def _json_head(serial: int | None) -> bytes:
    last = "" if serial is None else f'"_last-serial":{serial:d},'
    return f'{{"meta":{{{last}"api-version":"1.0"}},"projects":['.encode()


def _json(chunk: list[ListedProject], plain: bool) -> bytes:
    revised = any(row.revision is not None for row in chunk)
    if plain and not revised and None not in [row.serial for row in chunk]:
        texts = [f'{{"_last-serial":{row.serial:d},"name":"{row.display}"}}' for row in chunk]
    else:
        texts = list(map(_row, chunk))
    return ",".join(texts).encode("utf-8", "backslashreplace")


def _row(project: ListedProject) -> str:
    """Return one element of ``projects``."""
    name = project.display
    quoted = f'"{name}"' if _PLAIN.match(name) else json.dumps(name, ensure_ascii=False)
    serial = "" if project.serial is None else f'"_last-serial":{project.serial:d},'
    revision = "" if project.revision is None else f'"_revision":{project.revision:d},'
    return f'{{{serial}{revision}"name":{quoted}}}'
