"""docs/reference says what the program prints: messages, and JSON as the schemas have it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import docutils.nodes

from tests.support.documents import parsed
from tests.support.source_copy import ROOT
from yanksync.core import errors

REFERENCE = ROOT / "docs/reference"
PAGES = [*REFERENCE.glob("messages*.rst"), REFERENCE / "warnings.rst"]


@cache
def messages() -> list[str]:
    """Return the messages that the pages have."""
    return [
        literal.astext()
        for page in PAGES
        for term in parsed(str(page.relative_to(ROOT))).findall(docutils.nodes.term)
        for literal in term.findall(docutils.nodes.literal)
    ]


@cache
def trees() -> dict[str, ast.Module]:
    """Return the modules of the program, parsed."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in (ROOT / "yanksync").rglob("*.py")
    }


def text_of(node: ast.expr) -> str:
    """Return a text of the program, with "…" where a value is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("%s", "…").replace("%d", "…")
    return ""


LOGGED = {"warning", "error", "critical", "exception"}
EXPLAINED_ELSEWHERE = {
    "BadParameter": "a wrong value of an option: the message says what is allowed",
    "UsageError": "a wrong command line: the message says what to write",
    "InvalidDocument": "a part of the message of InvalidAnswer, about one page of upstream",
    "ValueError": "a part of the message of ConfigError, which names the key",
    "OSError": "caught where it is raised",
    "RuntimeError": "a bug, which is an internal error",
}
"""Kinds of errors whose texts the pages of messages do not have, and why."""


def kind_of(call: ast.Call) -> str | None:
    """Return the error that a call makes, or how it logs; None: its text is no message."""
    called = call.func
    if isinstance(called, ast.Attribute):
        logs = isinstance(called.value, ast.Name) and called.value.id == "log"
        return called.attr if (logs and called.attr in LOGGED) else error_kind(called.attr)
    return error_kind(called.id) if isinstance(called, ast.Name) else None


def error_kind(name: str) -> str | None:
    raised = name == "BadParameter" or isinstance(getattr(errors, name, None), type)
    return name if raised or name.endswith("Error") or name == "print_line" else None


def printed() -> Iterator[tuple[str, str]]:
    """Yield the messages that the program makes, with their place."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            kind = kind_of(node)
            if kind is None or kind in EXPLAINED_ELSEWHERE:
                continue
            logs = kind in LOGGED or kind == "print_line"
            text = text_of(node.args[0 if logs else -1])  # of an error: its problem
            if len(text.replace("…", "").split()) > 2:
                yield f"{path}:{node.lineno}", text


def pattern(message: str) -> re.Pattern[str]:
    """Return what finds a message of the pages in a text of the program."""
    parts = (part.strip() for part in message.split("…"))
    return re.compile(".*".join(re.escape(part) for part in parts if part))


def test_there_are_messages() -> None:
    assert len(messages()) > 180
    assert len(set(messages())) == len(messages())


def test_the_pages_have_every_message() -> None:
    found = dict(printed())
    assert len(found) > 100
    known = [pattern(message) for message in messages()]
    missing = {
        place: text for place, text in found.items() if not any(one.search(text) for one in known)
    }
    assert missing == {}, "docs/reference/messages*.rst and warnings.rst lack them"


def test_every_message_is_one_of_the_program() -> None:
    source = "\n".join(
        text_of(node)
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Constant)
    )
    assert [message for message in messages() if message.strip("… ") not in source] == []
