"""docs/reference says what the program prints: messages, and JSON as the schemas have it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import docutils.nodes
import pytest

from tests.support.documents import parsed
from tests.support.source_copy import ROOT

MESSAGES = [
    literal.astext()
    for page in ("messages", "warnings")
    for term in parsed(f"docs/reference/{page}.rst").findall(docutils.nodes.term)
    for literal in term.findall(docutils.nodes.literal)
]


def texts() -> Iterator[str]:
    """Yield all texts of the package, with "…" where a value is put in."""
    for path in (ROOT / "yanksync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value.replace("%s", "…").replace("%d", "…")


SOURCE = "\n".join(texts())


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 60
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_is_one_of_the_program(message: str) -> None:
    assert message.strip("… ") in SOURCE
