"""Makes downloaded files visible, and lets pages name them."""

from __future__ import annotations

from collections.abc import Sequence

from yanksync.core.package_files.copies import CopyStatus, is_same_file
from yanksync.core.project_state import PublishReason
from yanksync.mirror.context import Mirror, log
from yanksync.state.package_files.table import CopyDone
from yanksync.sync.package_files.download import Received
from yanksync.sync.package_files.workers import Finished
from yanksync.sync.publish import BATCH, publish

_LONGEST_WAIT = 60.0  # seconds that a page waits for more copies before it names one


def publish_copies(mirror: Mirror, finished: Sequence[Finished]) -> set[str]:
    """Make copies visible, and note the result of each download.

    Returns the projects with new copies. Their pages are queued. Raises
    :class:`yanksync.core.errors.PublishError` and :class:`yanksync.core.errors.StateError`.
    """
    done = _still_wanted(mirror, finished)
    received = [path for _, one in done for path in one.paths]
    back = [copy.copy.path for copy, one in done if one.put_back]
    if back:
        mirror.packages.put_back(back)
    if received:
        mirror.packages.publish_packages(received)
    table, now = mirror.state.package_files, mirror.now()
    projects = {one.copy.project for one, _ in done}
    lost = [one for one in finished if _is_lost(one)]
    away = mirror.packages.lacking(one.copy.path for one in lost)
    with mirror.state.transaction():
        table.mark_served(
            (
                CopyDone(one.copy.id, came.size, came.has_metadata, came.metadata_problem)
                for one, came in done
            ),
            now,
        )
        for one in finished:
            if one.problem is not None and not _is_lost(one):
                table.mark_failed(one.copy.id, one.problem, now)
        table.forget(one.copy.id for one in lost if one.copy.path not in away)
        mirror.state.copy_checks.await_return(
            (one.copy.id for one in lost if one.copy.path in away), now
        )
        for row in mirror.state.projects.get(projects).values():
            mirror.state.publish_queue.add_page(row.id, now)
    for one in finished:
        _count(mirror, one, is_away=one.copy.path in away)
    return projects


def _is_lost(finished: Finished) -> bool:
    """Return True if a removed file has no right copy."""
    return finished.problem is not None and finished.copy.kept and not finished.may_be_there


def _still_wanted(mirror: Mirror, finished: Sequence[Finished]) -> list[tuple[Finished, Received]]:
    """Return the downloaded files that are still wanted.

    A page may have changed during the download.
    """
    rows = mirror.state.package_files.by_path(one.copy.path for one in finished)
    found = []
    for one in finished:
        row = rows.get(one.copy.path)
        if (
            one.received is not None
            and row is not None
            and row.id == one.copy.id
            and row.status in (CopyStatus.WANTED, CopyStatus.SERVED)
            and is_same_file(row.file, one.copy.file)
        ):
            found.append((one, one.received))
    return found


def _count(mirror: Mirror, finished: Finished, *, is_away: bool) -> None:
    """Count a file, and log what is wrong with it.

    ``is_away``: no copy of it is there.
    """
    copy, totals = finished.copy, mirror.totals
    where, named = f"{copy.project}: {copy.file.filename}", {"project": copy.project}
    came = finished.received
    if came is not None:
        if came.was_altered:
            text = "%s: its copy in files.withheld was altered; the file was downloaded again"
            log.warning(text, where, extra=named)
        if copy.status is CopyStatus.WANTED:
            totals.files_copied += 1
            totals.bytes_copied += came.size
            log.debug("%s: copied (%d bytes)", where, came.size, extra=named)
        if came.metadata_problem is not None:
            totals.files_failed += 1
            why = "its metadata was not copied"
            text = "%s: %s: %s; it is offered without, and a later pass tries again"
            log.warning(text, where, why, came.metadata_problem, extra=named)
    elif _is_lost(finished):
        totals.files_failed += 1
        text = "%s: upstream removed it, and its copy is lost: %s; it is not offered any more"
        if is_away:
            text = (
                "%s: upstream removed it, and its copy is not there: %s; it is not offered. If a "
                "file system is not mounted, mount it, and run 'yanksync sync' and then 'yanksync "
                "restore'"
            )
        log.error(text, where, finished.problem, extra=named)
    elif finished.problem is not None:
        totals.files_failed += 1
        text = "%s: not copied: %s; a later pass tries again"
        log.warning(text, where, finished.problem, extra=named)


class PagesToWrite:
    """The projects with new copies that their pages do not name yet.

    A page is written when its last file is here, or after a minute: large projects would be written
    after each batch.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}  # monotonic seconds, by project

    def add(self, names: set[str], now: float) -> None:
        """Note projects with new copies."""
        for name in names:
            self._since.setdefault(name, now)

    def publish(self, mirror: Mirror, until: float, *, everything: bool = False) -> None:
        """Publish the pages of projects with all files here, and overdue ones.

        A file counts only if it is tried again before ``until``.

        Raises what :func:`yanksync.sync.publish.publish` raises.
        """
        now = mirror.monotonic()
        waiting = set()
        if not everything:
            waiting = mirror.state.package_files.projects_to_copy(self._since, until)
        due = [
            name
            for name, since in self._since.items()
            if name not in waiting or now - since > _LONGEST_WAIT
        ]
        for start in range(0, len(due), BATCH):
            rows = mirror.state.projects.get(due[start : start + BATCH])
            queued = mirror.state.publish_queue.queued([row.id for row in rows.values()])
            publish(mirror, [one for one in queued if one.reason is PublishReason.PAGE])
        for name in due:
            del self._since[name]
