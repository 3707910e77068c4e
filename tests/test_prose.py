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


def test_first_lines_are_short() -> None:
    lines = [(path, *found) for path in MODULES for found in first_lines(path)]
    assert [found for found in lines if len(found[2].split()) > MOST] == []


def test_sentences_name_who_acts() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in MODULES}
    assert {path: found for path, text in texts.items() if (found := VAGUE.findall(text))} == {}


PRIVATE = re.compile(r"\b(told|portions?|the sweep|siblings?|h[eo]ld against)\b", re.IGNORECASE)


@pytest.mark.parametrize("words", [VAGUE, PRIVATE], ids=["who acts", "usual words"])
def test_pages_have_clear_words(words: re.Pattern[str]) -> None:
    assert {name: found for name in PAGES if (found := words.findall(text_of(name)))} == {}
