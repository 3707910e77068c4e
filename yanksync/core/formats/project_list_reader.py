"""Reads the list of projects, JSON or HTML, into :class:`yanksync.core.model.ProjectList`.

The list is checked as a whole. Its rows are not kept, because 750,000 rows would need more memory
than the rest of a pass. The state reads them again from the bytes, part by part.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Meta, Struct

from yanksync.core.errors import mebibytes
from yanksync.core.formats.html.elements import Anchor, collect_links
from yanksync.core.formats.json_page_wire import decode
from yanksync.core.formats.reader_rules import (
    LARGEST_SERIAL,
    InvalidDocument,
    PageRules,
    PageWarnings,
    check_api_version,
    check_serial,
    page_serial,
)
from yanksync.core.model import ProjectList
from yanksync.core.names import normalize

_PART = 1 << 18  # bytes of rows decoded at once
_LONGEST = 1 << 16  # bytes of a row, and of ``meta``
_END = re.compile(rb"\}[ \t\r\n]*+,")  # maybe of a row
_TOGETHER = 5_000  # names of an HTML list in one text

_Row = tuple[str, int | None, int | None]
"""Name as given, serial, revision."""


class _WireMeta(Struct, gc=False):
    """The ``meta`` object."""

    api_version: Any = msgspec.field(name="api-version", default=None)
    last_serial: Any = msgspec.field(name="_last-serial", default=None)


class _WireRow(Struct, gc=False):
    """One element of ``projects``, as it should be."""

    name: str
    last_serial: Annotated[int, Meta(ge=0, le=LARGEST_SERIAL)] | None = msgspec.field(
        name="_last-serial", default=None
    )
    revision: Annotated[int, Meta(ge=0, le=LARGEST_SERIAL)] | None = msgspec.field(
        name="_revision", default=None
    )


class _LooseRow(Struct, gc=False):
    """One element of ``projects``, its serial of any type."""

    name: str
    last_serial: Any = msgspec.field(name="_last-serial", default=None)
    revision: Any = msgspec.field(name="_revision", default=None)


class _WireList(Struct, gc=False):
    """The whole list, not looked into."""

    meta: msgspec.Raw
    projects: msgspec.Raw


class _LooseList(Struct, gc=False):
    """The whole list, as the json module reads it."""

    meta: _WireMeta
    projects: list[_LooseRow]


_DECODER = msgspec.json.Decoder(_WireList)
_LOOSE_DECODER = msgspec.json.Decoder(_LooseList)
_META_DECODER = msgspec.json.Decoder(_WireMeta)
_ROWS_DECODER = msgspec.json.Decoder(list[_WireRow])
_LOOSE_ROWS_DECODER = msgspec.json.Decoder(list[_LooseRow])


def parse_json_list(body: bytes, rules: PageRules, header_serial: str | None) -> ProjectList:
    """Read the list in JSON (PEP 691).

    One bad row makes the whole list invalid: the row may be any project, and a project that is
    missing in the list counts as removed.

    Raises:
        Broken, ValueError, RecursionError: the list cannot be taken.
    """
    rows: _JsonRows | list[_Row]
    try:
        wire = _DECODER.decode(body.removeprefix(codecs.BOM_UTF8))
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # The json module reads lists with lone surrogates, which no name of a project has.
        loose = decode(_LOOSE_DECODER, body, rules)
        meta = loose.meta
        rows = [_checked(row) for row in loose.projects]
    else:
        told = memoryview(wire.meta)
        if len(told) > _LONGEST:
            raise InvalidDocument(f"its meta has more than {_LONGEST} bytes")
        meta = _META_DECODER.decode(told)
        rows = _JsonRows(wire.projects)
    check_api_version(meta.api_version, PageWarnings())
    numbered = True
    for number, (_, serial, _) in enumerate(rows, 1):
        numbered = numbered and serial is not None
        if number > rules.max_projects:
            raise InvalidDocument(f"more than {rules.max_projects} projects")
    return ProjectList(page_serial(meta.last_serial, header_serial), rows, numbered)


class _JsonRows:
    """The rows of a list in JSON, decoded in parts.

    A part ends after a bracket that closes an element of the list. Only decoding the part shows
    whether the bracket does so: with any other end it is not JSON.
    """

    def __init__(self, projects: msgspec.Raw) -> None:
        self._whole = memoryview(projects)

    def __iter__(self) -> Iterator[_Row]:
        """Yield name, serial and revision of each row.

        Raises ValueError: they cannot be read.
        """
        whole = self._whole
        if bytes(whole[:1]) != b"[":
            raise InvalidDocument("its projects are no list")
        start = 1
        while len(whole) - start > _PART + _LONGEST:
            rows, start = self._part(start)
            yield from rows
        yield from _decoded(b"[" + bytes(whole[start:]))

    def _part(self, start: int) -> tuple[list[_Row], int]:
        """Return the rows of one part, and the start of the next."""
        window = bytes(self._whole[start : start + _PART + _LONGEST])
        search = _PART
        while (end := _END.search(window, search)) is not None:
            try:
                return _decoded(b"[" + window[: end.start() + 1] + b"]"), start + end.end()
            except msgspec.ValidationError:
                raise
            except msgspec.DecodeError:  # the bracket was inside a row: try a later one
                search = end.end() + (end.end() - _PART)
        raise InvalidDocument(f"one of its projects has more than {_LONGEST} bytes")


def _checked(row: _LooseRow) -> _Row:
    """Return a row. Raises ValueError: its serial or its revision is none."""
    return row.name, check_serial(row.last_serial), check_serial(row.revision)


def _decoded(part: bytes) -> list[_Row]:
    """Return rows.

    Raises ValueError: a number in one is invalid, or the bytes are not JSON.
    """
    try:
        return [(row.name, row.last_serial, row.revision) for row in _ROWS_DECODER.decode(part)]
    except msgspec.ValidationError:
        loose = _LOOSE_ROWS_DECODER.decode(part)
        return [_checked(row) for row in loose]


def parse_html_list(
    body: bytes, content_type: str, rules: PageRules, header_serial: str | None
) -> ProjectList:
    """Read the list in HTML (PEP 503).

    Raises:
        Broken, ValueError: the list cannot be taken. An error page has links as well, so a page
            without a version counts only if one of them leads to a project.
    """
    if len(body) > rules.max_html_list:  # libxml2 keeps a copy of all that it has read
        raise InvalidDocument(
            f"it is HTML of more than {mebibytes(rules.max_html_list)}, half of "
            "upstream.max_list_size; raise that if the list is meant to be so large"
        )
    rows = _HtmlNames(rules.max_projects)
    html = collect_links(body, content_type, rows.take)
    version = html.metas.get("pypi:repository-version")
    check_api_version(version, PageWarnings())
    serial = page_serial(html.serial, header_serial)
    found = ProjectList(serial, rows)
    if version is None and found.empty:
        raise InvalidDocument("it has neither a repository version nor a link to a project")
    return found


class _HtmlNames:
    """The names of a list in HTML.

    They are kept as long texts, because each short text costs 50 bytes more.
    """

    def __init__(self, limit: int) -> None:
        self._most = limit
        self._count = 0
        self._texts: list[bytes] = []
        self._last: list[str] = []

    def take(self, anchor: Anchor) -> None:
        """Keep the name of a link, without line breaks.

        Raises :class:`InvalidDocument`.
        """
        self._count += 1
        if self._count > self._most:
            raise InvalidDocument(f"more than {self._most} projects")
        name = _linked_name(anchor)
        self._last.append(name if normalize(name) else "")
        if len(self._last) == _TOGETHER:
            self._texts.append("\n".join(self._last).encode())
            self._last.clear()

    def __iter__(self) -> Iterator[tuple[str, None, None]]:
        """Yield each name, "" for a link to no project."""
        for text in self._texts:
            for name in text.decode().split("\n"):
                yield name, None, None
        for name in self._last:
            yield name, None, None


def _linked_name(anchor: Anchor) -> str:
    """Return the anchor's text, or "" if its link fits none."""
    name, link = normalize(anchor.text), anchor.href
    if name is None or link in (f"{name}/", f"/simple/{name}/"):
        return anchor.text
    try:
        path = urlsplit(link).path
    except ValueError:
        return ""
    target = normalize(unquote(path.rstrip("/").rpartition("/")[2]))
    return anchor.text if target == name else ""
