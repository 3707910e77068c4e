"""Prints what a guard holds, grouped by reason."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

import click

from yanksync.cli.display.columns import side_by_side
from yanksync.cli.display.report_rows import rfc3339
from yanksync.cli.display.times import local_time
from yanksync.cli.error_handling import printable
from yanksync.core.model import Hashes
from yanksync.state.views.holds import WHOLE_MIRROR, HeldItem

KINDS = {
    "removal": ("removal", "removals"),
    "left-list": ("project that left the list", "projects that left the list"),
    "files": ("project with missing files", "projects with missing files"),
    "hash": ("project with another hash", "projects with another hash"),
    "journal": ("change of upstream", "changes of upstream"),
    "advisories": ("change of the advisories", "changes of the advisories"),
    "selection": ("change of the selection", "changes of the selection"),
    "unreferenced": ("set of unreferenced files", "sets of unreferenced files"),
}
"""The kinds of holds, with the words for one of them and for several."""

kind_option = click.option(
    "--kind",
    "kinds",
    type=click.Choice(list(KINDS)),
    multiple=True,
    help="Only holds of this kind; may be repeated.",
)

_COUNT = re.compile(r"[0-9]+ (explained|unexplained) removals ")


def counted(kind: str, count: int, sort: str = "") -> str:
    """Return ``110 explained removals``."""
    return f"{count} {sort}{KINDS[kind][count != 1]}"


def nothing_held(kinds: Collection[str]) -> str:
    """Return what to print when nothing of these kinds is held."""
    return "nothing of this kind is held" if kinds else "nothing is held"


def held_object(held: HeldItem) -> dict[str, object]:
    """Return a hold as it is printed in JSON."""
    return {
        "project": held.project,
        "what": held.what,
        "why": held.why,
        "since": rfc3339(held.since),
        "approve": held.approve,
        "files": [
            {
                "filename": file.filename,
                "old": dict(file.old),
                "new": None if file.new is None else dict(file.new),
            }
            for file in held.files
        ],
    }


def held_lines(found: Sequence[HeldItem], now: float) -> Iterator[str]:
    """Yield the lines of all groups, a blank line between them."""
    groups: dict[tuple[str, str], list[HeldItem]] = {}
    for held in found:
        groups.setdefault((held.what, held.why), []).append(held)
    for number, ((kind, why), group) in enumerate(groups.items()):
        if number:
            yield ""
        yield from map(printable, _group(kind, why, group, now))


def _group(kind: str, why: str, group: Sequence[HeldItem], now: float) -> Iterator[str]:
    since = local_time(min(held.since for held in group), now)
    sort = _COUNT.match(why)
    subject = WHOLE_MIRROR.get(kind) or counted(
        kind, len(group), f"{sort[1]} " if sort and kind == "removal" else ""
    )
    reason = why[sort.end() :] if sort and kind == "removal" else why
    yield f"{subject}, held since {since}: {reason}"
    names = [held.project for held in group if held.project is not None]
    if any(held.files for held in group):
        yield from _files(group)
    else:
        yield from side_by_side(names)
    yield f"  If approved, {group[0].approve}."


def _files(group: Iterable[HeldItem]) -> Iterator[str]:
    for held in group:
        yield f"  {held.project}"
        for file in held.files:
            if file.new is None:
                yield f"    {file.filename}  missing upstream"
            else:
                values = f"published {_digests(file.old)}, upstream {_digests(file.new)}"
                yield f"    {file.filename}  {values}"


def _digests(hashes: Hashes) -> str:
    return " ".join(f"{name}={digest}" for name, digest in hashes) or "without a hash"
