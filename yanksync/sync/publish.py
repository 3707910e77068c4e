"""Stages 5 to 8: judge, render, publish, mark published.

Rendering uses only the recorded page and the configuration, so the next run can repeat a step that
died.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer, PublishError
from yanksync.core.model import Page, PublishedForms
from yanksync.core.project_state import Presence, PublishReason
from yanksync.core.rules.lost_file import LostFile
from yanksync.core.rules.lost_files import page_with_lost_files
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.run_totals import RunTotals
from yanksync.output.comparison import is_as_expected
from yanksync.output.reconcile import (
    KeepProject,
    Operation,
    WriteProject,
    compressed_copies,
    published_forms,
    reconcile,
)
from yanksync.state.project_rows import ProjectRow
from yanksync.state.queues.hooks import LEGACY
from yanksync.state.queues.publish import QueuedProject
from yanksync.sync.policy.published import AppliedRules, apply_rules, note_rules, with_times
from yanksync.sync.policy.upload_times import withholds_pages
from yanksync.sync.published_page import (
    held_page,
    page_with_kept,
    published_part,
    recorded_page,
    render_forms,
    shown_page,
    visible_page,
)
from yanksync.sync.recovery import published_state
from yanksync.sync.recovery.published_state import PublishTask

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from yanksync.sync.package_files.copies import OfferedFiles

WHY_REMOVED = {
    PublishReason.EXCLUDED: "mirror.projects and mirror.exclude leave it out",
    PublishReason.EXPLAINED: "upstream says that it was removed",
    PublishReason.UNEXPLAINED: "upstream has no page of it any more, seen twice",
}
"""Why a project leaves the output, for people."""

BATCH = 500
_RENDERERS = 2  # compression releases the interpreter's lock; rendering does not


def publish(
    mirror: Mirror, queued: Sequence[QueuedProject], pages: Mapping[int, Page] | None = None
) -> None:
    """Publish these projects as the state has them, and record it.

    ``pages`` are pages in memory; the others are read from the state. Without any, it is done in
    parts, however large the pages are. Raises :class:`PublishError` or :class:`StateError`; what
    was not noted as published stays unpublished.
    """
    if not queued:
        return
    if pages is not None:
        _publish(mirror, queued, pages)
        return
    from yanksync.sync.page_batches import page_batches  # start-up: an empty pass needs none

    for batch in page_batches(mirror, queued):
        with mirror.state.transaction():
            mirror.state.publish_queue.mark_writing(one.id for one in batch)
        _publish(mirror, batch, {})


def _publish(mirror: Mirror, queued: Sequence[QueuedProject], pages: Mapping[int, Page]) -> None:
    wanted = load_batch(mirror, queued, pages)
    with _conditions(mirror, wanted):
        outcome = _apply(mirror, wanted)
    mark_published(mirror, outcome)


class Publisher:
    """Publishes one batch in a thread while the next is fetched.

    Only the caller's thread uses the state: before (:meth:`begin`) and after (:meth:`settle`).
    Nothing may be recorded between the two, because it would count as published.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor | None = None  # an empty pass needs none
        self._under_way: Future[PublishOutcome] | None = None
        self._conditions = ExitStack()  # of the current batch

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._conditions.close()

    def begin(self, queued: Sequence[QueuedProject], pages: Mapping[int, Page]) -> None:
        """Begin to publish these projects; the state knows that."""
        if queued:
            wanted = load_batch(self._mirror, queued, pages)
            self._pool = self._pool or self._stack.enter_context(_threads(1, "publish"))
            self._conditions.enter_context(_conditions(self._mirror, wanted))
            self._under_way = self._pool.submit(_apply, self._mirror, wanted)

    def settle(self) -> None:
        """Wait for the current batch, and commit what it published.

        Raises the errors of :func:`publish`.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            with self._conditions:
                outcome = under_way.result()
            mark_published(self._mirror, outcome)


def _threads(count: int, name: str) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # start-up: an empty pass needs none

    return ThreadPoolExecutor(count, thread_name_prefix=name)


class RenderedProject(Struct, frozen=True):
    """One project, ready to be published."""

    queued: QueuedProject
    row: ProjectRow
    work: Operation | None  # None: the output is already right
    forms: PublishedForms | None  # published after the work is done; None: no page
    unsure: bool = False  # there may have been files that the state does not know
    applied: AppliedRules | None = None  # the effect of the rules; None: there are no rules
    offered: OfferedFiles | None = None  # its files; None: files are not copied


class PublishOutcome(Struct, frozen=True):
    """The result of a batch."""

    renderings: list[RenderedProject]
    failures: dict[str, str]  # by project: why its files could not be written
    fatal: bool  # nothing can be written any more


def load_batch(
    mirror: Mirror, queued: Sequence[QueuedProject], pages: Mapping[int, Page]
) -> list[PublishTask]:
    """Read everything from the state that publishing needs."""
    if withholds_pages(mirror):
        return []
    rows = {row.id: row for row in mirror.state.projects.by_id([one.id for one in queued])}
    tasks = with_times(mirror, list(_wanted(mirror, queued, rows, pages)))
    if mirror.settings.copies_files:
        from yanksync.sync.package_files.copies import with_copies  # start-up: few copy files

        tasks = with_copies(mirror, tasks)
    wanted, unread = published_state.look_up_published(mirror, tasks, pages)
    if unread:
        report_failures(mirror.totals, unread, fatal=False)
    return wanted


def _conditions(mirror: Mirror, wanted: Sequence[PublishTask]) -> AbstractContextManager[None]:
    names = [one.row.name for one in wanted]
    return mirror.store.conditions(mirror.state.etags, names)


def _apply(mirror: Mirror, wanted: Sequence[PublishTask]) -> PublishOutcome:
    """Render and write; this uses only the output."""
    renderings = _render_all(mirror, wanted)
    works = [rendering.work for rendering in renderings if rendering.work is not None]
    failures = mirror.store.apply(works)
    fatal = len(failures) == len(renderings) and any(failure.fatal for failure in failures)
    return PublishOutcome(renderings, {failure.name: failure.why for failure in failures}, fatal)


def mark_published(mirror: Mirror, outcome: PublishOutcome) -> None:
    """Commit the published digests; the files are synced already."""
    _mark(mirror, outcome)
    if mirror.settings.copies_files:
        from yanksync.sync.package_files.withdraw import take_out  # start-up: few copy files

        take_out(mirror)
    if outcome.failures:
        report_failures(mirror.totals, outcome.failures, fatal=outcome.fatal)


def report_failures(totals: RunTotals, failures: Mapping[str, str], *, fatal: bool) -> None:
    """Log the projects that could not be published, each once.

    Raises :class:`PublishError` instead if nothing more can be written, because the disk is full.
    """
    name, why = next(iter(failures.items()))
    error = PublishError(layout.directory(name), f"{why} ({len(failures)} not published)")
    if fatal:
        raise error
    totals.causes[error.cause] += len(failures)
    totals.problem = totals.problem or str(error)
    for name, why in failures.items():
        if totals.first_time(f"unpublished {name}"):
            log.error(
                "%s: not published: %s; the next run tries again",
                name,
                why,
                extra={"project": name},
            )


def _wanted(
    mirror: Mirror,
    queued: Sequence[QueuedProject],
    rows: Mapping[int, ProjectRow],
    pages: Mapping[int, Page],
) -> Iterator[PublishTask]:
    """Yield each project as it must be published.

    If one project is unreadable, the others go on.
    """
    lost = mirror.state.lost_files.by_project([one.id for one in queued if one.id not in pages])
    for one in queued:
        row = rows[one.id]
        try:
            page = _page(mirror, one, row, pages.get(one.id), lost.get(one.id, ()))
            yield PublishTask(one, row, page)
        except InvalidAnswer as error:
            if mirror.totals.first_time(f"unreadable {row.name}"):
                why = f"the held page cannot be read: {error.problem}; it is fetched again"
                log.error("%s: %s", row.name, why, extra={"project": row.name})
            mirror.state.publish_queue.problem(one.id, str(error))
            mirror.state.fetch_queue.mark(row.name, row.serial, mirror.now(), forced=True)


def _page(
    mirror: Mirror, one: QueuedProject, row: ProjectRow, page: Page | None, lost: Sequence[LostFile]
) -> Page | None:
    """Return the page to publish; None: remove the project."""
    if row.presence is not Presence.PRESENT or one.reason is PublishReason.EXCLUDED:
        return None
    return visible_page(row, page or page_with_lost_files(recorded_page(mirror, row), lost))


def _render_all(mirror: Mirror, wanted: Sequence[PublishTask]) -> list[RenderedProject]:
    if len(wanted) < 8 or not mirror.settings.mirror.compress:
        return [_render(mirror, one) for one in wanted]
    with _threads(_RENDERERS, "render") as pool:
        return list(pool.map(lambda one: _render(mirror, one), wanted))


def _render(mirror: Mirror, wanted: PublishTask) -> RenderedProject:
    one, row, content = wanted.queued, wanted.row, wanted.content
    page = page_with_kept(row, wanted.page, wanted.copies)
    applied = None if page is None else apply_rules(mirror, page, wanted.times)
    page = page if applied is None else applied.offer.page
    shown = None if page is None else shown_page(mirror, page)
    offered = _offered(mirror, wanted, page, shown)
    shown = published_part(mirror, wanted.page, shown, wanted.copies)
    rendered = None if shown is None else render_forms(mirror, shown, wanted.copies)
    copies: dict[str, bytes] = {}
    if rendered is not None:
        copies = compressed_copies(rendered, mirror.settings.mirror.compress, mirror.store.compress)
    forms = None if rendered is None else published_forms(rendered, copies)
    void = row.published is not None and not row.published.is_known
    unsure = one.write_started or content is not None or void
    if forms is not None and content is not None and is_as_expected(row.name, forms, content):
        kept = KeepProject(name=row.name)
        return RenderedProject(one, row, kept, forms, unsure, applied, offered)
    known = row.published if content is None else None
    work = reconcile(row.name, known, rendered, copies, write_started=wanted.may_be_published)
    if isinstance(work, WriteProject) and shown is not None and shown.quarantined:
        work = replace(work, withdraws=True)
    return RenderedProject(one, row, work, forms, unsure, applied, offered)


def _offered(
    mirror: Mirror, wanted: PublishTask, visible: Page | None, shown: Page | None
) -> OfferedFiles | None:
    """Return what a project offers; None: files are not copied."""
    if not mirror.settings.copies_files:
        return None
    from yanksync.sync.package_files.copies import offered_files  # start-up: few copy files

    return offered_files(mirror, wanted, visible, shown)


def _mark(mirror: Mirror, outcome: PublishOutcome) -> None:
    state, totals = mirror.state, mirror.totals
    finished = []
    applied: dict[int, AppliedRules] = {}
    with state.transaction():
        now = mirror.now()
        totals.latencies += state.history_times.published(_newly_published(outcome), now)
        if hooks := mirror.settings.hooks.enabled:
            state.hook_queue.add(hooks, _changed(outcome))
        for rendering in outcome.renderings:
            one, row = rendering.queued, rendering.row
            if row.name in outcome.failures:
                state.publish_queue.problem(one.id, outcome.failures[row.name])
                continue
            if row.presence is not Presence.PRESENT or rendering.forms is None:
                _note_removal(mirror, rendering)
            if rendering.forms is not None:
                totals.published += isinstance(rendering.work, WriteProject)
                log.debug("%s: published, serial %s", row.name, row.serial, extra=_named(row))
                if rendering.applied is not None:
                    applied[one.id] = rendering.applied
                finished.append((one.id, rendering.forms, not row.quarantined, row.serial))
        state.publish_queue.mark_published(finished, now)
        note_rules(mirror, applied)
        _note_copies(mirror, outcome)


def _note_removal(mirror: Mirror, rendering: RenderedProject) -> None:
    """Note that upstream's page is gone. Use inside a transaction."""
    one, row = rendering.queued, rendering.row
    if row.published is not None and rendering.forms is None:
        mirror.totals.removed += 1
        why = WHY_REMOVED.get(one.reason, "it is gone upstream")
        log.info("%s: not offered any more: %s", row.name, why, extra=_named(row))
    if (page := held_page(mirror, row)) is not None:
        mirror.state.removed_files.add(one.id, page.files)
    mirror.state.publish_queue.removed([one.id], forget=one.reason is PublishReason.EXCLUDED)


def _note_copies(mirror: Mirror, outcome: PublishOutcome) -> None:
    """Note the files that pages want copies of. Use inside a transaction."""
    if not mirror.settings.copies_files:
        return
    from yanksync.sync.package_files.copies import (  # start-up: few copy files
        note_offered,
        note_withdrawn,
    )

    for rendering in outcome.renderings:
        if rendering.offered is not None:
            failed = rendering.row.name in outcome.failures
            note = note_withdrawn if failed else note_offered
            note(mirror, rendering.row, rendering.queued.reason, rendering.offered)


def _named(row: ProjectRow) -> dict[str, str]:
    """Return the project as an extra key of a log record."""
    return {"project": row.name}


def _newly_published(outcome: PublishOutcome) -> Iterator[tuple[str, int, int]]:
    """Yield the projects whose withdrawals are published: (project, serial before, and now)."""
    for rendering in outcome.renderings:
        row = rendering.row
        if (
            row.name not in outcome.failures
            and rendering.queued.reason is not PublishReason.EXCLUDED
            and row.published_serial is not None
        ):
            # A project withdrawn by the journal has a page that is older than its entry.
            yield row.name, row.published_serial, max(row.serial or 0, row.quarantine_serial or 0)


def _changed(outcome: PublishOutcome) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the touched projects, with possible compressed copies.

    A killed run may have removed files without noting that. Then the output lacks these files, but
    a copy of the output still has them, so they are named, too.
    """
    for rendering in outcome.renderings:
        row = rendering.row
        if rendering.work is not None and row.name not in outcome.failures:
            stood = () if row.published is None else row.published.copies
            codecs = (*layout.SUFFIX, LEGACY) if rendering.unsure else layout.codecs_of(stood)
            followed = row.published is not None and row.published.legacy is not None
            yield row.name, (*codecs, LEGACY) if followed else codecs
