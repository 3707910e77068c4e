"""Small upstream pages for the tests of the readers."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings

from yanksync.core.formats.parse import PageRules, ParsedPage, parse_page
from yanksync.core.model import File, Page
from yanksync.core.names import NormalizedName

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=UTF-8"
URL = "https://upstream.example/simple/demo/"
HEX = "ab" * 32
NAME = "demo-1.0.tar.gz"
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # busy machines
DEMO = NormalizedName("demo")


def json_file(filename: Any = NAME, **fields: Any) -> dict[str, Any]:
    """Return an element of ``files``; ``_`` stands for ``-``, ``...`` leaves a field out."""
    there = {
        "filename": filename,
        "url": f"https://files.example/packages/{filename}",
        "hashes": {"sha256": HEX},
        **{key.replace("_", "-"): value for key, value in fields.items()},
    }
    return {key: value for key, value in there.items() if value is not ...}


def json_body(*files: Any, **fields: Any) -> bytes:
    """Return a page; ``meta`` and other top-level keys as in :func:`json_file`."""
    there = {
        "meta": {"api-version": "1.0"},
        "name": "demo",
        "files": list(files),
        **{key.replace("_", "-"): value for key, value in fields.items()},
    }
    return json.dumps({key: value for key, value in there.items() if value is not ...}).encode()


def html_body(*anchors: str, head: str = "", tail: str = "") -> bytes:
    """Return a page with these anchors."""
    lines = "<br>\n".join(anchors)
    meta = '<meta name="pypi:repository-version" content="1.0">'
    page = f"<!DOCTYPE html><html><head>{meta}{head}</head><body>{lines}</body></html>{tail}"
    return page.encode("utf-8", "surrogatepass")


def anchor(attributes: str = "", filename: str = NAME, href: str | None = None) -> str:
    link = f"https://files.example/packages/{filename}" if href is None else href
    return f'<a href="{link}" {attributes}>{filename}</a>'


def read(body: bytes, content_type: str = JSON, url: str = URL, **rules: Any) -> ParsedPage:
    return parse_page(body, content_type, url, DEMO, PageRules(**rules))


def page_of(body: bytes, content_type: str = JSON, **rules: Any) -> Page:
    return read(body, content_type, **rules).page


def only_file(body: bytes, content_type: str = JSON, **rules: Any) -> File:
    (file,) = page_of(body, content_type, **rules).files
    return file
