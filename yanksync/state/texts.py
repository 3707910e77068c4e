"""Encodes texts for the state.

Texts of SQLite cannot have NUL or lone surrogates.
"""

from __future__ import annotations

import json


def encode_text(text: str | None) -> str | None:
    """Return ``text`` as JSON in ASCII, which keeps every text exactly."""
    return None if text is None else json.dumps(text)


def decode_text(kept: object) -> str | None:
    """Return the text that :func:`encode_text` encoded."""
    return None if kept is None else str(json.loads(str(kept)))


def encode_names(names: tuple[str, ...]) -> str | None:
    """Return ``names`` as a JSON array; None: there are none."""
    return json.dumps(names) if names else None


def decode_names(kept: object) -> tuple[str, ...]:
    """Return the names that :func:`encode_names` encoded."""
    return () if kept is None else tuple(json.loads(str(kept)))


def plain_text(text: str | None) -> str | None:
    """Return ``text`` for a lookup: a lone surrogate becomes ``?``."""
    return None if text is None else text.encode("utf-8", "replace").decode()
