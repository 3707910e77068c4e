"""Reads README.rst and the pages of docs/ with docutils, as far as the tests need them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import ClassVar

import docutils.core
import docutils.nodes
from docutils.parsers.rst import Directive, directives, roles

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.rst", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.rst")))


class _Body(Directive):
    """A directive of Sphinx whose body is text, or a list of pages."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = dict.fromkeys(("caption", "maxdepth", "name"), directives.unchanged)

    def run(self) -> list[docutils.nodes.Node]:
        node = docutils.nodes.container()
        if self.name != "toctree":
            self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


for _name in ("toctree", "glossary"):
    directives.register_directive(_name, _Body)
for _name in ("doc", "download", "ref", "term"):
    roles.register_generic_role(_name, docutils.nodes.inline)


@cache
def text_of(name: str) -> str:
    """Return the source of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def parsed(name: str = "README.rst") -> docutils.nodes.document:
    """Return a document; a warning of docutils is an error."""
    return docutils.core.publish_doctree(
        text_of(name),
        settings_overrides={
            "report_level": 2,
            "halt_level": 2,
            "syntax_highlight": "none",
            "doctitle_xform": False,
            "file_insertion_enabled": False,
        },
    )


def blocks(node: docutils.nodes.Element, kind: str | None = None) -> list[str]:
    """Return the literal blocks below ``node``, of one language if ``kind`` names it."""
    found = node.findall(docutils.nodes.literal_block)
    return [block.astext() for block in found if kind is None or kind in block["classes"]]


def page_blocks(name: str, kind: str | None = None) -> list[str]:
    """Return the literal blocks of a page of docs/, named without folder and suffix of docs."""
    return blocks(parsed(f"docs/{name}.rst"), kind)
