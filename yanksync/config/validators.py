"""Pure: whom the configuration may name to be told of things: addresses, a header, a command.

Each check returns the value as it is used, and raises :class:`ValueError` with what is wrong. A
message never repeats a value that may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit, urlunsplit

_NO_URL_CHARACTER = re.compile(r"[\x00-\x20\x7f\\]")  # urlsplit drops some of these silently

_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)"
)
_HOST = re.compile(r"([a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
_OURS = frozenset(("content-length", "content-type", "host", "transfer-encoding"))


def address(text: str) -> str:
    """Return an http or https URL; a query may stand in it, a fragment may not."""
    _check(text, "#", "must be an http or https URL without fragment")
    return text


def plain_address(text: str) -> str:
    """Return an http or https URL with neither."""
    problem = (
        "must be an http or https URL without query and fragment, "
        "like https://upstream.example/simple/"
    )
    _check(text, "?#", problem)
    return urlunsplit(urlsplit(text))


def index(text: str) -> str:
    """Return the URL of an index with the trailing slash that relative links need (PEP 503)."""
    parts = urlsplit(plain_address(text))
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/"))


def _check(text: str, without: str, problem: str) -> None:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        valid = False
    if not valid or _NO_URL_CHARACTER.search(text) or any(mark in text for mark in without):
        raise ValueError(problem)
    try:  # as they are sent
        unquote(f"{parts.username}{parts.password}").encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("holds credentials that are not Latin-1, as HTTP wants them") from None


def hosts(texts: Sequence[str]) -> tuple[str, ...]:
    """Return names of hosts, each with a port or without, in lower case."""
    return tuple(map(_host, texts))


def _host(text: str) -> str:
    match = _HOST.fullmatch(text.lower())
    if match is None or not 0 < int(match[2] or 1) < 65536:
        shown = text.partition("?")[0]  # what follows may be a signature
        if "@" in shown:
            shown = "***@" + shown.rpartition("@")[2]
        raise ValueError(
            'must list names of hosts, like "cdn.example" or "cdn.example:8443", without scheme, '
            f"path, credentials and wildcards, not {shown!r}"
        )
    return match[1] if match[2] is None else f"{match[1]}:{int(match[2])}"


def header(text: str) -> str:
    """Return a line of an HTTP header, such as ``Authorization: Bearer …``."""
    match = _HEADER.fullmatch(text)
    if match is None:
        raise ValueError('must be one header, like "Authorization: Bearer …", in printable ASCII')
    if match[1].lower() in _OURS:
        raise ValueError(f"{match[1]} is set by yanksync")
    return f"{match[1]}: {match[2]}"


def command(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a program and its arguments; no shell reads them."""
    if not arguments:
        return ()  # none is run
    if not arguments[0]:
        raise ValueError("must name a program")
    if any("\0" in argument for argument in arguments):
        raise ValueError("must not hold NUL")
    if "/" in arguments[0] and not arguments[0].startswith("/"):
        raise ValueError("must begin with a name that is on PATH, or with an absolute path")
    return tuple(arguments)
