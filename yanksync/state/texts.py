"""Texts as the state keeps them: SQLite's can hold neither NUL nor lone surrogates."""

from __future__ import annotations

import json


def kept_text(text: str | None) -> str | None:
    """Return ``text`` as JSON in ASCII, which holds every text exactly."""
    return None if text is None else json.dumps(text)


def text_of(kept: object) -> str | None:
    """Return the text that :func:`kept_text` made ``kept`` of."""
    return None if kept is None else str(json.loads(str(kept)))


def kept_names(names: tuple[str, ...]) -> str | None:
    """Return ``names`` as a JSON array, None where there are none."""
    return json.dumps(names) if names else None


def names_of(kept: object) -> tuple[str, ...]:
    """Return the names that :func:`kept_names` made ``kept`` of."""
    return () if kept is None else tuple(json.loads(str(kept)))


def plain(text: str | None) -> str | None:
    """Return ``text`` to be looked up by: a lone surrogate becomes ``?``."""
    return None if text is None else text.encode("utf-8", "replace").decode()
