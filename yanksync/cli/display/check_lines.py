"""Prints the checks of ``doctor`` and ``init``."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click
import msgspec

from yanksync.cli.error_handling import colored, printable
from yanksync.doctor.checks import Check, Level

_WIDTH = 16  # of the longest name
_COLORS = {Level.OK: "ok", Level.WARNING: "warning", Level.FAILURE: "error"}


def print_checks(checks: Iterable[Check]) -> int:
    """Print each check when it ends; return the number of failures."""
    failures = 0
    for check in checks:
        click.echo(check_line(check))
        failures += check.level is Level.FAILURE
    return failures


def count_failures(checks: Iterable[Check]) -> int:
    """Return how many checks failed."""
    return sum(check.level is Level.FAILURE for check in checks)


def check_line(check: Check) -> str:
    """Return the line of a check."""
    level = colored(f"{check.level:<7}", _COLORS[check.level])
    text = "; ".join(filter(None, (check.text, check.advice)))
    return f"{level}  {check.name:<{_WIDTH}}  {printable(text)}"


def check_object(check: Check) -> dict[str, object]:
    """Return a check as it is printed in JSON."""
    return dict(msgspec.structs.asdict(check))


def print_json(checks: Iterable[Check]) -> int:
    """Print all checks as one object; return how many failed."""
    found = list(checks)
    failures = count_failures(found)
    click.echo(json.dumps({"ok": not failures, "checks": [check_object(check) for check in found]}))
    return failures
