"""Finds the index that a wrong ``simple_url`` probably means."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from yanksync.core.errors import UpstreamError
from yanksync.core.formats.document_kind import DocumentKind
from yanksync.core.urls import redacted, without_userinfo
from yanksync.upstream.client import UpstreamClient
from yanksync.upstream.first_look import FirstLook
from yanksync.upstream.http.redirects import PORTS


def likely_address(upstream: UpstreamClient) -> str | None:
    """Return the address of an index near ``simple_url``, without credentials.

    Each possible address is asked once. Returns None if none of them is an index, or if
    ``simple_url`` itself is one.
    """
    url = upstream.simple_url
    first = _looked(upstream, url)
    if _is_index(first):
        return None
    candidates = dict.fromkeys((*_redirected(url, first), *_candidates(url)))
    found = (one for one in candidates if _is_index(_looked(upstream, one)))
    return next(map(redacted, found), None)


def advice(upstream: UpstreamClient) -> str | None:
    """Return advice about a wrong ``simple_url``; None: no better one."""
    likely = likely_address(upstream)
    if likely is None:
        return None
    return f"{likely} is a package index: if you mean that one, set upstream.simple_url to it"


def _redirected(url: str, first: FirstLook | None) -> Iterator[str]:
    """Yield where ``url`` redirects to, on the same host."""
    if first is not None and first.location is not None:
        target = without_userinfo(first.location)
        if urlsplit(target).hostname == urlsplit(url).hostname:
            yield target if target.endswith("/") else f"{target}/"


def _candidates(url: str) -> Iterator[str]:
    """Yield likely addresses of the index, also over https."""
    parts = urlsplit(url)
    paths = list(dict.fromkeys((parts.path, *_paths(parts.path))))
    if parts.scheme == "http":
        host = parts.netloc.removesuffix(f":{PORTS['http']}")
        for path in paths:
            https = parts._replace(scheme="https", netloc=host, path=path).geturl()
            yield without_userinfo(https)  # credentials belong to their scheme, host and port
    for path in paths[1:]:
        yield parts._replace(path=path).geturl()


def _paths(path: str) -> Iterator[str]:
    """Yield the paths where the index may be instead.

    ``path`` ends in a slash.
    """
    above, _, last = path.rstrip("/").rpartition("/")
    if "/simple/" in path.removesuffix("/simple/"):
        yield path.partition("/simple/")[0] + "/simple/"
    if last != "simple":
        yield f"{path}simple/"
    if last:
        yield f"{above}/"
        yield f"{above}/simple/"
    yield "/simple/"


def _looked(upstream: UpstreamClient, url: str) -> FirstLook | None:
    try:
        return upstream.first_look(url)
    except UpstreamError:
        return None


def _is_index(looked: FirstLook | None) -> bool:
    return looked is not None and looked.kind is DocumentKind.LIST
