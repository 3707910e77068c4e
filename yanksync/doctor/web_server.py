"""Checks a web server.

It checks whether each client gets the form that it asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from yanksync.config.settings import Settings
from yanksync.core import layout
from yanksync.core.errors import UpstreamError
from yanksync.core.formats.document_kind import DocumentKind
from yanksync.core.urls import redacted
from yanksync.doctor.checks import Check, failed, passed, warned
from yanksync.upstream.client import user_agent
from yanksync.upstream.first_look import FirstLook, first_look
from yanksync.upstream.http.http_session import Session
from yanksync.upstream.http.session_options import SessionOptions

_HTML = "text/html"
_V1 = "application/vnd.pypi.simple.v1"
_SHOW = "serve it with what 'yanksync show nginx' or 'yanksync show caddy' prints"
_FILES = {
    f"{_V1}+json": layout.V1_JSON.filename,
    f"{_V1}+html": layout.HTML.filename,
    _HTML: layout.HTML.filename,
}


class _Client(Struct, frozen=True):
    name: str
    accept: str | None  # what it sends
    wanted: str  # the content type that it should get
    also: tuple[str, ...] = ()  # others that it can read


_CLIENTS = (
    _Client("pip", f"{_V1}+json, {_V1}+html; q=0.1, text/html; q=0.01", f"{_V1}+json",
            (f"{_V1}+html", _HTML)),
    _Client("uv", f"{_V1}+json, {_V1}+html;q=0.2, text/html;q=0.01", f"{_V1}+json",
            (f"{_V1}+html", _HTML)),
    _Client("Poetry", f"{_V1}+json, */*;q=0.1", f"{_V1}+json", (f"{_V1}+html", _HTML)),
    _Client("an old pip", _HTML, _HTML),
    _Client("a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", _HTML),
    _Client("curl", "*/*", _HTML, (f"{_V1}+html", f"{_V1}+json")),
)  # fmt: skip


def web_checks(settings: Settings, url: str) -> Iterator[Check]:
    """Yield the checks of the web server at ``url``."""
    root = url.rstrip("/") + "/"
    simple = root if root.endswith("/simple/") else f"{root}simple/"
    session = Session(
        SessionOptions(
            user_agent=user_agent(settings.upstream.contact),
            timeout=settings.upstream.timeout,
            workers=1,
            allow_http=True,
        )
    )
    with closing(session):
        yield from _served(session, settings, "web list", simple, layout.ROOT)
        name = _published(settings)
        if name is not None:
            page, path = f"{simple}{name}/", f"{layout.ROOT}/{name}"
            yield from _served(session, settings, "web page", page, path)
        if settings.copies_files:
            from yanksync.doctor.package_files import served_checks  # start-up: few copy files

            yield from served_checks(session, settings, simple.removesuffix("simple/"))


def _published(settings: Settings) -> str | None:
    """Return a project that has a page in the output.

    None if it lacks one, or is no directory.
    """
    output = settings.mirror.output
    if not isinstance(output, Path):
        return None
    pages = (output / layout.ROOT).glob(f"*/{layout.HTML.filename}")
    return next((page.parent.name for page in pages), None)


def _served(
    session: Session, settings: Settings, name: str, url: str, path: str
) -> Iterator[Check]:
    """Yield the checks of one address."""
    looks: dict[str, FirstLook] = {}
    try:
        for client in _CLIENTS:
            looks[client.name] = first_look(session, url, client.accept)
    except UpstreamError as error:
        yield failed(name, str(error), "start the web server, or correct --url")
        return
    bad = next((look for look in looks.values() if look.status != 200), None)
    if bad is not None:
        to = "" if bad.location is None else f" (to {redacted(bad.location)})"
        yield failed(name, f"{redacted(url)} answered {bad.status}{to}", _SHOW)
        return
    yield _forms(name, looks)
    yield _vary(name, looks)
    yield _content(name, settings, path, looks)


def _forms(name: str, looks: dict[str, FirstLook]) -> Check:
    wrong: list[str] = []  # wrong forms that the client can still read
    worse: list[str] = []
    for client in _CLIENTS:
        look = looks[client.name]
        got = look.content_type
        if got == client.wanted:
            continue
        said = f"{client.name} gets {got or 'no content type'}, wanted {client.wanted}"
        readable = got in client.also and look.kind is not DocumentKind.OTHER
        (wrong if readable else worse).append(said)
    if worse:
        return failed(name, "; ".join(worse), _SHOW)
    if wrong:
        return warned(name, f"clients can read it, but {'; '.join(wrong)}", _SHOW)
    names = ", ".join(client.name for client in _CLIENTS)
    return passed(name, f"JSON or HTML as asked for by {names}")


def _vary(name: str, looks: dict[str, FirstLook]) -> Check:
    """Check that caches keep the forms apart."""
    forms = {look.content_type for look in looks.values()}
    varies = all(
        {"accept", "*"} & {part.strip().lower() for part in look.headers.get("vary", "").split(",")}
        for look in looks.values()
    )
    if varies:
        return passed(f"{name} Vary", "Accept: caches keep JSON and HTML apart")
    if len(forms) == 1:
        return passed(f"{name} Vary", "not needed: there is one form")
    return failed(f"{name} Vary", "no 'Vary: Accept': a cache may hand JSON to a browser", _SHOW)


def _content(name: str, settings: Settings, path: str, looks: dict[str, FirstLook]) -> Check:
    """Compare the beginning of the answer with the published file."""
    output = settings.mirror.output
    label = f"{name} content"
    if not isinstance(output, Path):
        return passed(label, "not compared: the output is object storage")
    for look in looks.values():
        file = output / path / _FILES.get(look.content_type, layout.HTML.filename)
        try:
            with file.open("rb") as published:
                same = published.read(len(look.head)) == look.head and bool(look.head)
        except OSError as error:
            return failed(label, f"{file}: {error.strerror}", "run 'yanksync sync'")
        if not same:
            text = f"another one than {file}"
            advice = "a cache may be older; else let the web server serve this output"
            return warned(label, text, advice)
    return passed(label, "as published")
