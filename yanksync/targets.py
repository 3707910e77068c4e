"""Pure: whom the configuration may name to be told of things.

Each check returns the value as it is used, and raises :class:`ValueError` with what is wrong. A
message never repeats the value: it may be a secret.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_NO_URL_CHARACTER = re.compile(r"[\x00-\x20\x7f\\]")


def address(text: str) -> str:
    """Return an http or https URL; a query may stand in it, a fragment may not."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        valid = False
    if not valid or _NO_URL_CHARACTER.search(text) or "#" in text:
        raise ValueError("must be an http or https URL without fragment")
    return text
