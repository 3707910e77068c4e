"""Reads an answer's bytes by its Content-Type.

All readers are used through this module: for any bytes from upstream the result is a value or a
:class:`yanksync.core.errors.InvalidAnswer`. Each reader is imported where it is needed, because
most passes read no page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats.reader_rules import (
    InvalidDocument,
    PageRules,
    ParsedPage,
    is_about_index,
    quoted_for_log,
)
from yanksync.core.model import ProjectList
from yanksync.core.names import NormalizedName

__all__ = ["PageRules", "ParsedPage", "is_about_index", "is_json", "parse_list", "parse_page"]

T = TypeVar("T")

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = ("application/vnd.pypi.simple.v1+html", "text/html")


def is_json(content_type: str) -> bool:
    """Return whether an answer of this type is read as JSON.

    Raises:
        InvalidDocument: the type is not of the Simple API. One example is ``application/json`` (PEP
            691).
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _JSON:
        return True
    if kind in _HTML:
        return False
    raise InvalidDocument(f"its content type is {quoted_for_log(kind)}, no form of the Simple API")


def parse_page(
    body: bytes,
    content_type: str,
    url: str,
    project: NormalizedName,
    rules: PageRules,
    header_serial: str | None = None,
) -> ParsedPage:
    """Read a project page.

    Args:
        body: the decompressed body, already limited in size by the session.
        content_type: the answer's own Content-Type header.
        url: the URL after redirects.
        project: the project that was asked for; a JSON page must be its page.
        rules: limits.
        header_serial: the ``X-PyPI-Last-Serial`` header; the page's own serial goes before it.

    Raises:
        BadAnswer: the page breaks a rule of its format, so nothing of it is taken.
    """

    def read() -> ParsedPage:
        if is_json(content_type):
            from yanksync.core.formats.json_page_reader import parse_json_page

            return parse_json_page(body, url, project, rules, header_serial)
        from yanksync.core.formats.html.page_reader import parse_html_page

        return parse_html_page(body, content_type, url, project, rules, header_serial)

    parsed = _answer(f"project {project}", read)
    if b"?" not in body:  # few pages have one at all
        return parsed
    from yanksync.core.formats import signed_urls

    signs = signed_urls.any_expires(parsed.page.files)
    return replace(parsed, warnings=(*parsed.warnings, signed_urls.NOTE)) if signs else parsed


def parse_list(
    body: bytes, content_type: str, rules: PageRules, header_serial: str | None = None
) -> ProjectList:
    """Read the list of projects; arguments as in :func:`parse_page`.

    Raises:
        BadAnswer: the list breaks a rule of its format, so nothing of it is taken.
    """

    def read() -> ProjectList:
        from yanksync.core.formats.project_list_reader import parse_html_list, parse_json_list

        if is_json(content_type):
            return parse_json_list(body, rules, header_serial)
        return parse_html_list(body, content_type, rules, header_serial)

    return _answer("the list of projects", read)


def _answer(what: str, read: Callable[[], T]) -> T:
    """Return what ``read`` returns.

    Every way in which reading fails becomes a BadAnswer.
    """
    try:
        return read()
    except (InvalidDocument, msgspec.ValidationError) as problem:
        text = str(problem)
    except RecursionError:
        text = "it is nested too deeply"
    except UnicodeError:
        text = "it is no valid text of its charset"
    except msgspec.DecodeError:
        text = "it is no JSON"
    except ValueError as problem:
        text = f"it cannot be read: {quoted_for_log(str(problem))}"
    raise InvalidAnswer(what, text)
