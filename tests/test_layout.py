"""The layout stays one that a newcomer can read: few modules in each folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

import yanksync
from tests.support.source_copy import ROOT

_MOST = 16  # modules in a folder


def test_no_folder_has_too_many_modules() -> None:
    modules = (ROOT / "yanksync").rglob("*.py")
    counts = Counter(path.parent for path in modules if path.name != "__init__.py")
    assert counts
    assert {str(folder): count for folder, count in counts.items() if count > _MOST} == {}


def test_every_module_can_be_imported() -> None:
    """Its definitions count as covered, too: forked processes are measured after the imports."""
    for module in pkgutil.walk_packages(yanksync.__path__, "yanksync."):
        assert importlib.import_module(module.name).__doc__
