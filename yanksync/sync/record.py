"""Stage 4: records answers, in one transaction for each batch.

It judges each answer (R3, R7), stores true pages, and notes their changes for the history (R6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from yanksync.config.settings import JournalSource
from yanksync.core.formats.parse import is_about_index
from yanksync.core.model import HistoryAction, Page, PageChange
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.averted import HiddenReleases
from yanksync.core.rules.fetch_plan import DAY, STALE_LIMIT, FetchTask, recheck_due
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.core.rules.loss_history import EarliestExplanation
from yanksync.core.rules.lost_file import LostFile
from yanksync.core.rules.lost_files import page_with_lost_files, previously_shown
from yanksync.core.rules.page_diff import (
    BEFORE_ALL,
    PendingDiff,
    diff_pages,
    files_added_late,
    yank_reasons,
)
from yanksync.core.rules.transitions import Effects, transition
from yanksync.core.rules.verdicts import (
    Accept,
    Confirm,
    Expectation,
    NeverExisted,
    NotModified,
    PageMissing,
    Removed,
    StaleAnswer,
    Unconfirmed,
    Verdict,
    judge_answer,
)
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import UpstreamTraits
from yanksync.state.project_rows import ProjectRow, RecordedPage
from yanksync.state.queues.publish import QueuedProject
from yanksync.sync.earlier_pages import EarlierPages
from yanksync.sync.fetch import FetchFailure, FetchResult
from yanksync.sync.policy.averted import hidden_before
from yanksync.sync.policy.times import TimesRecorder
from yanksync.sync.policy.upload_times import (
    STOPPED,
    is_dated,
    loses_upload_times,
    needs_upload_times,
)
from yanksync.sync.record_losses import LossRecorder, first_and_count


class RecordResult(Struct):
    """The work that is left after recording a batch."""

    queued: list[QueuedProject] = field(default_factory=list)  # pages to publish now
    pages: dict[int, Page] = field(default_factory=dict)  # pages to publish, by project id
    # (look, why, stale)
    to_retry: list[tuple[FetchResult, str, bool]] = field(default_factory=list)
    missing: list[FetchResult] = field(default_factory=list)  # unexplained 404s: maybe an
    # outage, which only the other answers of the pass show
    succeeded: int = 0  # answers that show that upstream is well


def record(mirror: Mirror, fetched: Sequence[FetchResult], *, is_up: bool = False) -> RecordResult:
    """Record a batch of answers; return what to publish and retry.

    Without ``is_up`` an unexplained 404 is put aside.
    """
    batch = RecordResult()
    recorder = _Recorder(mirror, batch, is_up=is_up)
    with mirror.state.transaction():
        rows = mirror.state.projects.get(result.task.name for result in fetched)
        recorder.load([row.id for row in rows.values()])
        for result in fetched:
            row = rows.pop(result.task.name, None)
            if row is None:  # asked for twice in one batch, or never seen before
                row = recorder.row(result.task.name)
            recorder.take(result, row)
        batch.queued = mirror.state.publish_queue.queued(list(batch.pages))
        mirror.state.publish_queue.mark_writing(awaiting.id for awaiting in batch.queued)
    return batch


class _Recorder:
    """Records the answers of one batch, inside its transaction."""

    def __init__(self, mirror: Mirror, batch: RecordResult, *, is_up: bool) -> None:
        self._mirror = mirror
        self._state = mirror.state
        self._batch = batch
        self._is_up = is_up
        self._now = mirror.now()
        self._observation = mirror.observation(self._now)
        self.losses = LossRecorder(mirror, self._observation)
        self._times = TimesRecorder(mirror, self._now)
        self._earlier = EarlierPages(mirror)
        facts = mirror.state.facts
        self._serials = facts.traits.serials
        self._json = facts.traits.json
        self._cursor = facts.cursor if facts.source_choice.journal == JournalSource.XMLRPC else None
        self._is_dated = facts.traits.upload_times  # a file of upstream's has an upload-time

    def row(self, name: NormalizedName) -> ProjectRow:
        self._state.projects.add([(name, name)])
        row = self._state.projects.get([name])[name]
        self.load([row.id])
        return row

    def load(self, projects: Sequence[int]) -> None:
        """Read the facts of the state about these projects."""
        self.losses.load(projects)
        self._times.load(projects)

    def take(self, result: FetchResult, row: ProjectRow) -> None:
        self._mirror.totals.asked += not self._is_up
        answer = result.answer
        if isinstance(answer, FetchFailure):
            self._batch.to_retry.append((result, str(answer.error), False))
            self._state.fetch_queue.problem(row.name, str(answer.error))
            return
        for note in result.warnings:
            if self._mirror.totals.first_time(
                note if is_about_index(note) else f"{row.name} {note}"
            ):
                log.warning("%s: %s", row.name, note, extra={"project": row.name})
        missing = isinstance(answer, PageMissing)
        events = self._state.history.events(row.name, row.serial) if missing else ()
        expected = self._expectation(result.task)
        verdict = judge_answer(row, expected, answer, serials=self._serials, events=events)
        said = row.entry_kind is EntryKind.REMOVE_PROJECT or row.omitted_at_serial is not None
        if not missing or (said and isinstance(verdict, Confirm | Removed)):
            self._batch.succeeded += 1
        unexplained = isinstance(verdict, Unconfirmed) or verdict == Removed(explained=False)
        if unexplained and not self._is_up:
            self._batch.missing.append(result)
        else:
            self._take_verdict(result, row, verdict, transition(row, verdict))

    def _take_verdict(
        self, result: FetchResult, row: ProjectRow, verdict: Verdict, effects: Effects
    ) -> None:
        """Carry out the verdict, and log it."""
        if isinstance(verdict, Accept):
            self._record(result, row, verdict, effects)
            return
        hidden = None
        if effects.presence is Presence.REMOVED:
            before = self._earlier.recorded(row)
            hidden = hidden_before(self._mirror, before, self._times.of(row))
            self._times.vanished(row, before, explained=verdict == Removed(explained=True))
        if isinstance(verdict, Removed | Confirm):
            self._note_time(row, BEFORE_ALL, None)
        self._apply(result.task, row, effects, approved=result.task.approved, hidden=hidden)
        if isinstance(verdict, Confirm) and isinstance(result.answer, NotModified):
            self.losses.confirm(row)
        elif isinstance(verdict, StaleAnswer):
            self._batch.to_retry.append((result, verdict.why, True))
        elif isinstance(verdict, NeverExisted):
            self._times.appears_later(row)
            self._report_unknown(row)
        elif isinstance(verdict, Unconfirmed):
            why = f"{verdict.why}; it stays published, and is asked for again in a later pass"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})

    def _apply(
        self,
        task: FetchTask,
        row: ProjectRow,
        effects: Effects,
        *,
        approved: bool = False,
        hidden: HiddenReleases | None = None,
    ) -> None:
        due = self._due(row, task) if effects.confirmed else None
        since = task.since or self._now
        self._state.apply(
            row,
            effects,
            self._observation,
            since=since,
            due=due,
            approved=approved,
            hidden=hidden,
        )

    def _expectation(self, task: FetchTask) -> Expectation:
        """Return what the fetch is for.

        A doubt that is too young to be confirmed does not count yet (R7).
        """
        age = self._now - (
            self._now + 1 if task.unconfirmed_since is None else task.unconfirmed_since
        )
        ripe = age >= max(self._observation.confirm_after, 0.0)
        required_serial = None if task.recheck else task.required_serial
        return Expectation(
            required_serial=required_serial,
            unconfirmed=task.unconfirmed if ripe else None,
            behind=task.behind,
        )

    def _report_unknown(self, row: ProjectRow) -> None:
        named = self._mirror.settings.mirror.selection.spelled_out_names
        if row.presence is Presence.NEW and row.name in named:
            why = "upstream does not have it; is that its name in mirror.projects?"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})

    def _due(self, row: ProjectRow, task: FetchTask) -> float | None:
        """Return when the recheck asks again."""
        due = recheck_due(row.name, self._now, self._mirror.settings.upstream.sweep_days)
        if due is None or row.presence is Presence.PRESENT or task.required_serial is not None:
            return due
        # No list gives the serial that its page must reach, so a CDN may have given an old page.
        return min(due, self._now + STALE_LIMIT)

    def _record(
        self, result: FetchResult, row: ProjectRow, verdict: Accept, effects: Effects
    ) -> None:
        page = verdict.page
        assert result.stored is not None
        before = self._earlier.recorded(row)
        if self._has_lost_upload_times(result, row, before, page):
            return
        published = self._earlier.published(row, before)
        was_lost = self.losses.of(row)
        events = () if published is None and not was_lost else self.losses.events(row)
        lost = self.losses.found(row, published, page, events, self._times.of(row))
        shown = page_with_lost_files(page, lost)
        self.losses.remember(row, before, shown)
        self._times.page(row, before, page)
        self._state.projects.record(
            row.name,
            RecordedPage(
                serial=page.serial,
                quarantined=page.quarantined,
                yanked=len(yank_reasons(shown)),
                etag=result.etag,
                checked=self._now,
                due=self._due(row, result.task),
                stored=result.stored,
            ),
        )
        showed = None
        if before is not None and row.presence is Presence.PRESENT:
            showed = previously_shown(before, was_lost, shown, lost, events)
        hidden = hidden_before(self._mirror, showed, self._times.of(row))
        self._remember(row, showed, shown, yank_reasons(page), was_lost, hidden)
        self._note_traits(result, page)
        self._note_time(row, BEFORE_ALL if row.serial is None else row.serial, page.serial)
        self._batch.pages[row.id] = shown
        self._mirror.totals.recorded += 1
        self._apply(result.task, row, effects)
        self.losses.keep(row, lost)
        if before is not None and (late := files_added_late(before, page)):
            why = f"{first_and_count(late)}: new on a release of more than two weeks ago"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})
        if not verdict.reached:
            why = (
                f"the page is at serial {page.serial}, the journal at {result.task.required_serial}"
            )
            self._state.fetch_queue.problem(row.name, why)
            self._batch.to_retry.append((result, why, True))

    def _has_lost_upload_times(
        self, result: FetchResult, row: ProjectRow, before: Page | None, page: Page
    ) -> bool:
        """Return whether upstream stopped sending upload-times, so that cooldown would hide all.

        The published page stays until a pass finds upload-times again, or until the configuration
        allows files without them.
        """
        if before is None or not loses_upload_times(before, page):
            return False
        if not needs_upload_times(self._mirror.offers.keys.cooldown, row.name):
            return False
        totals, key = self._mirror.totals, "cooldown.missing"
        why = (
            f"no file of its page has an upload-time any more; the published page stays; see {key}"
        )
        log.error("%s: %s", row.name, why, extra={"project": row.name})
        totals.held[STOPPED] = (
            f'upstream has stopped sending upload-times; write {key} = "allow" to do without them'
        )
        self._batch.to_retry.append((result, why, True))
        self._state.fetch_queue.problem(row.name, why)
        return True

    def _remember(
        self,
        row: ProjectRow,
        before: Page | None,
        page: Page,
        reasons: tuple[tuple[str, str], ...],
        lost: Sequence[LostFile],
        hidden: HiddenReleases | None,
    ) -> None:
        """Keep a newly published state of a page for the history (R6)."""
        settled = self._cursor is None or (page.serial is not None and page.serial <= self._cursor)

        changes: Sequence[PageChange] = ()
        if before is not None:
            withdrawn = self._state.history.removed_versions(row.name, page.serial)
            changes = diff_pages(before, page, withdrawn=withdrawn)
        elif row.presence is Presence.REMOVED:
            changes = diff_pages(None, page)
        first = before is None and row.presence is not Presence.REMOVED
        seen_since = EarliestExplanation(lost, row.serial)
        # the history of that page was lost, too
        since = None if row.is_only_published else row.serial
        by_low: dict[int | None, list[PageChange]] = {since: []}
        for change in changes:
            by_low.setdefault(seen_since.serial_for(change), []).append(change)
        seen = [
            PendingDiff(
                low=BEFORE_ALL if low is None and not first else low,
                high=page.serial,
                changes=tuple(some),
                # Once is enough, unless the page yanks files that lack a version.
                reasons=reasons if low == since or _yank_unversioned(some) else (),
                hidden=hidden if some else None,
            )
            for low, some in by_low.items()
        ]
        self._state.history.add_diff(row.name, seen, self._now, settled=settled)

    def _note_time(self, row: ProjectRow, above: int, upto: int | None) -> None:
        """Note that a project's journal entries are recorded."""
        if row.entry_serial is not None:
            self._state.history_times.recorded(row.name, above, upto, self._now)

    def _note_traits(self, result: FetchResult, page: Page) -> None:
        """Note facts about upstream as a whole.

        They are whether it gives serials (R3), and whether it has JSON (R15).
        """
        if page.serial is not None and not self._serials:
            self._serials = True
            self._state.facts.change(UpstreamTraits, serials=True)
        if self._cursor is not None and page.serial is not None and page.serial > self._cursor:
            self._state.unconfirmed_serials.add(page.name, page.serial)
        if page.files and not self._is_dated:
            self._is_dated = is_dated(page)
            key = "upload_times" if self._is_dated else "undated"
            self._state.facts.change(UpstreamTraits, **{key: True})
        if result.is_json and not self._json:
            self._json = True
            self._state.facts.change(UpstreamTraits, json=True)
            self._mirror.upstream.json_only = True


def _yank_unversioned(changes: Iterable[PageChange]) -> bool:
    return any(one.version is None and one.action is HistoryAction.YANK for one in changes)


def postpone(mirror: Mirror, again: Iterable[tuple[FetchResult, str, bool]]) -> None:
    """Leave fetches that failed twice for a later pass (R3)."""
    now = mirror.now()
    with mirror.state.transaction():
        for result, why, stale in again:
            name = result.task.name
            mirror.totals.failed += 1
            mirror.totals.causes["stale" if stale else result.cause] += 1
            log.warning("%s: %s; it will be asked for again", name, why, extra={"project": name})
            if mirror.state.fetch_queue.has(name):
                mirror.state.fetch_queue.failed(name, why, now, stale=stale)
            else:
                mirror.state.projects.postpone(name, now + DAY)
