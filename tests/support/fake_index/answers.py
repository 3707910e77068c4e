"""What the fake upstream answers to a request: routes, negotiation, conditions, altered bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from tests.support.fake_index import legacy_json, xmlrpc
from tests.support.fake_index.faults import MAINTENANCE, Fault, Kind
from tests.support.fake_index.pages import Body, Form, Listing, Look, PageDict, body_of
from tests.support.fake_index.repository import Repository
from tests.support.fake_index.values import digest, normalise

Headers = Mapping[str, str]
_PAGE_TTL = "max-age=600, public"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is sent."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


NOT_FOUND = Reply(404, (("Content-Type", "text/plain; charset=UTF-8"),), b"404 Not Found")


def get_reply(upstream: Repository, target: str, headers: Headers, fault: Fault | None) -> Reply:
    """Answer a GET or HEAD."""
    path = urlsplit(target).path
    parts = path.split("/")
    match parts[1:]:
        case ["simple", ""]:
            return _list(upstream, headers, fault)
        case ["simple", name, ""]:
            return _page(upstream, target, name, headers, fault)
        case ["simple"] | ["simple", _] | ["pypi"]:
            return _moved(target, path + "/")  # before anything is looked up
        case ["pypi", name, "json"]:
            return _document(upstream, unquote(name))
        case ["pypi", ""]:
            return _moved(target, "/")
        case ["files" | "packages", name, filename] | ["packages", _, _, name, filename]:
            return _part(_file(upstream, name, unquote(filename)), headers)
        case [""]:
            return Reply(200, (("Content-Type", "text/html; charset=UTF-8"),), b"<p>Fake</p>\n")
    return NOT_FOUND


def post_reply(
    upstream: Repository, target: str, headers: Headers, call: xmlrpc.Call, fault: Fault | None
) -> Reply:
    """Answer a POST: XML-RPC, where the path and the content type say so."""
    path = urlsplit(target).path
    if path not in ("/pypi", "/pypi/", "/RPC2"):
        return NOT_FOUND
    if not headers.get("content-type", "").startswith("text/xml"):
        return _moved(target, {"/pypi": "/pypi/", "/pypi/": "/"}.get(path, "/RPC2/"))
    if upstream.xmlrpc_status is not None:
        return Reply(upstream.xmlrpc_status, (("Content-Type", "text/html"),), MAINTENANCE)
    limits: list[tuple[str, str]] = []
    if fault and fault.kind is Kind.RPC_FAULT:
        xml, limits = xmlrpc.fault(fault.code, fault.text), list(fault.headers)
    else:
        with upstream.lock:
            xml, limits = xmlrpc.answer(upstream, call)
    sent = [("Content-Type", "text/xml; charset=UTF-8"), *limits]
    body = xml.encode(errors="replace")
    if _wants_gzip(upstream, headers):
        zipped = body_of(body, gzipped=True)
        sent += [("Content-Encoding", "gzip"), ("ETag", zipped.etag)]
        body = zipped.data
    return Reply(200, tuple(sent), body)


def altered(reply: Reply, fault: Fault | None) -> Reply:
    """Return ``reply`` as ``fault`` wants it."""
    if fault is None:
        return reply
    if fault.kind is Kind.REPLACE:
        return Reply(fault.code, fault.headers, fault.content)
    if fault.kind is Kind.GARBAGE:
        plain = tuple(h for h in reply.headers if h[0] != "Content-Encoding")
        return replace(reply, headers=plain, body=b"\x00\xff\xfe{[<garbage\x80" * 8)
    if fault.kind is Kind.CONTENT_TYPE:
        others = tuple(h for h in reply.headers if h[0] != "Content-Type")
        given = (("Content-Type", fault.text),) if fault.text else ()
        return replace(reply, headers=given + others)
    return reply


def negotiated(upstream: Repository, accept: str) -> Form:
    """Choose a form as Warehouse does: never 406; HTML if nothing fits."""
    if upstream.html_only:
        return Form.TEXT_HTML
    if upstream.json_only:
        return Form.V1_JSON
    wanted = [_media_range(part) for part in accept.split(",") if part.strip()]
    qualities = {form: _quality(form, wanted) for form in Form}
    best = max(qualities.values())
    return next(f for f in Form if qualities[f] == best) if best > 0 else Form.TEXT_HTML


def _media_range(part: str) -> tuple[str, float]:
    media, *params = (p.strip() for p in part.split(";"))
    quality = 1.0
    for param in params:
        name, _, value = param.partition("=")
        if name.strip().lower() != "q":
            return "", 0.0  # offers lack parameters, so such a range matches none of them
        try:
            quality = float(value)
        except ValueError:
            return "", 0.0
    return media.lower(), quality


def _quality(form: Form, wanted: list[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that matches ``form``."""
    for media in (form.value, form.value.split("/")[0] + "/*", "*/*"):
        found = [quality for name, quality in wanted if name == media]
        if found:
            return found[0]
    return 0.0


def _wants_gzip(upstream: Repository, headers: Headers) -> bool:
    accepted = headers.get("accept-encoding", "").lower()
    return (
        upstream.gzip and re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted) is not None
    )


def _list(upstream: Repository, headers: Headers, fault: Fault | None) -> Reply:
    listing = upstream.served_listing()
    if fault and fault.kind is Kind.EMPTY_LIST:
        listing = Listing((), listing.serial)
    if fault and fault.kind is Kind.HALF_LIST:
        listing = listing.half
    form = negotiated(upstream, headers.get("accept", ""))
    gzipped = _wants_gzip(upstream, headers)
    look = Look("", upstream.api_version, upstream.list_serials)
    body = listing.body(form, look, gzipped=gzipped)
    serial = listing.serial if upstream.list_serials else None
    return _conditional(upstream, headers, body, form, gzipped, serial)


def _page(
    upstream: Repository, target: str, raw_name: str, headers: Headers, fault: Fault | None
) -> Reply:
    name = unquote(raw_name)
    key = normalise(name)
    if key != name and upstream.answer(key).found:
        return _moved(target, f"/simple/{key}/")
    form = negotiated(upstream, headers.get("accept", ""))
    gzipped = _wants_gzip(upstream, headers)
    answer = upstream.page_answer(key, gzipped=gzipped)
    if key != name or not answer.found:
        return NOT_FOUND  # without a serial, whatever was accepted
    look = upstream.served_look()
    serial = answer.serial if upstream.page_serials else None
    if fault and fault.kind is Kind.FALLBACK:
        form, look, serial = Form.TEXT_HTML, replace(look, serials=False, doctor=_poorer), None
    if fault and fault.kind is Kind.EMPTY_PAGE:
        look = replace(look, doctor=_emptied)
    body = answer.body(form, look, gzipped=gzipped)
    return _conditional(upstream, headers, body, form, gzipped, serial)


def _conditional(
    upstream: Repository,
    headers: Headers,
    body: Body,
    form: Form,
    gzipped: bool,
    serial: int | None,
) -> Reply:
    """Return 200, or 304 where the client has these bytes; both have the serial."""
    sent = [("Cache-Control", _PAGE_TTL), ("Vary", "Accept, Accept-Encoding")]
    if serial is not None:
        sent.append(("X-PyPI-Last-Serial", str(serial)))
    if upstream.etags:
        sent.append(("ETag", body.etag))
        held = [t.strip().removeprefix("W/") for t in headers.get("if-none-match", "").split(",")]
        if body.etag in held or "*" in held:
            return Reply(304, tuple(sent))
    charset = "" if form == Form.V1_JSON else "; charset=UTF-8"
    sent.append(("Content-Type", form.value + charset))
    if gzipped:
        sent.append(("Content-Encoding", "gzip"))
    return Reply(200, tuple(sent), body.data)


def _document(upstream: Repository, name: str) -> Reply:
    found = legacy_json.document(upstream, name)
    if found is None:
        return NOT_FOUND
    body, serial = found
    sent = (("Content-Type", "application/json"), ("X-PyPI-Last-Serial", str(serial)))
    return Reply(200, sent, body)


def _file(upstream: Repository, name: str, filename: str) -> Reply:
    """Answer with a file or its metadata (PEP 658); quarantined ones answer, too."""
    project = upstream.project(name)
    files = project.files if project else {}
    wanted = files.get(filename)
    content = wanted.content if wanted else None
    if wanted is None and (whole := files.get(filename.removesuffix(".metadata"))):
        content = whole.metadata
    if content is None:
        return NOT_FOUND
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Cache-Control", "max-age=365000000, immutable, public"),
        ("ETag", f'"{digest(content)}"'),  # pip's cache wants it
    )
    return Reply(200, headers, content)


def _part(whole: Reply, headers: Headers) -> Reply:
    """Return the rest of a file to a client that has its beginning.

    The client sends the ETag of the file it began with (RFC 9110, If-Range).
    """
    found = re.fullmatch(r"bytes=([0-9]+)-", headers.get("range", ""))
    start, size = int(found[1]) if found else 0, len(whole.body)
    if not 0 < start < size or ("ETag", headers.get("if-range")) not in whole.headers:
        return whole
    where = ("Content-Range", f"bytes {start}-{size - 1}/{size}")
    return Reply(206, (*whole.headers, where), whole.body[start:])


def _moved(target: str, path: str) -> Reply:
    """Redirect, keeping the query."""
    query = urlsplit(target).query
    return Reply(301, (("Location", f"{path}?{query}" if query else path),))


def _emptied(page: PageDict) -> PageDict:
    return {**page, "files": [], "versions": []}


def _poorer(page: PageDict) -> PageDict:
    files = [{**f, "requires-python": None} for f in reversed(page["files"])]
    return {**page, "files": files}
