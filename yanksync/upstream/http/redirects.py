"""Decides which redirects are followed.

They are redirects within a host, and to hosts that the configuration names.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from yanksync.core.errors import InvalidAnswer
from yanksync.core.urls import is_loopback, redacted

PORTS = {"http": 80, "https": 443}


class RedirectRules:
    """The hosts to which upstream may redirect."""

    def __init__(self, *, allow_http: bool, hosts: Collection[str] | None) -> None:
        """Take ``hosts`` that pages may redirect to; None: any."""
        self._allow_http = allow_http
        self._hosts = None if hosts is None else frozenset(hosts)

    def follow(self, url: str, location: str, home: str | None) -> str:
        """Return where ``url`` leads; ``home`` is the host asked first.

        Raises :class:`InvalidAnswer`.
        """
        shown = url_for_messages(url)
        if not location:
            raise InvalidAnswer(shown, "a redirect that names no address")
        try:
            target = urljoin(url, location)
            old, new = urlsplit(url), urlsplit(target)
            same_place = origin(url) == origin(target)
        except ValueError as error:
            raise InvalidAnswer(shown, "a redirect to no valid address") from error
        if new.scheme not in ("http", "https") or not new.hostname:
            bad = url_for_messages(target)
            raise InvalidAnswer(shown, f"a redirect to {bad!r}, no http address")
        if new.hostname != home and not self._may_answer(target):
            raise InvalidAnswer(
                shown,
                f"a redirect to another host, {new.netloc.rpartition('@')[2]!r}, which is not "
                "followed; if that host may answer for upstream, name it in "
                "upstream.redirect_hosts",
            )
        if new.scheme == "http" and (
            old.scheme == "https" or not self._plain_allowed(new.hostname)
        ):
            raise InvalidAnswer(shown, "a redirect to plain http")
        if "@" in new.netloc and new.netloc != old.netloc:
            raise InvalidAnswer(shown, "a redirect to an address with credentials")
        if same_place:
            target = new._replace(netloc=old.netloc).geturl()  # credentials stay
        return target

    def _may_answer(self, url: str) -> bool:
        """Return whether ``url`` is at a host of ``redirect_hosts``."""
        if self._hosts is None:
            return True
        _, host, port = origin(url)
        host = f"[{host}]" if ":" in host else host
        return not self._hosts.isdisjoint((host, f"{host}:{port}"))

    def _plain_allowed(self, host: str) -> bool:
        return self._allow_http or is_loopback(host)


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port.

    Raises ``ValueError`` for a port that is not valid.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)


def url_for_messages(url: str) -> str:
    """Return ``url`` for a message, without its query.

    The query of a redirect can be a signature, which is a secret.
    """
    return redacted(url).partition("?")[0]
