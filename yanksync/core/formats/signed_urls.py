"""Pure: links that carry a signature, and stop working when it expires.

Object storage and CDNs give such links out, some indexes pass them on. A mirror's pages are kept by
caches and installers, and by the mirror itself until the project changes: longer than the links.
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

_NAME = r"(?a)(?<=[?&;~=])[\w-]+(?==)"  # Akamai's stand in the value of another
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
