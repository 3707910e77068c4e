"""Works for the tests of the stores."""

from __future__ import annotations

from yanksync.core import layout
from yanksync.core.model import Published
from yanksync.output.compress import compress
from yanksync.output.reconcile import Rendered, Work, Write, copies_of, published, reconcile

ALL = ("gzip", "br", "zstd")
TWIN_NAMES = ("index.html", "index.v1_html")
FORMS = (*TWIN_NAMES, "index.v1_json")


def rendered(text: str = "one", serial: int = 7) -> Rendered:
    """Return both forms of a page that says ``text``."""
    json = f'{{"files":[],"meta":{{"api-version":"1.4","_last-serial":{serial}}},"name":"{text}"}}'
    return Rendered(html=f"<p>{text}</p>".encode(), json=json.encode())


def work(
    name: str = "demo",
    text: str | None = "one",
    stands: Published | None = None,
    codecs: tuple[str, ...] = (),
    *,
    dirty: bool = False,
) -> list[Work]:
    """Return what it takes to have ``text`` (None: nothing) stand as the page of ``name``."""
    wanted = None if text is None else rendered(text)
    copies = {} if wanted is None else copies_of(wanted, codecs, compress)
    found = reconcile(name, stands, wanted, copies, dirty=dirty)
    return [] if found is None else [found]


def stands(text: str = "one", codecs: tuple[str, ...] = ()) -> Published:
    """Return what the state knows once ``text`` is published."""
    return published(rendered(text), layout.copies(codecs, legacy=False))


def write(*args: object, **kwargs: object) -> Write:
    """Return :func:`work` where it is one write."""
    (one,) = work(*args, **kwargs)  # type: ignore[arg-type]
    assert isinstance(one, Write)
    return one


TYPES = {
    "index.html": "text/html; charset=utf-8",
    "index.v1_html": "application/vnd.pypi.simple.v1+html",
    "index.v1_json": "application/vnd.pypi.simple.v1+json",
}


ENCODINGS = {"": None, ".gz": "gzip", ".br": "br", ".zst": "zstd"}
