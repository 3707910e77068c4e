"""Reads docs/design, without docutils: scripts/lowest has none."""

from __future__ import annotations

import re

from tests.support.source_copy import ROOT

DESIGN = ROOT / "docs/design"


def anchors(name: str, prefix: str) -> list[int]:
    """Return the numbers of the anchors in a page of ``docs/design`` that begin with ``prefix``."""
    text = (DESIGN / name).read_text(encoding="utf-8")
    return [int(number) for number in re.findall(rf"^\.\. _{prefix}([0-9]+):$", text, re.MULTILINE)]
