"""Pure: every public path, content type and cache rule, each spelled once."""

from __future__ import annotations

from msgspec import Struct

ROOT = "simple"
"""The directory of all pages below the output (interface.md, Output)."""

CACHE = "public, max-age=600"
"""What a cache may do with a page: PyPI's own rule (spec-checklist D8)."""


UNTOUCHED = f"{CACHE}, no-transform"
"""The rule for a precompressed sibling: who unpacked it on the way would break its name."""


class Form(Struct, frozen=True):
    """One representation of a page (PEP 691)."""

    filename: str
    content_type: str


HTML = Form("index.html", "text/html; charset=utf-8")
V1_HTML = Form("index.v1_html", "application/vnd.pypi.simple.v1+html")
V1_JSON = Form("index.v1_json", "application/vnd.pypi.simple.v1+json")

TWIN = {HTML.filename: V1_HTML.filename}
"""Forms that hold the same bytes as another one, a hard link where the file system can."""

SUFFIX = {"gzip": ".gz", "br": ".br", "zstd": ".zst"}
"""What the name of a precompressed sibling adds, by codec (spec-checklist D10)."""

ENCODING = {".gz": "gzip", ".br": "br", ".zst": "zstd"}
"""The Content-Encoding (RFC 9110, 8.4.1) that the name of a sibling stands for."""


class Headers(Struct, frozen=True):
    """What is said with a published file, where that is kept with it."""

    content_type: str
    cache: str
    encoding: str | None = None


def headers(filename: str) -> Headers:
    """Return the headers of a file of one of our names (spec-checklist D2, D8, D16)."""
    for form in (HTML, V1_HTML, V1_JSON):
        if filename == form.filename:
            return Headers(form.content_type, CACHE)
    page, dot, suffix = filename.rpartition(".")
    return Headers(headers(page).content_type, UNTOUCHED, ENCODING[dot + suffix])


def directory(name: str | None) -> str:
    """Return the directory of a project, or of the list of projects for None."""
    return ROOT if name is None else f"{ROOT}/{name}"


def twins(filename: str) -> tuple[str, ...]:
    """Return the names of all files that hold the bytes of the form ``filename``."""
    return (filename, *([TWIN[filename]] if filename in TWIN else []))


def filenames() -> tuple[str, ...]:
    """Return every file name that may stand in a directory of ours, siblings included."""
    forms = (HTML.filename, V1_HTML.filename, V1_JSON.filename)
    return tuple(form + suffix for form in forms for suffix in ("", *SUFFIX.values()))


def temporary(filename: str) -> str:
    """Return the name under which a file is written before it is put in place.

    The same in every run, so that a run that died leaves nothing that the next does not find.
    """
    return f".{filename}.tmp"
