"""Reads the list of projects, JSON or HTML, into :class:`yanksync.model.ProjectList`.

750,000 rows: names are normalised and checked, invalid ones counted and skipped (A.3), spellings of
one project collapse into the row of the highest serial.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from yanksync.model import ListedProject, ProjectList
from yanksync.names import normalized
from yanksync.upstream.html_reader import Anchor, read_html
from yanksync.upstream.json_wire import decode
from yanksync.upstream.rules import (
    Broken,
    Notes,
    PageRules,
    check_api_version,
    check_serial,
    page_serial,
)

_Row = tuple[str, int | None]  # display name, serial


class _WireMeta(Struct, gc=False):
    """The ``meta`` object."""

    api_version: Any = msgspec.field(name="api-version", default=None)
    last_serial: Any = msgspec.field(name="_last-serial", default=None)


class _WireRow(Struct, gc=False):
    """One element of ``projects``."""

    name: str
    last_serial: Any = msgspec.field(name="_last-serial", default=None)


class _WireList(Struct, gc=False):
    """The whole list."""

    meta: _WireMeta
    projects: list[_WireRow]


_DECODER = msgspec.json.Decoder(_WireList)


def parse_json_list(body: bytes, rules: PageRules, header_serial: str | None) -> ProjectList:
    """Read the list in JSON (PEP 691).

    One bad row refuses the whole list: nobody can say which project it is, and a project that is
    on no list counts as removed.

    Raises:
        Broken, ValueError, RecursionError: the list cannot be taken.
    """
    wire = decode(_DECODER, body)
    check_api_version(wire.meta.api_version, Notes())
    serial = page_serial(wire.meta.last_serial, header_serial)
    rows = ((row.name, check_serial(row.last_serial)) for row in wire.projects)
    return _collapsed(serial, rows, rules)


def parse_html_list(
    body: bytes, content_type: str, rules: PageRules, header_serial: str | None
) -> ProjectList:
    """Read the list in HTML (PEP 503).

    Raises:
        Broken, ValueError: the list cannot be taken. An error page has links as well, so a page
            without a version counts only if one of them leads to a project.
    """
    html = read_html(body, content_type)
    version = html.metas.get("pypi:repository-version")
    check_api_version(version, Notes())
    rows = ((_linked_name(anchor), None) for anchor in html.anchors)
    found = _collapsed(page_serial(html.serial, header_serial), rows, rules)
    if version is None and not found.projects:
        raise Broken("it has neither a repository version nor a link to a project")
    return found


def _linked_name(anchor: Anchor) -> str:
    """Return the anchor's text, or "" where its link leads to no project of that name."""
    name, link = normalized(anchor.text), anchor.href
    if name is None or link in (f"{name}/", f"/simple/{name}/"):
        return anchor.text
    try:
        path = urlsplit(link).path
    except ValueError:
        return ""
    target = normalized(unquote(path.rstrip("/").rpartition("/")[2]))
    return anchor.text if target == name else ""


def _collapsed(serial: int | None, rows: Iterable[_Row], rules: PageRules) -> ProjectList:
    """Return the rows as projects, each once.

    Raises:
        Broken: there are too many.
    """
    projects: dict[str, ListedProject] = {}
    skipped = 0
    for display, row_serial in rows:
        name = normalized(display)
        if name is None:
            skipped += 1
            continue
        held = projects.get(name)
        if held is None or (held.serial or 0) < (row_serial or 0):
            projects[name] = ListedProject(name, display, row_serial)
            if len(projects) > rules.max_projects:
                raise Broken(f"more than {rules.max_projects} projects")
    return ProjectList(serial, tuple(projects.values()), skipped)
