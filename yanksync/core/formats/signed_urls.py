"""Finds links with a signature that expires (pure).

Object storage and CDNs give out such links, and some indexes pass them on. Caches, installers and
the mirror itself keep pages longer than such links work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from yanksync.core.model import File

NOTE = (
    "the links to its files carry a signature that expires; they are published as they are, but "
    "pages are cached, and such links stop working; ask upstream for links that last (said once "
    "in a pass, of the first project)"
)

_NAME = r"(?a)(?<=[?&;~=])[\w-]+(?==)"  # Akamai puts them into the value of another one
_UNTIL = frozenset(
    {
        *("expires", "expiry", "exp", "policy"),  # CloudFront, older S3 and Google, Akamai, many
        *("x-amz-expires", "x-goog-expires", "x-oss-expires"),
        "se",  # Azure
        "e",  # Qiniu
    }
)
_SIGNED = frozenset(
    {
        *("signature", "sig", "token", "hmac", "md5"),
        *("x-amz-signature", "x-goog-signature", "x-oss-signature"),
    }
)


def any_expires(files: Iterable[File]) -> bool:
    """Return True if a URL of ``files`` has a signature that expires."""
    return any("?" in file.url and _expires(file.url) for file in files)


def _expires(url: str) -> bool:
    names = {name.lower() for name in re.compile(_NAME).findall(url, url.index("?"))}
    return not (names.isdisjoint(_UNTIL) or names.isdisjoint(_SIGNED))
