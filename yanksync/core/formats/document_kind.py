"""Distinguishes a list of projects from a page, by the first bytes."""

from __future__ import annotations

import re
from enum import StrEnum

from yanksync.core.formats.file_checks import is_distribution, linked_name
from yanksync.core.formats.html.elements import Anchor, read_html
from yanksync.core.formats.parse import is_json
from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.names import normalize

_KEY = re.compile(rb'"(projects|files)"\s*:')  # a value has no colon after it


class DocumentKind(StrEnum):
    """The kind of a document of an index."""

    LIST = "list"
    PROJECT = "project"
    OTHER = "other"


def kind_of(head: bytes, content_type: str) -> DocumentKind:
    """Return the kind of a document that begins with ``head``."""
    try:
        if is_json(content_type):
            key = _KEY.search(head)
            known = {b"projects": DocumentKind.LIST, b"files": DocumentKind.PROJECT}
            return DocumentKind.OTHER if key is None else known[key[1]]
        html = read_html(head, content_type)
    except (InvalidDocument, ValueError, RecursionError):
        return DocumentKind.OTHER
    if any(is_distribution(linked_name(anchor.href.partition("#")[0])) for anchor in html.anchors):
        return DocumentKind.PROJECT
    named = sum(map(_names_a_project, html.anchors))
    if named and named * 10 >= len(html.anchors) * 9:  # the last one may be cut off
        return DocumentKind.LIST
    return DocumentKind.OTHER


def _names_a_project(anchor: Anchor) -> bool:
    """Return whether a link leads to its text's project (PEP 503)."""
    last = anchor.href.partition("#")[0].rstrip("/").rpartition("/")[2]
    name = normalize(anchor.text.strip())
    return anchor.href.endswith("/") and name is not None and name == normalize(last)
