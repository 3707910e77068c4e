"""Removes credentials from addresses, and knows local hosts (pure)."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_USERINFO = r"(?<=//)[^/?#]*@"


def redacted(url: str) -> str:
    """Replace user name and password in ``url`` by ``***``.

    Both may be tokens.
    """
    return re.sub(_USERINFO, "***@", url, count=1) if "@" in url else url


def without_userinfo(url: str) -> str:
    """Return ``url`` without user name and password."""
    return re.sub(_USERINFO, "", url, count=1) if "@" in url else url


def is_loopback(host: str) -> bool:
    """Return whether plain http to ``host`` (without brackets) stays on this machine."""
    import ipaddress  # start-up: only plain http asks

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def credentials(url: str) -> tuple[str, str] | None:
    """Return user name and password of an address; None: neither."""
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")
