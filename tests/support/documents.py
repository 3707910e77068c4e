"""Reads the documents of the repository with docutils."""

from __future__ import annotations

from functools import cache

import docutils.core
import docutils.nodes

from tests.support.source_copy import ROOT


@cache
def parsed(name: str = "README.rst") -> docutils.nodes.document:
    """Return a document; whatever docutils has to say against it is an error."""
    return docutils.core.publish_doctree(
        (ROOT / name).read_text(encoding="utf-8"),
        settings_overrides={
            "report_level": 1,
            "halt_level": 1,
            "syntax_highlight": "none",
            "file_insertion_enabled": False,
        },
    )
