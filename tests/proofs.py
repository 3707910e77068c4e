"""Finding the tests that a table of proofs names."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def proofs_in(path: Path) -> frozenset[str]:
    """Return the names of the tests at the top of a file."""
    tree = ast.parse(path.read_text())
    names = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in names if name.startswith("test_"))
