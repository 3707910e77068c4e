"""The import rule of the house (design.md): read from the sources, so that nothing need run."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "yanksync"

# A module belongs to the longest row that names it or a package around it. Imports run to the same
# layer or a lower one; rows of modules that are not made yet harm nobody.
LAYERS = {
    0: "__init__ model errors names",
    1: "versions selection settings targets crontab journal entries weigh plan changes losses "
    "guards deflate render findings fates publish.layout publish.reconcile",
    2: "config config_parse default_index fence lease lock notify objects object_client outbound "
    "hook_command hook_environment owner samples whole upstream state publish",
    3: "mirror fetch holds metrics worth ground manifest hooks",
    4: "choose listing list_output record showing judging publishing recovery restart follow "
    "helpers helper_process configure narrowing opening looking other_upstream remote set_back "
    "standins states stock takeover",
    5: "sync verify mend status health adopt",
    6: "schedule cli __main__",
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names.split()}
# These come with the values: a path may be named in settings, but nothing pure opens one.
PURE = {name for name, layer in LAYER.items() if layer <= 1} - {"settings"}
WORLD = {"io", "os", "pathlib", "shutil", "socket", "subprocess", "tempfile", "time"}
EDGES = ("upstream", "state", "publish.disk", "publish.object_store")
# Who alone may import what.
OWNER = {
    "requests": "upstream outbound",
    "urllib3": "upstream",
    "sqlite_utils": "state",
    "sqlite3": "state",
    "obstore": "objects object_client",
    "apscheduler": "schedule",
    "click": "cli",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module's name below ``yanksync`` and its file."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        yield name, path


MODULES = list(modules())
KNOWN = {name for name, _ in MODULES}


def within(name: str, home: str) -> bool:
    return name == home or name.startswith(home + ".")


def row(name: str) -> str | None:
    """Return the row of the table that ``name`` belongs to."""
    return max((known for known in LAYER if within(name, known)), key=len, default=None)


def imports(source: str) -> Iterator[str]:
    """Yield the full name of everything imported anywhere in ``source``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                submodule = full.removeprefix("yanksync.") in KNOWN
                yield full if submodule else node.module or ""


def violations(name: str, source: str) -> list[str]:
    """Return what ``source``, as the module ``name``, imports against the rule."""
    home = row(name)
    if home is None:
        return [f"{name} stands in no layer: give it a row in LAYERS"]
    found = []
    for target in imports(source):
        top = target.partition(".")[0]
        owners = OWNER.get(top, name).split()
        below = row(target.removeprefix("yanksync.")) if top == "yanksync" else None
        if (
            not any(within(name, owner) for owner in owners)
            or (top in WORLD and home in PURE)
            or (below is not None and LAYER[below] > LAYER[home])
            or crosses(name, target.removeprefix("yanksync."))
        ):
            found.append(f"{name} imports {target}")
    return found


def crosses(name: str, target: str) -> bool:
    """Whether this is one edge importing another."""
    mine = [edge for edge in EDGES if within(name, edge)]
    theirs = [edge for edge in EDGES if within(target, edge)]
    return bool(mine and theirs) and mine != theirs


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_follow_the_rule(name: str, path: Path) -> None:
    assert violations(name, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("plan", "import time", True),
        ("render.simple_html", "def f():\n    from pathlib import Path", True),
        ("journal", "from yanksync.state import ledger", True),
        ("model", "from yanksync.config.settings import Settings", True),
        ("state.ledger", "import yanksync.upstream.http_session", True),
        ("publish.disk", "from yanksync.state.ledger import Ledger", True),
        ("fetch", "import requests.adapters", True),
        ("sync", "import click", True),
        ("brand_new", "", True),
        ("upstream.session", "import requests", False),
        ("state.ledger", "import sqlite3\nfrom yanksync.core.model import Page", False),
        ("sync", "import os\nfrom yanksync import fetch, config", False),
        ("publish.disk", "from yanksync.core.layout import x", False),
    ],
)
def test_the_rule_is_told(name: str, source: str, wrong: bool) -> None:
    assert bool(violations(name, source)) is wrong


def test_start_up_leaves_heavy_packages_alone() -> None:
    # Cron starts the tool 288 times a day.
    if importlib.util.find_spec("yanksync.cli") is None:
        pytest.skip("there is no command line yet")
    code = "import sys, yanksync.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"apscheduler", "lxml", "obstore", "pip"})
