"""A small reader of OSV records, written from the specification (its section "Evaluation")."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable
from typing import Any

from packaging.version import InvalidVersion, Version


def read_archive(body: bytes) -> list[dict[str, Any]]:
    """Return the records of an ``all.zip``."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return [json.loads(archive.read(name)) for name in archive.namelist()]


def withdrawn_by(
    records: Iterable[dict[str, Any]], name: str, version: str
) -> list[dict[str, Any]]:
    """Return the records that hold for a pin, except withdrawn ones."""
    name = re.sub("[-_.]+", "-", name).lower()
    return [
        one for one in records
        if "withdrawn" not in one
        and any(_affects(affected, name, version) for affected in one["affected"])
    ]  # fmt: skip


def _affects(affected: dict[str, Any], name: str, version: str) -> bool:
    package = affected["package"]
    if (package["ecosystem"], package["name"]) != ("PyPI", name):
        return False
    if version in affected.get("versions", []):
        return True
    return any(_in_range(one["events"], version) for one in affected.get("ranges", []))


def _in_range(events: list[dict[str, str]], version: str) -> bool:
    try:
        asked = Version(version)
    except InvalidVersion:
        return events == [{"introduced": "0"}]
    found = False
    for event in events:  # ours are sorted
        ((kind, bound),) = event.items()
        if kind == "introduced":
            found = found or bound == "0" or asked >= Version(bound)
        elif (kind == "fixed" and asked >= Version(bound)) or (
            kind == "last_affected" and asked > Version(bound)
        ):
            found = False
    return found
