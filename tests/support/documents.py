"""Reads the documents of the repository with docutils."""

from __future__ import annotations

import re
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


def anchors(name: str, prefix: str) -> list[int]:
    """Return the numbers of the anchors in a page of ``docs/design`` that begin with ``prefix``."""
    text = (ROOT / "docs/design" / name).read_text(encoding="utf-8")
    return [int(number) for number in re.findall(rf"^\.\. _{prefix}([0-9]+):$", text, re.MULTILINE)]
