"""Checks the mechanical part of the rules for English.

First lines are short. Words say who acts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.documents import PAGES, text_of
from tests.support.source_copy import ROOT

VAGUE = re.compile(
    r"\b(nobody|somebody|whoever|everybody|those who|who finds|anew)\b", re.IGNORECASE
)
MOST = 12  # words


NO_VERB = re.compile(r"(A|An|The|What|Whether|How|Where|That|Who|It|Every|None|True|False)\b")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef


@cache
def sources() -> dict[str, str]:
    """Return the modules of the program, with their texts."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "yanksync").rglob("*.py"))
    }


def first_lines() -> Iterator[tuple[str, Documented, str]]:
    """Yield all modules, classes and functions, with the first line of their texts."""
    for name, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, Documented) and (text := ast.get_docstring(node)) is not None:
                yield name, node, text.split("\n")[0]


def is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(one, ast.Name) and "property" in one.id for one in node.decorator_list)


def test_first_lines_are_short() -> None:
    lines = [(name, line) for name, _, line in first_lines()]
    assert len(lines) > 1000
    assert [found for found in lines if len(found[1].split()) > MOST] == []


def test_first_lines_of_functions_begin_with_a_verb() -> None:
    lines = [
        (name, line)
        for name, node, line in first_lines()
        if isinstance(node, ast.FunctionDef) and not is_property(node)
    ]
    assert [found for found in lines if NO_VERB.match(found[1])] == []


def test_sentences_name_who_acts() -> None:
    assert {name: found for name, text in sources().items() if (found := VAGUE.findall(text))} == {}


PRIVATE = re.compile(r"\b(told|portions?|the sweep|siblings?|h[eo]ld against)\b", re.IGNORECASE)


@pytest.mark.parametrize("words", [VAGUE, PRIVATE], ids=["who acts", "usual words"])
def test_pages_have_clear_words(words: re.Pattern[str]) -> None:
    assert {name: found for name in PAGES if (found := words.findall(text_of(name)))} == {}
