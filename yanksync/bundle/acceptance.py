"""Decides whether a bundle may be applied, by order, output and room."""

from __future__ import annotations

import logging
from itertools import islice

from yanksync.bundle.check import CheckedBundle
from yanksync.bundle.places import Places
from yanksync.core import layout
from yanksync.core.bundles.header import BundleHeader
from yanksync.core.errors import BundleError, PublishError
from yanksync.state.facts import AppliedBundle

log = logging.getLogger("yanksync")

_LIST = f"{layout.ROOT}/{layout.V1_JSON.filename}"
_SAMPLE = 20  # package files: verify may have taken one of them out of service
_BATCH = 500


def refuse_wrong_order(places: Places, where: str, header: BundleHeader) -> None:
    """Raise :class:`BundleError` for a bundle that does not follow the last one."""
    known = places.state.facts.applied_bundle
    there = places.store.published_list().serial if header.has_everything else None
    problem = _wrong_order(known, header, str(places.settings.mirror.state), there)
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


def _wrong_order(
    known: AppliedBundle, header: BundleHeader, state: str, there: int | None
) -> str | None:
    """Return why a bundle does not follow the last one, or None.

    If the bundle has everything, ``there`` is the serial of the list in the output.
    """
    if known.source not in (None, header.mirror):
        return (
            "it is of another mirror than the bundles before, or of a state that was built again. "
            f"If it is to replace what is here, move {state} away and apply one that was made "
            "without --since; else name another mirror.output and mirror.state"
        )
    is_begun = known.begun is not None
    newest = (known.begun_cursor if is_begun else known.cursor) or 0
    made = known.begun_made if is_begun else known.made
    if header.token == (known.begun or known.token):
        return None
    if is_begun and not header.has_everything:
        return (
            "another bundle was begun and is not finished; apply that one again, or one that was "
            "made without --since"
        )
    # After the first machine was put back to a backup, it gives the same cursors again.
    is_later = header.made is not None and made is not None and header.made > made
    if there is not None and header.serial not in (None, there):
        return _older_than_output(header, there)
    if header.has_everything and (header.cursor > newest or is_later):
        return None
    if header.cursor <= newest and (header.has_everything or not is_later):
        done = "begun" if is_begun else "applied"
        return f"its cursor is {header.cursor}, and {newest} was {done} already"
    if known.source is None:
        return "no bundle was applied here before; begin with one that was made without --since"
    if header.cursor <= newest or (header.since == newest and header.since_token != known.token):
        return (
            f"the mirror was put back to a backup since bundle {newest}; make one without --since"
        )
    if header.since == newest:
        return None
    return (
        f"it follows bundle {header.since}, and the last one applied here is {newest}; apply the "
        f"ones between, or make one with --since {newest}"
    )


def _older_than_output(header: BundleHeader, there: int) -> str | None:
    """Return why a bundle is too old for the output, or None.

    Its serial is another one than that of the list in the output. Serials are upstream's, so they
    are right whatever the clocks say, and after a backup was put back on either machine.
    """
    if (header.serial or 0) > there:
        return None
    return (
        f"it is of serial {header.serial}, and the pages here are of serial {there}, so it would "
        "bring back what was withdrawn since. Make a new one. If upstream itself was put back, "
        f"delete {_LIST} in the output first"
    )


def look_at_output(places: Places, where: str, header: BundleHeader) -> None:
    """Check that the output is as the last bundle left it.

    Raises :class:`BundleError` if changes would go into another output. A bundle with everything
    only gets a warning.
    """
    problem = _other_output(places)
    if problem is None:
        return
    output = places.settings.mirror.output
    if not header.has_everything:
        raise BundleError(
            where,
            f"is not applied: {output} is not as the last bundle left it: {problem}. Nothing was "
            "changed. If a file system is not mounted, mount it and apply the bundle again; if the "
            "output was changed or deleted on purpose, apply one that was made without --since",
        )
    log.warning(
        "%s is not as the last bundle left it: %s. This bundle brings everything again. If a file "
        "system is not mounted, mount it and apply this bundle again",
        output,
        problem,
    )


def _other_output(places: Places) -> str | None:
    """Return why this cannot be the output of the last bundle.

    A bundle that was begun may have replaced the list; it removes files only in the end.
    """
    received = places.state.received
    listed = received.get(_LIST)
    if listed is not None:
        found = places.store.file_digest(_LIST)
        if found is None:
            return "its list of projects is missing"
        if found != listed.digest and places.state.facts.applied_bundle.begun is None:
            return "its list of projects is another one"
    sample = [one.path for one in received.batch(layout.PACKAGES, "", _SAMPLE)]
    if sample and not places.packages.package_entries(sample):
        return f"package files are missing, such as {sample[0]}"
    return None


def check_room(places: Places, bundle: CheckedBundle) -> None:
    """Raise :class:`PublishError` if there is too little room for a bundle.

    One that was begun fitted before: most of it may be there.
    """
    room = places.store.free_space()
    if room is None or places.state.facts.applied_bundle.begun == bundle.header.token:
        return
    needed, files = bundle.size, bundle.package_sizes()
    while batch := dict(islice(files, _BATCH)):
        there = places.packages.package_entries(list(batch))
        needed -= sum(one.size for path, one in there.items() if one.size == batch[path])
    if needed > room.bytes:
        raise PublishError(
            str(places.settings.mirror.output),
            f"too little room: {-(-needed >> 20)} MiB are needed, and {room.bytes >> 20} MiB are "
            "free. Nothing was changed; free some room and apply it again",
        )
