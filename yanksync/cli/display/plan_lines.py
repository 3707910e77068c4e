"""Prints the plan of a dry run.

Each action has a line; withdrawals come first, and all of them are printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from yanksync.cli.display.report_rows import rfc3339
from yanksync.cli.error_handling import printable
from yanksync.config.sizes import readable_size
from yanksync.core.rules.fetch_plan import FetchTask, PassPlan, PlannedCopies


def plan_lines(plan: PassPlan) -> Iterator[str]:
    """Yield what a pass would do."""
    for removal in plan.removals:
        yield f"- remove {removal.name}  {removal.why}"
    for file in plan.files:
        yield printable(f"{'+' if file.appears else '-'} {file.filename}")
    for mark in plan.marks:
        yield printable(f"~ {'mark' if mark.yanked else 'unmark'} {mark.filename}")
    yield from _copies(plan.copies)
    for name in plan.quarantines:
        yield f"- quarantine {name}  upstream says so; its page will list no file"
    for held in plan.held:
        yield printable(f"! hold {held}")
    for name in plan.rewrites:
        yield f"~ rewrite {name}"
    if plan.publications > len(plan.rewrites):
        yield f"~ and {plan.publications - len(plan.rewrites):,} more"
    for task in plan.looks:
        yield _look(task)
    if plan.more:
        yield f"+ and {plan.more:,} more"
    yield _total(plan)


def plan_json(plan: PassPlan) -> str:
    """Return the plan as one JSON object; times are RFC 3339."""
    values = msgspec.to_builtins(plan)
    for look, task in zip(values["looks"], plan.looks, strict=True):
        look["since"] = rfc3339(task.since)
        look["doubt_since"] = rfc3339(task.unconfirmed_since)
    return json.dumps(values)


def _copies(copies: PlannedCopies) -> Iterator[str]:
    for one in copies.first:
        what = "+ copy" if one.appears else "- take out"
        size = "size unknown" if one.bytes is None else readable_size(one.bytes)
        yield printable(f"{what} {one.filename}  {size}")
    listed = sum(one.appears for one in copies.first)
    if copies.removed > len(copies.first) - listed:
        yield f"- and {copies.removed - len(copies.first) + listed:,} more to take out"
    if copies.added > listed:
        yield f"+ and {copies.added - listed:,} more to copy"


def _look(task: FetchTask) -> str:
    required_serial = (
        "" if task.required_serial is None else f"  until serial {task.required_serial}"
    )
    return f"+ fetch {task.name}{required_serial}" + ("  (a withdrawal)" if task.urgent else "")


def _total(plan: PassPlan) -> str:
    counts = {
        "to remove": len(plan.removals),
        "to quarantine": len(plan.quarantines),
        "files to hide": sum(not file.appears for file in plan.files),
        "files to bring back": sum(file.appears for file in plan.files),
        "files to mark yanked": sum(mark.yanked for mark in plan.marks),
        "marks to take away": sum(not mark.yanked for mark in plan.marks),
        f"files to copy ({readable_size(plan.copies.added_bytes)})": plan.copies.added,
        f"files to take out ({readable_size(plan.copies.removed_bytes)})": plan.copies.removed,
        "held": len(plan.held),
        "to rewrite": plan.publications,
        "to fetch": len(plan.looks) + plan.more,
    }
    text = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    at = "" if plan.cursor is None else f" (journal read up to serial {plan.cursor})"
    return f"{text or 'nothing to do'}{at}; nothing was changed"
