"""Finds the index that a wrong ``simple_url`` was probably meant to name."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from yanksync.core.errors import UpstreamError
from yanksync.core.formats.document_kind import DocumentKind
from yanksync.core.urls import redacted, without_userinfo
from yanksync.upstream.client import UpstreamClient

_PORTS = {"http": 80, "https": 443}


def likely_address(upstream: UpstreamClient) -> str | None:
    """Return the address of an index near ``simple_url``, without credentials.

    Each address that comes into question is asked once. Returns None if none of them is an index,
    or ``simple_url`` itself is one.
    """
    url = upstream.simple_url
    if _is_index(upstream, url):
        return None
    found = (one for one in _candidates(url) if _is_index(upstream, one))
    return next(map(redacted, found), None)


def advice(upstream: UpstreamClient) -> str | None:
    """Return what to do about a wrong ``simple_url``; None if no better one is known."""
    likely = likely_address(upstream)
    if likely is None:
        return None
    return f"{likely} is a package index: if you mean that one, set upstream.simple_url to it"


def _candidates(url: str) -> Iterator[str]:
    """Yield the root's index, the index of a project's page, and the same over https."""
    parts = urlsplit(url)
    paths = list(dict.fromkeys((parts.path, *_paths(parts.path))))
    if parts.scheme == "http":
        host = parts.netloc.removesuffix(f":{_PORTS['http']}")
        for path in paths:
            https = parts._replace(scheme="https", netloc=host, path=path).geturl()
            yield without_userinfo(https)  # credentials are for their scheme, host and port
    for path in paths[1:]:
        yield parts._replace(path=path).geturl()


def _paths(path: str) -> Iterator[str]:
    """Yield the paths where the index may be instead; ``path`` ends in a slash."""
    above, _, last = path.rstrip("/").rpartition("/")
    if "/simple/" in path.removesuffix("/simple/"):
        yield path.partition("/simple/")[0] + "/simple/"
    if last != "simple":
        yield f"{path}simple/"
    if last:
        yield f"{above}/"
        yield f"{above}/simple/"
    yield "/simple/"


def _is_index(upstream: UpstreamClient, url: str) -> bool:
    try:
        return upstream.first_look(url).kind is DocumentKind.LIST
    except UpstreamError:
        return False
