"""Takes altered copies out of service at once.

The next pass downloads them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from yanksync.core.package_files.copies import LeaveCause, PackageFile
from yanksync.core.package_files.paths import metadata_path
from yanksync.core.project_state import PublishReason
from yanksync.mirror.context import Mirror, log
from yanksync.sync.publish import publish

_AGAIN = "%s: %s: %s; it is not served any more, and the next pass downloads it again%s"
_GONE = "%s: %s: %s; it is not served any more, and upstream has removed it, so no copy is left%s"


class AlteredCopy(Struct, frozen=True):
    """A copy, or its metadata, whose bytes have changed."""

    copy: PackageFile
    path: str  # below the output
    problem: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that must not be served any more."""
        metadata = metadata_path(self.copy.path)
        return (metadata,) if self.path == metadata else (self.path, metadata)


def take_out_altered(mirror: Mirror, found: Sequence[AlteredCopy]) -> None:
    """Take altered copies out of service, and publish their pages without them.

    ``mirror`` has the rules of the last pass. The state is written first. If this run dies, the
    next pass replaces the copy, or takes it out if upstream has removed the file. Raises
    :class:`yanksync.core.errors.PublishError`.
    """
    if not found:
        return
    paths = [one.path for one in found]
    _note_altered(mirror, paths)
    try:
        place = mirror.packages.set_aside([path for one in found for path in one.paths])
        mirror.state.copy_checks.forget_altered(paths)
        _report(found, place)
    finally:  # if a file stays, at least no page names it
        queue = mirror.state.publish_queue
        rows = mirror.state.projects.get({one.copy.project for one in found})
        pages = queue.queued([row.id for row in rows.values()])
        publish(mirror, [one for one in pages if one.reason is PublishReason.PAGE])


def _report(found: Sequence[AlteredCopy], place: str) -> None:
    """Log what is out of service.

    ``place`` is where the bytes are kept; None: they are not.
    """
    kept = f"; the altered bytes are kept in {place}" if place else ""
    for one in found:
        is_gone = one.copy.kept or one.copy.cause is LeaveCause.ALTERED
        log.warning(
            _GONE if is_gone else _AGAIN,
            one.copy.project,
            one.path.rpartition("/")[2],
            one.problem,
            kept,
            extra={"project": one.copy.project},
        )


def want_again(mirror: Mirror, paths: Sequence[str]) -> None:
    """Let the next pass download files again."""
    with mirror.state.transaction():
        _queue(mirror, mirror.state.copy_checks.want_again(paths, mirror.now()))


def _note_altered(mirror: Mirror, paths: Sequence[str]) -> None:
    """Note that files are altered: to be downloaded again, or to leave."""
    checks, now = mirror.state.copy_checks, mirror.now()
    with mirror.state.transaction():
        leaving = checks.leave_altered(paths, now)
        _queue(mirror, {*leaving, *checks.want_again(paths, now)})


def _queue(mirror: Mirror, projects: Iterable[str]) -> None:
    for row in mirror.state.projects.get(projects).values():
        mirror.state.publish_queue.add_page(row.id, mirror.now())
