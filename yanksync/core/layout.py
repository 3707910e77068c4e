"""All public paths, content types and cache rules (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

ROOT = "simple"
"""The directory of all pages below the output."""

WITHDRAWALS = "withdrawals"
"""The directory of the log of withdrawals, its feeds and records, below the output."""

PACKAGES = "packages"
"""The directory of copied package files, below the output."""

DELETED_ROOT = "deleted/simple"
"""The directory of the index of deleted files, below the output."""

LIST_KEY = ""
"""Stands for the list of projects, where a name of a project is expected."""

CACHE = "public, max-age=600"
"""What a cache may do with a page: PyPI's own rule."""

IMMUTABLE = "public, max-age=31536000, immutable"
"""What a cache may do with a package file: other bytes get another path."""


REVALIDATED = "no-cache"
"""The rule for :data:`LEGACY`: a cache could serve a document that is older than the list.

See docs/design/decisions/other-mirrors.rst#decision-followers.
"""


class Form(Struct, frozen=True):
    """One representation of a page (PEP 691)."""

    filename: str
    content_type: str


HTML = Form("index.html", "text/html; charset=utf-8")
V1_HTML = Form("index.v1_html", "application/vnd.pypi.simple.v1+html")
V1_JSON = Form("index.v1_json", "application/vnd.pypi.simple.v1+json")
LEGACY = Form("index.legacy_json", "application/json")
"""For followers that read the older JSON API; only there when the configuration asks for it."""

FORMS = (HTML, V1_HTML, V1_JSON, LEGACY)
"""All there are, whether they are configured or not."""

ALIAS = {HTML.filename: V1_HTML.filename}
"""Forms with the same bytes as another one; a hard link where the file system can."""

SUFFIX = {"gzip": ".gz", "br": ".br", "zstd": ".zst"}
"""What the name of a compressed copy adds, by codec."""

PACKET = 1400
"""Bytes that fit into one network packet. A compressed copy that saves less than that is not
written: the answer takes as many packets. A web server sends the page (``gzip_static on``)."""

ENCODING = {".gz": "gzip", ".br": "br", ".zst": "zstd"}
"""The Content-Encoding (RFC 9110, 8.4.1) that the name of a compressed copy stands for."""


class Headers(Struct, frozen=True):
    """The headers of a published file, stored with an object."""

    content_type: str
    cache: str
    encoding: str | None = None


def headers(filename: str) -> Headers:
    """Return the headers of a file with a name of yanksync.

    A compressed copy has "no-transform": a proxy that unpacks it would make its name wrong.
    """
    for form in FORMS:
        if filename == form.filename:
            return Headers(form.content_type, REVALIDATED if form is LEGACY else CACHE)
    page, dot, suffix = filename.rpartition(".")
    said = headers(page)
    return Headers(said.content_type, f"{said.cache}, no-transform", ENCODING[dot + suffix])


def package_headers(path: str) -> Headers:
    """Return the headers of a copied package file.

    Browsers do not show the bytes as a page. Clients do not unpack them on the way.
    """
    is_metadata = path.endswith(".metadata")  # PEP 658
    kind = "text/plain; charset=utf-8" if is_metadata else "application/octet-stream"
    return Headers(kind, IMMUTABLE)


def directory(name: str | None) -> str:
    """Return the directory of a project; None: the list of projects."""
    return ROOT if name is None else f"{ROOT}/{name}"


def compressed_names(codecs: Iterable[str], *, legacy: bool = True) -> tuple[str, ...]:
    """Return the names of all possible compressed copies, in fixed order.

    Second names of a form are left out, because they have the same copies.
    """
    forms = (V1_JSON, HTML, LEGACY) if legacy else (V1_JSON, HTML)
    wanted = set(codecs)
    suffixes = [suffix for codec, suffix in SUFFIX.items() if codec in wanted]
    return tuple(form.filename + suffix for form in forms for suffix in suffixes)


def split_copy_name(copy: str) -> tuple[str, str]:
    """Return the form and the codec of a compressed copy."""
    page, dot, suffix = copy.rpartition(".")
    return page, ENCODING[dot + suffix]


def codecs_of(copies: Iterable[str]) -> tuple[str, ...]:
    """Return the codecs of compressed copies, each once."""
    return tuple(dict.fromkeys(split_copy_name(copy)[1] for copy in copies))


def is_worth_keeping(page: int, copy: int) -> bool:
    """Return True if a compressed copy saves a network packet."""
    return page - copy >= PACKET


def aliases(filename: str) -> tuple[str, ...]:
    """Return the names of all files with the bytes of a form."""
    return (filename, *([ALIAS[filename]] if filename in ALIAS else []))


def with_compressed(filename: str) -> tuple[str, ...]:
    """Return the names of a form and its compressed copies."""
    return tuple(filename + suffix for suffix in ("", *SUFFIX.values()))


def filenames() -> tuple[str, ...]:
    """Return every file name that a directory of yanksync can have."""
    return tuple(name for form in FORMS for name in with_compressed(form.filename))


def temporary_name(filename: str) -> str:
    """Return the temporary name of a file.

    It is the same in every run, so that the next run finds the files of a dead run.
    """
    return f".{filename}.tmp"
