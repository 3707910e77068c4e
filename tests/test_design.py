"""Checks the anchors and file names of docs/design.

There is an anchor for each cited rule. All named files exist.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.design import DESIGN, anchors
from tests.support.source_copy import ROOT

PAGES = sorted(DESIGN.rglob("*.rst"))
CITED = re.compile(r"(?<!\w)R([1-9][0-9]?)(?!\w)")
ANCHOR = re.compile(r"docs/design/([a-z/-]+\.rst)#([a-z0-9-]+)")
PATH = re.compile(r"``((?:[a-z_0-9]+/)+(?:[a-z_0-9]+\.py)?)``")


def sources() -> list[tuple[str, str]]:
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    return [
        (name, (ROOT / name).read_text(encoding="utf-8"))
        for name in listed
        if name.endswith((".py", ".rst", ".cfg")) and (ROOT / name).exists()
    ]


def test_every_cited_rule_has_an_anchor() -> None:
    rules = {str(number) for number in anchors("rules.rst", "rule-r")}
    found = {(name, rule) for name, text in sources() for rule in CITED.findall(text)}
    assert {rule for _, rule in found} == rules
    assert rules == {str(number) for number in range(1, 16)}


def test_every_cited_anchor_exists() -> None:
    for name, text in sources():
        for page, anchor in ANCHOR.findall(text):
            assert f".. _{anchor}:" in (DESIGN / page).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DESIGN)))
def test_paths_in_the_design_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = [name for name in PATH.findall(text) if not name.startswith("simple/")]
    gone = [
        name
        for name in named
        if not (ROOT / name).exists() and not (ROOT / "yanksync" / name).exists()
    ]
    assert gone == []


def test_no_page_of_the_design_is_too_long() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PAGES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
    assert "rules.rst" in lengths
