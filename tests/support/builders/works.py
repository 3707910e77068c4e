"""Works for the tests of the stores."""

from __future__ import annotations

from yanksync.core import layout
from yanksync.core.model import PublishedForms
from yanksync.output.compress import compress
from yanksync.output.reconcile import (
    Operation,
    RenderedForms,
    WriteProject,
    compressed_copies,
    published_forms,
    reconcile,
)

ALL = ("gzip", "br", "zstd")
TWIN_NAMES = ("index.html", "index.v1_html")
FORMS = (*TWIN_NAMES, "index.v1_json")


def rendered(text: str = "one", serial: int = 7) -> RenderedForms:
    """Return both forms of a page that says ``text``."""
    json = f'{{"files":[],"meta":{{"api-version":"1.4","_last-serial":{serial}}},"name":"{text}"}}'
    return RenderedForms(html=f"<p>{text}</p>".encode(), json=json.encode())


def work(
    name: str = "demo",
    text: str | None = "one",
    stands: PublishedForms | None = None,
    codecs: tuple[str, ...] = (),
    *,
    dirty: bool = False,
) -> list[Operation]:
    """Return what it takes to have ``text`` (None: nothing) stand as the page of ``name``."""
    wanted = None if text is None else rendered(text)
    copies = {} if wanted is None else compressed_copies(wanted, codecs, compress)
    found = reconcile(name, stands, wanted, copies, write_started=dirty)
    return [] if found is None else [found]


def stands(text: str = "one", codecs: tuple[str, ...] = ()) -> PublishedForms:
    """Return what the state knows once ``text`` is published."""
    return published_forms(rendered(text), layout.compressed_names(codecs, legacy=False))


def write(*args: object, **kwargs: object) -> WriteProject:
    """Return :func:`work` where it is one write."""
    (one,) = work(*args, **kwargs)  # type: ignore[arg-type]
    assert isinstance(one, WriteProject)
    return one


TYPES = {
    "index.html": "text/html; charset=utf-8",
    "index.v1_html": "application/vnd.pypi.simple.v1+html",
    "index.v1_json": "application/vnd.pypi.simple.v1+json",
}


ENCODINGS = {"": None, ".gz": "gzip", ".br": "br", ".zst": "zstd"}
