"""Pages and lists of the fake upstream as bytes, in the shape that Warehouse gives them."""

from __future__ import annotations

import copy
import gzip
import hashlib
import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import quote

from tests.support.fake_index.values import StoredFile, StoredProject, reordered, version_key

PageDict = dict[str, Any]


class Form(StrEnum):
    """The content types of the Simple API, in the order in which Warehouse offers them."""

    TEXT_HTML = "text/html"
    V1_HTML = "application/vnd.pypi.simple.v1+html"
    V1_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True)
class Look:
    """What the upstream's settings change in a rendered page."""

    files_url: str
    api_version: str = "1.4"
    serials: bool = True
    doctor: Callable[[PageDict], PageDict] | None = None  # the last word on a page's JSON value


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes as sent, with the ETag over them."""

    data: bytes
    etag: str


class _Rendered:
    """Bodies made at first need and kept; the value behind them never changes."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[Form, Look, bool], Body] = {}

    def render(self, form: Form, look: Look) -> bytes:
        raise NotImplementedError

    def body(self, form: Form, look: Look, *, gzipped: bool = False) -> Body:
        """Return the bytes for a request of ``form``."""
        key = (form, look, gzipped)
        if key not in self._bodies:
            data = self.body(form, look).data if gzipped else self.render(form, look)
            self._bodies[key] = body_of(data, gzipped=gzipped)
        return self._bodies[key]


class Answer(_Rendered):
    """What a page request gets: one project at one moment."""

    def __init__(self, name: str, project: StoredProject | None, serial: int) -> None:
        super().__init__()
        self.name = name
        self.project = project
        self.serial = serial

    @property
    def found(self) -> bool:
        """Whether the answer is 200; otherwise it is 404."""
        return self.project is not None

    def page(self, look: Look) -> PageDict | None:
        """Return the JSON page as a value (a new one each time), None for a 404."""
        if self.project is None:
            return None
        visible = self.project.visible()
        status: PageDict = {"status": self.project.status}
        if self.project.status_reason is not None:
            status["reason"] = self.project.status_reason
        meta: PageDict = {"api-version": look.api_version}
        if look.serials:
            meta["_last-serial"] = self.serial
        versions = {f.version for f in visible}  # only releases with a file
        return {
            "files": [_file(self.name, self.project, f, look) for f in visible],
            "meta": meta,
            "name": self.name,
            "project-status": status,
            "versions": sorted(versions, key=lambda v: (version_key(v), v)),
        }

    def render(self, form: Form, look: Look) -> bytes:
        """Return the page as ``form``."""
        page = self.page(look)
        if page is None:
            raise LookupError(self.name)
        if look.doctor is not None:
            page = look.doctor(copy.deepcopy(page))
        return _json(page) if form == Form.V1_JSON else _page_html(page)


class Listing(_Rendered):
    """The list of projects at one moment: (normalised name, display name, serial) by name."""

    def __init__(self, entries: tuple[tuple[str, str, int], ...], serial: int) -> None:
        super().__init__()
        self.entries = entries
        self.serial = serial

    @cached_property
    def half(self) -> Listing:
        """The list with every second project gone."""
        return Listing(self.entries[::2], self.serial)

    def render(self, form: Form, look: Look) -> bytes:
        """Return the list as ``form``; the HTML one has no serial in its body."""
        if form == Form.V1_JSON:
            return _json(self._value(look))
        links = [f'    <a href="/simple/{n}/">{escape(d)}</a>\n' for n, d, _ in self.entries]
        return _document(look.api_version, "Simple index", "", "".join(links))

    def _value(self, look: Look) -> PageDict:
        meta: PageDict = {"api-version": look.api_version}
        projects: list[PageDict] = [{"name": display} for _, display, _ in self.entries]
        if look.serials:
            meta["_last-serial"] = self.serial
            for project, (_, _, serial) in zip(projects, self.entries, strict=True):
                project["_last-serial"] = serial
        return {"meta": meta, "projects": projects}


def body_of(data: bytes, *, gzipped: bool) -> Body:
    """Return ``data`` as it goes out, compressed if ``gzipped``, with its own ETag."""
    sent = gzip.compress(data, 1, mtime=0) if gzipped else data
    return Body(sent, '"' + hashlib.blake2b(sent, digest_size=16).hexdigest() + '"')


def file_url(files_url: str, name: str, filename: str) -> str:
    """Return a file's URL: spaces percent-encoded, ``!`` and ``+`` left alone."""
    return f"{files_url}{name}/{quote(filename, safe='!+~')}"


def escape(text: str) -> str:
    """Return ``text`` escaped as Warehouse does, controls left raw."""
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _file(name: str, project: StoredProject, file: StoredFile, look: Look) -> PageDict:
    reason = project.yanked(file)
    metadata: Any = False  # an object or false
    if file.metadata is not None:
        metadata = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
    return {
        "core-metadata": metadata,
        "data-dist-info-metadata": metadata,
        "filename": file.filename,
        "hashes": {"sha256": file.sha256},
        "provenance": file.provenance,
        "requires-python": reordered(project.releases[file.version].requires_python),
        "size": len(file.content),
        "upload-time": file.upload_time,
        "url": file_url(look.files_url, name, file.filename),
        "yanked": False if reason is None else reason or True,  # never ""
    }


def _json(value: PageDict) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate exists in JSON only as an escape
        return (json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n").encode()


def _page_html(page: PageDict) -> bytes:
    status = page.get("project-status", {}).get("status", "active")
    extra = f'    <meta name="pypi:project-status" content="{escape(status)}">\n'
    links = "".join(_link(f) for f in page["files"])
    title = f"Links for {escape(page['name'])}"
    serial = page["meta"].get("_last-serial")
    comment = "" if serial is None else f"<!--SERIAL {serial}-->"
    return _document(page["meta"]["api-version"], title, extra, links, comment)


def _link(file: PageDict) -> str:
    hashes = file.get("hashes", {})
    fragment = f"#sha256={hashes['sha256']}" if "sha256" in hashes else ""
    attributes = [f'href="{escape(file["url"])}{fragment}"']
    if file.get("requires-python"):
        attributes.append(f'data-requires-python="{escape(file["requires-python"])}"')
    if (yanked := file.get("yanked", False)) is not False:
        attributes.append(f'data-yanked="{"" if yanked is True else escape(str(yanked))}"')
    if metadata := file.get("core-metadata"):
        value = "true" if metadata is True else f"sha256={metadata['sha256']}"
        attributes += [f'data-dist-info-metadata="{value}"', f'data-core-metadata="{value}"']
    if file.get("provenance"):
        attributes.append(f'data-provenance="{escape(file["provenance"])}"')
    return f"<a {' '.join(attributes)}>{escape(file['filename'])}</a><br />\n"


def _document(api_version: str, title: str, extra: str, links: str, comment: str = "") -> bytes:
    text = (
        "<!DOCTYPE html>\n<html>\n  <head>\n"
        f'    <meta name="pypi:repository-version" content="{escape(api_version)}">\n'
        f"{extra}    <title>{title}</title>\n  </head>\n  <body>\n    <h1>{title}</h1>\n"
        f"{links}</body>\n</html>\n{comment}"
    )
    return text.encode(errors="replace")
