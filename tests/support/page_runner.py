"""Runs the shell blocks of a page in reading order, and compares what they print.

A ``toml`` block becomes the configuration. A ``text`` block behind a ``sh`` block is its output;
``…`` in it stands for anything. ``:class: exit-4`` is the exit code of a ``sh`` block. The comment
``.. test: NAME`` calls a step of the test, and ``.. not run: REASON`` leaves out the next block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import docutils.nodes

from tests.support.documents import parsed
from tests.support.machine import Prepared

Step = Callable[[Prepared], None]


class Block(NamedTuple):
    """A literal block, or a comment for the tests."""

    kind: str
    text: str
    code: int = 0


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the literal blocks of a page and its comments for the tests, in reading order."""
    for node in parsed(page).findall():
        if isinstance(node, docutils.nodes.literal_block):
            kind = next((one for one in node["classes"] if one in _KINDS), "")
            code = next((int(one[5:]) for one in node["classes"] if one.startswith("exit-")), 0)
            yield Block(kind, node.astext(), code)
        elif isinstance(node, docutils.nodes.comment):
            kind, _, text = node.astext().partition(": ")
            if kind in ("test", "not run"):
                yield Block(kind, text)


_KINDS = ("sh", "text", "toml", "json", "yaml", "nginx", "ini")


def run_page(page: str, machine: Prepared, steps: Mapping[str, Step]) -> int:
    """Run a page; return how many shell blocks were run."""
    printed, skip, count = None, False, 0
    for kind, text, code in blocks_of(page):
        if kind == "test":
            steps[text](machine)
        elif kind == "not run":
            skip = True
            continue
        elif kind == "toml" and not skip:
            machine.configure(text, machine.served)
        elif kind == "sh" and not skip:
            printed = machine.show(text, code)
            count += 1
        elif kind == "text" and not skip:
            assert printed is not None and matches(text, printed), f"{page}:\n{printed}"
        skip = False
    return count


def matches(wanted: str, printed: str) -> bool:
    """Return whether ``printed`` is ``wanted``, where ``…`` stands for anything."""
    parts = (re.escape(part) for part in wanted.strip().split("…"))
    return re.fullmatch("(?s:.*?)".join(parts), printed.strip()) is not None
