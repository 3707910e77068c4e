"""Stage 4: answers → state, one transaction for each batch.

Weighs each answer (R3, R7), keeps what is true, and notes what that changed for the history (R6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from yanksync.config.settings import JournalSource
from yanksync.core import layout
from yanksync.core.errors import BadAnswer, PublishError
from yanksync.core.formats.parse import of_every_page
from yanksync.core.model import Action, Change, Page
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence, Sort
from yanksync.core.rules.fetch_plan import DAY, OVERDUE, Look, sweep_due
from yanksync.core.rules.journal_entries import Kind
from yanksync.core.rules.lost_files import (
    LostFile,
    Moment,
    SeenSince,
    shown_before,
    with_lost,
)
from yanksync.core.rules.page_diff import Unsettled, differences, latecomers, reasons_of
from yanksync.core.rules.verdicts import (
    Absent,
    Doubt,
    Found,
    Gone,
    Held,
    Keep,
    Missing,
    NotModified,
    Record,
    Stale,
    Verdict,
    Want,
    weigh,
)
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import OTHER_ERA
from yanksync.state.project_rows import Project, Recorded
from yanksync.state.queues.publish import Awaiting
from yanksync.sync.fetch import Failed, Fetched
from yanksync.sync.published_page import page_in, page_of
from yanksync.sync.record_losses import LossRecorder, some_of


class Batch(Struct):
    """What recording a batch leaves to do."""

    awaiting: list[Awaiting] = field(default_factory=list)  # pages to publish now
    pages: dict[int, Page] = field(default_factory=dict)  # as they are published, by project id
    again: list[tuple[Fetched, str, bool]] = field(default_factory=list)  # (look, why, stale)
    missing: list[Fetched] = field(default_factory=list)  # 404s that nothing explains: maybe an
    # outage, which only the other answers of the pass tell
    well: int = 0  # answers that show that upstream is well


def record(mirror: Mirror, fetched: Sequence[Fetched], *, is_up: bool = False) -> Batch:
    """Record a batch of answers; return the pages to publish and the looks to take again.

    Without ``is_up`` a 404 that nothing explains is put aside.
    """
    batch = Batch()
    recorder = _Recorder(mirror, batch, is_up=is_up)
    with mirror.state.transaction():
        rows = mirror.state.projects.get(one.look.name for one in fetched)
        recorder.losses.load([row.id for row in rows.values()])
        for one in fetched:
            row = rows.pop(one.look.name, None)
            if row is None:  # asked for twice in one batch, or never seen before
                row = recorder.row(one.look.name)
            recorder.take(one, row)
        batch.awaiting = mirror.state.unpublished.among(list(batch.pages))
        mirror.state.unpublished.begin(awaiting.id for awaiting in batch.awaiting)
    return batch


class _Recorder:
    """Records the answers of one batch, inside its transaction."""

    def __init__(self, mirror: Mirror, batch: Batch, *, is_up: bool) -> None:
        self._mirror = mirror
        self._state = mirror.state
        self._batch = batch
        self._is_up = is_up
        self._now = mirror.now()
        self._moment = Moment(self._now, mirror.run, mirror.settings.guard.confirm_after)
        self.losses = LossRecorder(mirror, self._moment)
        meta = mirror.state.meta
        self._serials = meta.flag("serials")
        self._json = meta.flag("json")
        self._tree = meta.number("tree_serial")
        self._cursor = meta.cursor if meta.text("journal") == JournalSource.XMLRPC else None

    def row(self, name: NormalizedName) -> Project:
        self._state.projects.add([(name, name)])
        row = self._state.projects.get([name])[name]
        self.losses.load([row.id])
        return row

    def take(self, one: Fetched, row: Project) -> None:
        self._mirror.tally.asked += not self._is_up
        answer = one.answer
        if isinstance(answer, Failed):
            self._batch.again.append((one, str(answer.error), False))
            self._state.pending.problem(row.name, str(answer.error))
            return
        for note in one.notes:
            if self._mirror.tally.tells(note if of_every_page(note) else f"{row.name} {note}"):
                log.warning("%s: %s", row.name, note, extra={"project": row.name})
        verdict = weigh(
            self._held(row, answer), self._want(one.look), answer, serials=self._serials
        )
        said = row.entry is Kind.REMOVE_PROJECT or row.listed_at is not None
        if not isinstance(answer, Missing) or (said and isinstance(verdict, Keep | Gone)):
            self._batch.well += 1
        self._follow(one, row, verdict)

    def _follow(self, one: Fetched, row: Project, verdict: Verdict) -> None:
        """Do what the verdict says."""
        if isinstance(verdict, Record):
            self._record(one, row, verdict)
        elif isinstance(verdict, Keep):
            self._keep(one, row)
        elif isinstance(verdict, Stale):
            self._batch.again.append((one, verdict.why, True))
            self._state.pending.problem(row.name, verdict.why)
        elif isinstance(verdict, Absent):
            self._unknown(row)
        elif not self._is_up and verdict != Gone(explained=True):
            self._batch.missing.append(one)
        elif isinstance(verdict, Gone):
            self._gone(one, row, verdict)
        else:
            self._doubt(row, verdict)

    def _want(self, look: Look) -> Want:
        """Return what the look is for; a doubt too young to be confirmed is none yet (R7)."""
        age = self._now - (self._now + 1 if look.doubt_since is None else look.doubt_since)
        ripe = age >= max(self._moment.confirm_after, 0.0)
        reach = None if look.sweep else look.reach
        return Want(reach=reach, doubt=look.doubt if ripe else None, behind=look.behind)

    def _unknown(self, row: Project) -> None:
        named = self._mirror.settings.mirror.selection.named
        if row.presence is Presence.NEW and row.name in named:
            why = "upstream does not have it; is that its name in mirror.projects?"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})
        self._state.projects.set_unknown(row.name)
        self._state.pending.done(row.name)

    def _held(self, row: Project, answer: Found | NotModified | Missing) -> Held:
        missing = isinstance(answer, Missing)
        return Held(
            name=row.name,
            presence=row.presence,
            serial=row.serial,
            floor=row.serial if row.presence is Presence.GONE else row.floor,
            stands=row.stands,
            entry=row.entry,
            entry_serial=row.entry_serial,
            events=self._state.history.events(row.name, row.serial) if missing else (),
            listed_at=row.listed_at,
            word=row.word,
        )

    def _before(self, row: Project) -> Page | None:
        """Return the page that was recorded, and is published; None when there is none."""
        if row.presence is not Presence.PRESENT and (
            row.published is None or row.entry is Kind.REMOVE_PROJECT
        ):
            return None  # new, or another project of that name
        stored = self._state.projects.page(row.id)
        try:
            return None if stored is None else page_of(row.name, stored)
        except BadAnswer as error:
            if self._mirror.tally.tells(f"unreadable {row.name}"):
                why = f"the held page cannot be read: {error.problem}; upstream's takes its place"
                log.error("%s: %s", row.name, why, extra={"project": row.name})
        return self._standing(row)

    def _published(self, row: Project, before: Page | None) -> Page | None:
        """Return the page whose files must not vanish unseen: the published one.

        The held page, ``before``, is that, unless the state was lost or put back.
        """
        if row.stands:
            unlisted = row.listed_at is not None and row.listed_at >= (row.floor or 0)
            gone = unlisted or row.entry is Kind.REMOVE_PROJECT
            return None if gone else self._standing(row)  # another project of that name
        tree = self._tree
        if before is None or row.presence is not Presence.PRESENT or tree in (None, OTHER_ERA):
            return before
        if row.published is None or (row.serial is not None and row.floor == row.serial):
            return before
        return self._standing(row) or before

    def _due(self, row: Project, look: Look) -> float | None:
        """Return when the sweep asks again."""
        due = sweep_due(row.name, self._now, self._mirror.settings.upstream.sweep_days)
        if due is None or row.presence is Presence.PRESENT or look.reach is not None:
            return due
        # No list says which serial its page must reach: a CDN may have given an old one.
        return min(due, self._now + OVERDUE)

    def _record(self, one: Fetched, row: Project, verdict: Record) -> None:
        page = verdict.page
        assert one.stored is not None
        before = self._before(row)
        published = self._published(row, before)
        was_lost = self.losses.of(row)
        events = () if published is None and not was_lost else self.losses.events(row)
        lost = self.losses.found(row, published, page, events)
        shown = with_lost(page, lost)
        self._state.projects.record(
            row.name,
            Recorded(
                serial=page.serial,
                quarantined=page.quarantined,
                yanked=len(reasons_of(shown)),
                etag=one.etag,
                checked=self._now,
                due=self._due(row, one.look),
                stored=one.stored,
            ),
        )
        showed = None
        if before is not None and row.presence is Presence.PRESENT:
            showed = shown_before(before, was_lost, shown, lost, events)
        self._remember(row, showed, shown, reasons_of(page), was_lost)
        self._learn(one, page)
        self._state.unpublished.add(row.id, Sort.PAGE, one.look.since or self._now)
        self._batch.pages[row.id] = shown
        self._mirror.tally.recorded += 1
        self._state.pending.reached(row.name, page.serial)
        self.losses.keep(row, lost)
        if before is not None and (late := latecomers(before, page)):
            why = f"{some_of(late)}: new on a release of more than two weeks ago"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})
        if not verdict.reached:
            why = f"the page is at serial {page.serial}, the journal at {one.look.reach}"
            self._state.pending.problem(row.name, why)
            self._batch.again.append((one, why, True))

    def _standing(self, row: Project) -> Page | None:
        """Return the page of a project that stands in the output; None when none can be read."""
        try:
            body = self._mirror.store.read(row.name, layout.V1_JSON.filename)
            return None if body is None else page_in(row.name, body)
        except (BadAnswer, PublishError):
            return None

    def _remember(
        self,
        row: Project,
        before: Page | None,
        page: Page,
        reasons: tuple[tuple[str, str], ...],
        lost: Sequence[LostFile],
    ) -> None:
        """Keep for the history what was published ``before`` and is from now on (R6)."""
        settled = self._cursor is None or (page.serial is not None and page.serial <= self._cursor)

        changes: Sequence[Change] = ()
        if before is not None:
            withdrawn = self._state.history.withdrawn(row.name, page.serial)
            changes = differences(before, page, withdrawn=withdrawn)
        elif row.presence is Presence.GONE:
            changes = differences(None, page)
        first = before is None and row.presence is not Presence.GONE
        seen_since = SeenSince(lost, row.serial)
        since = None if row.stands else row.serial  # the history of that page was lost, too
        by_low: dict[int | None, list[Change]] = {since: []}
        for change in changes:
            by_low.setdefault(seen_since.of(change), []).append(change)
        seen = [
            Unsettled(
                low=-1 if low is None and not first else low,
                high=page.serial,
                changes=tuple(some),
                # Once is enough, but where the page yanks files that belong to no version.
                reasons=reasons if low == since or _yank_homeless(some) else (),
            )
            for low, some in by_low.items()
        ]
        self._state.history.see(row.name, seen, self._now, settled=settled)

    def _learn(self, one: Fetched, page: Page) -> None:
        """Note what upstream is like: whether it gives serials (R3), whether it has JSON (R15)."""
        if page.serial is not None and not self._serials:
            self._serials = True
            self._state.meta.put(serials=1)
        if self._cursor is not None and page.serial is not None and page.serial > self._cursor:
            self._state.ahead.add(page.name, page.serial)
        if one.json and not self._json:
            self._json = True
            self._state.meta.put(json=1)
            self._mirror.upstream.json_only = True

    def _keep(self, one: Fetched, row: Project) -> None:
        if row.presence is Presence.PRESENT:
            self._state.projects.confirm(row.name, self._now, self._due(row, one.look))
        # Not simply done: the journal may have asked for more while the answer was under way (R2).
        self._state.pending.reached(row.name, row.serial)
        if isinstance(one.answer, NotModified):
            self.losses.confirm(row)

    def _gone(self, one: Fetched, row: Project, verdict: Gone) -> None:
        if row.presence is Presence.PRESENT or row.published is not None:
            tombstone = row.entry_serial if row.entry is Kind.REMOVE_PROJECT else row.floor
            if not verdict.explained and tombstone is not None:
                tombstone -= 1  # it may have been upstream's fault: then the same page comes back
            self._state.projects.remove(row.name, tombstone)
            sort = Sort.EXPLAINED if verdict.explained else Sort.UNEXPLAINED
            since = one.look.since or self._now
            self._state.unpublished.add(row.id, sort, since, approved=one.look.approved)
            # Of a page that the state never held there is no history.
            if row.presence is Presence.PRESENT and row.entry is not Kind.REMOVE_PROJECT:
                change = Change(action=Action.REMOVE)
                self._state.history.observe(row.name, (change,), self._now, low=row.serial)
        self._state.pending.done(row.name)

    def _doubt(self, row: Project, verdict: Doubt) -> None:
        why = f"{verdict.why}; it stays published, and is asked for again in a later pass"
        log.warning("%s: %s", row.name, why, extra={"project": row.name})
        self._state.pending.doubted(
            row.name,
            verdict.seen,
            verdict.why,
            run=self._mirror.run,
            now=self._now,
            confirm_after=self._moment.confirm_after,
        )
        self._state.projects.postpone(row.name, self._now + DAY)


def _yank_homeless(changes: Iterable[Change]) -> bool:
    return any(one.version is None and one.action is Action.YANK for one in changes)


def give_up(mirror: Mirror, again: Iterable[tuple[Fetched, str, bool]]) -> None:
    """Leave looks that brought nothing, twice, for a later pass (R3)."""
    now = mirror.now()
    with mirror.state.transaction():
        for one, why, stale in again:
            name = one.look.name
            mirror.tally.failed += 1
            mirror.tally.causes["stale" if stale else one.cause] += 1
            log.warning("%s: %s; it will be asked for again", name, why, extra={"project": name})
            if mirror.state.pending.has(name):
                mirror.state.pending.failed(name, why, now, stale=stale)
            else:
                mirror.state.projects.postpone(name, now + DAY)
