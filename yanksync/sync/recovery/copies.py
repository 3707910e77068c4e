"""Compares copies of package files with a changed output.

The state or the output was lost or restored. If the output lacks a copy that the state has, it is
wanted again, so that no page names it. A copy that the state does not know is set aside after every
page is written, because upstream may have quarantined its file in the meantime.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from yanksync.core.package_files.copies import CopyStatus, PackageFile
from yanksync.core.package_files.paths import metadata_path
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import CHECKED, UNCHECKED, Recovery

_BATCH = 500


def check_served_copies(mirror: Mirror) -> None:
    """Want copies again that are missing, before a page names them.

    Raises :class:`yanksync.core.errors.PublishError`.
    """
    state, now = mirror.state, mirror.now()
    if state.facts.recovery.copies != UNCHECKED:
        return
    missing = 0
    for batch in state.package_files.in_batches(_BATCH):
        lacking = _lacking(mirror, [one for one in batch if one.status is CopyStatus.SERVED])
        if lacking:
            missing += len(lacking)
            with state.transaction():
                projects = state.copy_checks.want_again(lacking, now)
                for row in state.projects.get(projects).values():
                    state.publish_queue.add_page(row.id, now)
    if missing:
        log.warning(
            "%d copies of package files are missing in the output; their pages link to upstream "
            "until they are copied again",
            missing,
        )
    state.facts.change(Recovery, copies=CHECKED)


def notice_lost_copies(mirror: Mirror) -> None:
    """Notice that copies are gone, by checking one of them.

    The next pass downloads the copies that are still missing. This pass does not, because a file
    system may only be unmounted; its copies count again when it is mounted.
    """
    state = mirror.state
    first = state.copy_checks.served(0, 1)
    if not first or not _lacking(mirror, first):
        return
    lost, now = 0, mirror.now()
    for batch in state.package_files.in_batches(_BATCH):
        served = {one.path for one in batch if one.status is CopyStatus.SERVED}
        lacking = served.intersection(
            _lacking(mirror, [one for one in batch if one.path in served])
        )
        with state.transaction():
            lost += len(lacking)
            for row in state.projects.get(state.copy_checks.note_lost(lacking, now)).values():
                state.publish_queue.add_page(row.id, now)
    log.warning(
        "%d package files are missing below %s/packages; pages do not name their copies any more, "
        "and the next run downloads them again. If their file system is not mounted, mount it "
        "before that",
        lost,
        mirror.settings.mirror.output,
    )


def _lacking(mirror: Mirror, copies: Sequence[PackageFile]) -> list[str]:
    """Return the paths of missing copies and metadata."""
    places = [one.path for one in copies]
    places += [metadata_path(one.path) for one in copies if one.has_metadata]
    found = mirror.packages.package_entries(places)
    sizes = {one.path: one.size for one in copies}
    return [
        place
        for place in places
        if (entry := found.get(place)) is None
        or not entry.is_file
        or entry.size != sizes.get(place, entry.size)
    ]


def set_aside_unknown_copies(mirror: Mirror) -> None:
    """Move unknown files out of service, once all pages are written.

    Raises :class:`yanksync.core.errors.PublishError`.
    """
    state = mirror.state
    recovery = state.facts.recovery
    if recovery.copies != CHECKED or recovery.serial is not None or state.publish_queue.counts()[0]:
        return
    paths, count, place = mirror.packages.packages(), 0, ""
    while batch := list(islice(paths, _BATCH)):
        if unknown := state.copy_checks.unknown(batch):
            count += len(unknown)
            place = mirror.packages.set_aside(unknown)
    if count:
        log.warning(
            "%d files below packages/ are not known to the state, which was lost or is older than "
            "the output; they are not served any more, and %s",
            count,
            f"are kept in {place}" if place else "were deleted",
        )
    state.facts.change(Recovery, copies=None)
