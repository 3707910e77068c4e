"""The mechanical part of the rules for English: short first lines, and words that say who acts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import PAGES, text_of
from tests.support.source_copy import ROOT

DONE = (  # packages in plain English; add yours
    *("adopt", "cli", "config", "core", "doctor", "service", "system"),
    *("mirror", "output", "state", "sync", "upstream", "verify"),
)
MODULES = [path for name in DONE for path in sorted((ROOT / "yanksync" / name).rglob("*.py"))]
VAGUE = re.compile(
    r"\b(nobody|somebody|whoever|everybody|those who|who finds|anew)\b", re.IGNORECASE
)
MOST = 12  # words


def first_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the public functions and classes of a module, with the first line of their text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.name, text.split("\n")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "yanksync")))
def test_first_lines_are_short(path: Path) -> None:
    lines = dict(first_lines(path))
    assert {name: line for name, line in lines.items() if len(line.split()) > MOST} == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "yanksync")))
def test_sentences_name_who_acts(path: Path) -> None:
    assert VAGUE.findall(path.read_text(encoding="utf-8")) == []


PRIVATE = re.compile(r"\b(told|portions?|the sweep|siblings?|h[eo]ld against)\b", re.IGNORECASE)


@pytest.mark.parametrize("name", PAGES)
def test_pages_name_who_acts(name: str) -> None:
    assert VAGUE.findall(text_of(name)) == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_usual_words(name: str) -> None:
    assert PRIVATE.findall(text_of(name)) == []
