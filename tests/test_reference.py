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


PUT_IN = re.compile(r"%[sdr]|\{[^{}]*\}")  # for %, and for str.format


def text_of(node: ast.expr) -> str:
    """Return a text of the program, with "…" where a value is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    if isinstance(node, ast.BinOp):
        return (text_of(node.left) or "…") + (text_of(node.right) or "…")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return PUT_IN.sub("…", node.value)
    return ""


class Texts(ast.NodeVisitor):
    """Finds what each call of a module can be given: names and functions are followed."""

    def __init__(self, tree: ast.Module) -> None:
        self.calls: list[tuple[ast.Call, str]] = []  # with the function that makes it
        self._values: dict[tuple[str, str], list[ast.expr]] = {}  # (function, name); "()": returned
        self._function = ""
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self._function = self._function, node.name
        self.generic_visit(node)
        self._function = outer

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self._values.setdefault((self._function, "()"), []).append(node.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._values.setdefault((self._function, target.id), []).append(node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.calls.append((node, self._function))
        self.generic_visit(node)

    def of(self, node: ast.expr, function: str, depth: int = 0) -> Iterator[str]:
        """Yield the texts that ``node`` can be, in this function."""
        for one, where in self._followed(node, function) if depth < 5 else ():
            if one is node:
                yield text_of(node)
            else:
                yield from self.of(one, where, depth + 1)

    def _followed(self, node: ast.expr, function: str) -> list[tuple[ast.expr, str]]:
        """Return what ``node`` can be, with the functions; itself: it is a text, or not known."""
        found, where = [node], function
        if isinstance(node, ast.IfExp):
            found = [node.body, node.orelse]
        elif isinstance(node, ast.BoolOp):
            found = node.values
        elif isinstance(node, ast.Name):
            where = function if (function, node.id) in self._values else ""
            found = self._values.get((where, node.id), found)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            where = node.func.id
            found = self._values.get((where, "()"), found)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found = [node.func.value] if node.func.attr == "format" else found
        return [(one, where) for one in found]


LOGGED = {"warning": 0, "error": 0, "critical": 0, "exception": 0, "log": 1}
"""Which argument of a method of the log is the message."""
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
        texts = Texts(tree)
        for node, function in texts.calls:
            kind = kind_of(node) if node.args else None
            if kind is None or kind in EXPLAINED_ELSEWHERE:
                continue
            place = 0 if kind == "print_line" else LOGGED.get(kind, -1)  # of an error: its problem
            for text in texts.of(node.args[place], function):
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
    found = set(printed())
    assert len(found) > 100
    known = [pattern(message) for message in messages()]
    missing = [one for one in sorted(found) if not any(may.search(one[1]) for may in known)]
    assert missing == [], "docs/reference/messages*.rst and warnings.rst lack them"


def test_every_message_is_one_of_the_program() -> None:
    source = "\n".join(
        text_of(node)
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Constant)
    )
    assert [message for message in messages() if message.strip("… ") not in source] == []
