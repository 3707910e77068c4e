"""Prints the result of a rescue, as lines and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from yanksync.reports.rescue.findings import Copied, Found, Outcome, Place, RescueReport


def lines(report: RescueReport) -> Iterator[str]:
    """Yield the report for people."""
    for copy in report.copies:
        yield _copy_line(copy, report)
    for found in report.others:
        yield _other_line(found)
    yield from map(_place_line, report.places)
    if report.rescued:
        yield f"To install it: {install_command(report)}"


def as_json(report: RescueReport) -> str:
    """Return the report as one object."""
    wanted = report.wanted
    return json.dumps(
        {
            "project": wanted.project,
            "version": wanted.version,
            "source": wanted.source,
            "hashes": [str(one) for one in wanted.hashes],
            "files": [_copy_object(one) for one in report.copies]
            + [_found_object(one) for one in report.others],
            "places": [_place_object(one) for one in report.places],
            "install": install_command(report) if report.rescued else None,
        }
    )


def install_command(report: RescueReport) -> str:
    """Return the command that installs the copies."""
    links, requirement = shlex.quote(report.target), shlex.quote(report.wanted.requirement)
    return f"pip install --no-index --find-links {links} {requirement}"


def _copy_line(copy: Copied, report: RescueReport) -> str:
    found = copy.found
    verified = f"{found.filename}  verified by {report.wanted.source}"
    if copy.problem is not None:
        return f"{verified}, not copied to {copy.path}: {copy.problem} (found at {found.path})"
    if copy.was_there:
        return f"{verified}, it is already at {copy.path}"
    return f"{verified}, copied to {copy.path} (found at {found.path})"


def _other_line(found: Found) -> str:
    name = found.filename or "the source archive"
    said = {
        Outcome.MISMATCH: f"not verified: its hash {found.hash} is not a known one",
        Outcome.BUILT: f"not verified: built on this machine, so it has its own hash {found.hash}",
        Outcome.UNREADABLE: f"cannot be read: {found.problem}",
        Outcome.UNPACKED: "not verified: uv keeps it unpacked, and the original file cannot be "
        "made from that",
    }[found.outcome]
    if found.outcome is Outcome.UNPACKED and found.pinned:
        said += "; uv noted the known hash of it, and 'uv sync --frozen --offline' installs it"
    return f"{name}  {said} ({found.path})"


def _place_line(place: Place) -> str:
    if place.path is None:
        return f"{place.title}  was not searched: {place.problem}"
    if place.problem is not None:
        return f"{place.title}  {place.path}: {place.problem}"
    files = f"{place.examined} file{'s' * (place.examined != 1)} compared"
    unread = f", {place.unreadable} directories cannot be read" if place.unreadable else ""
    return f"{place.title}  {place.path}: {files}{unread}"


def _copy_object(copy: Copied) -> dict[str, object]:
    copied = copy.path if copy.problem is None else None
    return {**_found_object(copy.found), "copy": copied, "problem": copy.problem}


def _found_object(found: Found) -> dict[str, object]:
    return {
        "outcome": found.outcome.value,
        "filename": found.filename,
        "path": found.path,
        "hash": None if found.hash is None else str(found.hash),
        "known": found.pinned,
        "copy": None,
        "problem": found.problem,
    }


def _place_object(place: Place) -> dict[str, object]:
    return {
        "title": place.title,
        "path": place.path,
        "examined": place.examined,
        "unreadable": place.unreadable,
        "problem": place.problem,
    }
