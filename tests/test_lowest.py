"""scripts/lowest tests with the lowest versions that the metadata allow."""

from __future__ import annotations

import ast
import configparser
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
RUNTIME = ("audit", "compress", "s3")  # the extras that users install


def declared(*extras: str) -> dict[str, Requirement]:
    """Return what setup.cfg asks for, by name; two that ask for one thing ask alike."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].split("\n")
    for extra in extras:
        lines += config["options.extras_require"][extra].split("\n")
    found: dict[str, Requirement] = {}
    for line in filter(None, lines):
        one = Requirement(line)
        assert str(found.setdefault(one.name, one)) == str(one)
    return found


def lowest() -> dict[str, Requirement]:
    lines = (ROOT / "tests/lowest.txt").read_text(encoding="utf-8").splitlines()
    return {one.name: one for one in map(Requirement, (x for x in lines if x and x[0] != "#"))}


def bounds(requirement: Requirement, operator: str) -> list[str]:
    return [one.version for one in requirement.specifier if one.operator == operator]


def test_every_lower_bound_is_the_one_that_is_tested() -> None:
    ours = declared(*RUNTIME)
    assert {name: bounds(one, ">=") for name, one in ours.items()} == {
        name: bounds(one, "==") for name, one in lowest().items()
    }
    assert all(len(bounds(one, ">=")) == 1 for one in ours.values())
    declared(*RUNTIME, "test")  # where the tests ask for the same, they ask alike


def imported() -> set[str]:
    """Return the top-level names that the package imports, its own and Python's aside."""
    found: set[str] = set()
    for path in (ROOT / "yanksync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"yanksync", "_typeshed"}  # mypy's own


def test_what_is_imported_is_declared() -> None:
    names = packages_distributions()
    homes = {canonicalize_name(name) for module in imported() for name in names[module]}
    assert homes == set(declared(*RUNTIME))


# Published vulnerabilities, by the version that ended the last of them; see
# docs/design/decisions/libraries.rst.
MENDED = {
    "brotli": "1.2.0",
    "certifi": "2024.7.4",
    "click": "8.3.3",
    "lxml": "6.1.0",
    "requests": "2.33.0",
    "urllib3": "2.7.0",
}


@pytest.mark.parametrize("name", MENDED)
def test_no_version_with_a_known_vulnerability_is_allowed(name: str) -> None:
    (bound,) = bounds(declared(*RUNTIME)[name], ">=")
    assert Version(bound) >= Version(MENDED[name])
