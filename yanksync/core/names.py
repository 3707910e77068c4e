"""Checks and normalises names of projects."""

from __future__ import annotations

import re
from typing import NewType

NormalizedName = NewType("NormalizedName", str)
"""A name that passed :func:`normalize`. Paths and URLs are made only from such names."""

# The packaging specification's rule. ASCII: with IGNORECASE alone U+017F, U+0130 and U+212A pass.
_VALID = re.compile(r"([A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])\Z", re.IGNORECASE | re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
_LONGEST = 200  # bytes; file systems allow 255, and endings need some of them


def normalize(name: str) -> NormalizedName | None:
    """Normalise a project name (PEP 503); None: not valid.

    The result has only ``a-z``, ``0-9`` and single inner hyphens, so it cannot leave a path or an
    HTML attribute.
    """
    if len(name) > _LONGEST or _VALID.match(name) is None:
        return None
    return NormalizedName(_SEPARATORS.sub("-", name).lower())
