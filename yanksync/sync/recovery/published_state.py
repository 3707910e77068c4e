"""Reads the published files before they are replaced.

A dead run may have written pages without noting them. A lost or restored state may be older than
the output. Reading is cheaper than writing, and a right page keeps its inode.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.errors import PublishError
from yanksync.core.model import Page
from yanksync.core.policies.cooldown import UNKNOWN_TIMES, FileTimes
from yanksync.core.project_state import PublishReason
from yanksync.mirror.context import Mirror
from yanksync.output.inventory import DirectoryContent
from yanksync.output.store import Store
from yanksync.state.facts import OTHER_EPOCH, READ
from yanksync.state.project_rows import ProjectRow
from yanksync.state.queues.fetch import FetchQueue
from yanksync.state.queues.publish import QueuedProject
from yanksync.sync.recovery.output_survey import IN_A_ROW, distrust_output, record_published_pages

if TYPE_CHECKING:
    from yanksync.core.package_files.copies import PackageFile


class PublishTask(Struct, frozen=True):
    """A project to publish."""

    queued: QueuedProject
    row: ProjectRow
    page: Page | None  # None: the project will be removed
    content: DirectoryContent | None = None  # its published files; None: the state knows them
    times: FileTimes = UNKNOWN_TIMES
    copies: tuple[PackageFile, ...] = ()  # of its files; empty if files are not copied

    @property
    def absent(self) -> bool:
        """Whether a look at the output found none of its files."""
        return self.content is not None and not self.content.exists

    @property
    def may_be_published(self) -> bool:
        """True if it has published files, or if that is unknown (R12)."""
        return self.queued.write_started if self.content is None else self.content.exists


def look_up_published(
    mirror: Mirror, wanted: Sequence[PublishTask], fresh: Container[int]
) -> tuple[list[PublishTask], dict[str, str]]:
    """Read the published files of ``wanted`` if the state does not know.

    The pages of the projects in ``fresh`` have just come from upstream. Returns the projects that
    may be published, and for others, by name, why their page cannot be read. As long as the output
    may be newer than the state, an older page never replaces a newer one, and removed pages stay
    away.

    Raises :class:`PublishError` if object storage can no longer be read, because each further try
    may take minutes.
    """
    facts = mirror.state.facts
    if facts.recovery.serial is None:
        _notice_newer(mirror, wanted, fresh)
    tree = facts.recovery.serial
    if tree is None or tree == OTHER_EPOCH:
        return list(_looked_up(mirror.store, wanted, recovering=tree is not None)), {}
    newest, unread = _not_below(mirror, wanted, fresh)
    looked_up = list(_looked_up(mirror.store, newest, recovering=True))
    return _confirmed(mirror, looked_up, tree, fresh), unread


def _notice_newer(mirror: Mirror, wanted: Sequence[PublishTask], fresh: Container[int]) -> None:
    """Notice that the output is newer than the state.

    The list of projects may be older by ``list_interval``, so it may be the one that the state
    wrote.
    """
    if mirror.store.is_conditional:  # then only an object that the state knows is replaced
        return
    known = {
        one.row.name: max(one.row.minimum_serial or 0, one.row.quarantine_serial or 0)
        for one in wanted
        if _is_replaced(one, fresh)
    }
    for name, stands in zip(known, mirror.store.serials(list(known), quick=True), strict=True):
        if isinstance(stands, int) and stands > known[name]:
            why = f"the page of {name} in the output is newer than the state (serial {stands})"
            distrust_output(mirror.state, why, mirror.store.published_list(), newer=True)
            record_published_pages(mirror)
            return


def _is_replaced(wanted: PublishTask, fresh: Container[int]) -> bool:
    """Return whether the published page may be changed or removed."""
    one, row, page = wanted.queued, wanted.row, wanted.page
    if (
        row.published is None
        or row.published_serial is None
        or one.reason is PublishReason.EXCLUDED
    ):
        return False
    if row.is_of_old_journal:
        return False
    return row.id not in fresh or page is None or page.serial != row.published_serial


def _looked_up(
    store: Store, wanted: Sequence[PublishTask], *, recovering: bool
) -> Iterator[PublishTask]:
    unsure = [one for one in wanted if _is_unsure(one, recovering=recovering)]
    names = [one.row.name for one in unsure]
    found = dict(zip(names, store.directory_contents(names), strict=True))
    for one in wanted:
        yield replace(one, content=found.get(one.row.name))


def _is_unsure(wanted: PublishTask, *, recovering: bool) -> bool:
    if wanted.page is None:
        return False
    published = wanted.row.published
    if published is None:
        return wanted.queued.write_started or recovering
    return wanted.queued.write_started or not published.is_known


def _not_below(
    mirror: Mirror, wanted: Sequence[PublishTask], fresh: Container[int]
) -> tuple[list[PublishTask], dict[str, str]]:
    """Leave out projects whose published page is newer or unreadable.

    Their pages are fetched. Until upstream has answered, the state does not count as caught up. The
    pages of the projects in ``fresh`` are such answers.
    """
    remote = not isinstance(mirror.settings.mirror.output, Path)
    known = {one.row.name: serial for one in wanted if (serial := _known(one)) is not None}
    later: dict[str, int] = {}
    unread: dict[str, str] = {}
    in_a_row = 0
    for name, stands in zip(known, mirror.store.serials(list(known)), strict=True):
        if isinstance(stands, PublishError):
            in_a_row += 1
            if remote and in_a_row == IN_A_ROW:
                raise stands
            unread[name] = str(stands)
            continue
        in_a_row = 0
        if stands is not None and stands > known[name]:
            later[name] = stands
    with mirror.state.transaction():
        for one in wanted:
            _leave_out(mirror, one, later, unread, fresh=one.row.id in fresh)
    return [
        one for one in wanted if one.row.name not in later and one.row.name not in unread
    ], unread


def _known(wanted: PublishTask) -> int | None:
    """Return the serial up to which the state knows a project.

    None: any page may be replaced.
    """
    one, row, page = wanted.queued, wanted.row, wanted.page
    if one.reason is PublishReason.EXCLUDED or (page is not None and page.serial is None):
        return None
    serials = (
        (row.serial, row.published_serial) if page is None else (page.serial, row.quarantine_serial)
    )
    return max((serial for serial in serials if serial is not None), default=None)


def _leave_out(
    mirror: Mirror,
    wanted: PublishTask,
    later: Mapping[str, int],
    unread: Mapping[str, str],
    *,
    fresh: bool,
) -> None:
    """Note why a project is not published, and queue it."""
    one, row, page = wanted.queued, wanted.row, wanted.page
    state, now = mirror.state, mirror.now()
    if row.name in later:
        serial, held = later[row.name], row.serial if page is None else page.serial
        why = f"the output has its page of serial {serial}, the state only {held}"
        state.publish_queue.problem(one.id, why)
        state.fetch_queue.mark(row.name, serial, now)
    elif row.name in unread:
        state.publish_queue.problem(one.id, unread[row.name])
        if not fresh:
            state.fetch_queue.mark(row.name, None, now)


def _confirmed(
    mirror: Mirror, wanted: Sequence[PublishTask], tree: int, fresh: Container[int]
) -> list[PublishTask]:
    """Leave out pages that may be old.

    A project that is absent in the output may have been removed. A page that lacks a serial may be
    old, too, because it cannot be compared. The exception is a page that upstream has just sent.
    """
    catching_up = mirror.state.facts.recovery.phase
    if catching_up is None:
        return list(wanted)
    found: list[PublishTask] = []
    absent: list[int] = []
    for one in wanted:
        page = one.page
        answered = catching_up == READ and one.row.id in fresh
        doubtful = page is not None and (one.absent or (page.serial is None and not answered))
        queue = mirror.state.fetch_queue
        if page is None or not doubtful or _is_confirmed(queue, page, tree, catching_up):
            found.append(one)
        else:
            why = "the output may be newer than the state; waiting for upstream"
            mirror.state.publish_queue.problem(one.queued.id, why)
            absent += [one.row.id] if one.absent else []
    if absent:
        mirror.state.note_absent(absent)
    return found


def _is_confirmed(queue: FetchQueue, page: Page, tree: int, catching_up: str) -> bool:
    """Return True if upstream has confirmed this page after that."""
    if queue.has(page.name):
        return False
    return catching_up == READ or (page.serial is not None and page.serial >= tree > 0)


def removals_of_nothing(mirror: Mirror) -> list[QueuedProject]:
    """Return the removals of projects without published files.

    Guards do not count them.

    A dead run may have removed them, or the state was restored to a time before the removal.
    """
    waiting = mirror.state.unsure_removals()
    if not waiting:
        return []
    contents = mirror.store.directory_contents([name for name, _ in waiting])
    return [
        one
        for (_, one), content in zip(waiting, contents, strict=True)
        if content.problem is None and not content.exists
    ]
