"""Decides whether a bundle may be applied, by order and room."""

from __future__ import annotations

from yanksync.bundle.check import CheckedBundle
from yanksync.bundle.places import Places
from yanksync.core.bundles.header import BundleHeader
from yanksync.core.errors import BundleError, PublishError
from yanksync.state.facts import AppliedBundle


def refuse_wrong_order(places: Places, where: str, header: BundleHeader) -> None:
    """Raise :class:`BundleError` for a bundle that does not follow the last one."""
    known = places.state.facts.applied_bundle
    problem = _wrong_order(known, header)
    if known.source is None and (
        places.state.facts.cursor is not None or places.state.projects.published()
    ):
        output = places.settings.mirror.output
        problem = (
            f"{output} is a mirror that 'yanksync sync' made, and a bundle would replace it; name "
            "another mirror.output and mirror.state"
        )
    if problem is not None:
        raise BundleError(where, f"is not applied: {problem}. Nothing was changed")


def _wrong_order(known: AppliedBundle, header: BundleHeader) -> str | None:
    newest = known.cursor or 0
    if known.source not in (None, header.mirror):
        return (
            "it is of another mirror than the bundles before; name another mirror.output and "
            "mirror.state for that"
        )
    if known.begun not in (None, header.token) and not header.has_everything:
        return (
            "another bundle was begun and is not finished; apply that one again, or one that was "
            "made without --since"
        )
    if header.cursor == newest and header.token == known.token:
        return None
    if header.cursor < newest or (header.cursor == newest and not header.has_everything):
        return f"its cursor is {header.cursor}, and {newest} was applied already"
    if header.has_everything or (header.since, header.since_token) == (
        newest,
        known.token,
    ):
        return None
    if known.source is None:
        return "no bundle was applied here before; begin with one that was made without --since"
    if header.since == newest:
        return (
            f"the mirror was put back to a backup since bundle {newest}; make one without --since"
        )
    return (
        f"it follows bundle {header.since}, and the last one applied here is {newest}; apply the "
        f"ones between, or make one with --since {newest}"
    )


def check_room(places: Places, bundle: CheckedBundle) -> None:
    room = places.store.free_space()
    if room is not None and bundle.size > room.bytes:
        raise PublishError(
            str(places.settings.mirror.output),
            f"too little room: the bundle has {bundle.size >> 20} MiB, and {room.bytes >> 20} MiB "
            "are free. Nothing was changed; free some room and apply it again",
        )
