"""Stage 4: answers → state, one transaction for each batch.

Weighs each answer (R3, R7), keeps what is true, and notes what that changed for the history (R6).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from yanksync.changes import Unsettled, differences, latecomers, reasons_of, rehashed
from yanksync.errors import BadAnswer, PublishError
from yanksync.fetch import Failed, Fetched
from yanksync.journal import Event, Kind
from yanksync.mirror import Mirror, log
from yanksync.model import Action, Change, Page
from yanksync.names import NormalizedName
from yanksync.plan import DAY, sweep_due
from yanksync.publish import layout
from yanksync.settings import JournalSource
from yanksync.state.projects import Project, Recorded, StoredPage
from yanksync.state.unpublished import Awaiting, Sort
from yanksync.upstream.parsing import PageRules, of_every_page, parse_page
from yanksync.weigh import (
    Absent,
    Doubt,
    Found,
    Gone,
    Held,
    Keep,
    Missing,
    NotModified,
    Presence,
    Record,
    Stale,
    Want,
    unexplained_losses,
    weigh,
)

# What is held was read before, under the rules of that time; only the form is read again.
_STORED_RULES = PageRules(allow_http=True)
_OUTPUT = "https://output.invalid/"  # base of our own pages, whose links are absolute


class Batch(Struct):
    """What recording a batch leaves to do."""

    awaiting: list[Awaiting] = field(default_factory=list)  # pages to publish now
    pages: dict[int, Page] = field(default_factory=dict)  # theirs, by project id
    again: list[tuple[Fetched, str, bool]] = field(default_factory=list)  # (look, why, stale)


def page_of(name: NormalizedName, stored: StoredPage) -> Page:
    """Return the value of a stored page. Raises :class:`BadAnswer` when it cannot be read."""
    try:
        text = stored.text
    except zlib.error as error:
        raise BadAnswer(f"project {name}", f"what the state holds is damaged: {error}") from error
    return parse_page(
        text, stored.media, stored.url, name, _STORED_RULES, stored.header_serial
    ).page


def record(mirror: Mirror, fetched: Sequence[Fetched]) -> Batch:
    """Record a batch of answers; return the pages to publish and the looks to take again."""
    batch = Batch()
    recorder = _Recorder(mirror, batch)
    with mirror.state.transaction():
        rows = mirror.state.projects.get(one.look.name for one in fetched)
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

    def __init__(self, mirror: Mirror, batch: Batch) -> None:
        self._mirror = mirror
        self._state = mirror.state
        self._batch = batch
        self._now = mirror.now()
        meta = mirror.state.meta
        self._serials = meta.flag("serials")
        self._json = meta.flag("json")
        self._settled_to = meta.cursor if meta.text("journal") == JournalSource.XMLRPC else None

    def row(self, name: NormalizedName) -> Project:
        self._state.projects.add([(name, name)])
        return self._state.projects.get([name])[name]

    def take(self, one: Fetched, row: Project) -> None:
        self._mirror.tally.asked += 1
        answer = one.answer
        if isinstance(answer, Failed):
            self._batch.again.append((one, str(answer.error), False))
            self._state.pending.problem(row.name, str(answer.error))
            return
        for note in one.notes:
            if self._mirror.tally.tells(note if of_every_page(note) else f"{row.name} {note}"):
                log.warning("%s: %s", row.name, note, extra={"project": row.name})
        held = self._held(row, answer)
        want = Want(reach=None if one.look.sweep else one.look.reach, doubt=one.look.doubt)
        verdict = weigh(held, want, answer, serials=self._serials)
        if isinstance(verdict, Record):
            self._record(one, row, held, verdict)
        elif isinstance(verdict, Keep):
            self._keep(one, row)
        elif isinstance(verdict, Gone):
            self._gone(one, row, verdict)
        elif isinstance(verdict, Stale):
            self._batch.again.append((one, verdict.why, True))
            self._state.pending.problem(row.name, verdict.why)
        elif isinstance(verdict, Doubt):
            self._doubt(row, verdict)
        elif isinstance(verdict, Absent):
            self._unknown(row)

    def _unknown(self, row: Project) -> None:
        named = self._mirror.settings.mirror.selection.explicit or ()
        if row.presence is Presence.NEW and row.name in named:
            why = "upstream does not have it; is that its name in mirror.projects?"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})
        self._state.projects.set_unknown(row.name)
        self._state.pending.done(row.name)

    def _held(self, row: Project, answer: Found | NotModified | Missing) -> Held:
        page = None
        events: tuple[Event, ...] = ()
        if isinstance(answer, Missing):
            events = self._state.history.events(row.name, row.serial)
        elif isinstance(answer, Found) and row.presence is Presence.PRESENT:
            stored = self._state.projects.page(row.id)
            try:
                page = None if stored is None else page_of(row.name, stored)
            except BadAnswer as error:
                if self._mirror.tally.tells(f"unreadable {row.name}"):
                    why = (
                        f"the held page cannot be read: {error.problem}; upstream's takes its place"
                    )
                    log.error("%s: %s", row.name, why, extra={"project": row.name})
            events = self._state.history.events(row.name, row.serial)
        return Held(
            name=row.name,
            presence=row.presence,
            serial=row.serial,
            page=page,
            entry=row.entry,
            entry_serial=row.entry_serial,
            events=events,
            listed_at=row.listed_at,
            word=row.word,
        )

    def _due(self, name: str) -> float | None:
        return sweep_due(name, self._now, self._mirror.settings.upstream.sweep_days)

    def _record(self, one: Fetched, row: Project, held: Held, verdict: Record) -> None:
        page = verdict.page
        assert one.stored is not None
        reasons = reasons_of(page)
        id_ = self._state.projects.record(
            row.name,
            Recorded(
                serial=page.serial,
                quarantined=page.quarantined,
                yanked=len(reasons),
                etag=one.etag,
                checked=self._now,
                due=self._due(row.name),
                stored=one.stored,
            ),
        )
        self._remember(row, held, page, reasons)
        self._learn(one, page)
        sort = self._sort(row, held, verdict)
        self._state.unpublished.add(id_, sort, one.look.since or self._now)
        if sort is Sort.PAGE:
            self._batch.pages[id_] = page
        self._mirror.tally.recorded += 1
        self._state.pending.reached(row.name, page.serial)
        if not verdict.reached:
            why = f"the page is at serial {page.serial}, the journal at {one.look.reach}"
            self._state.pending.problem(row.name, why)
            self._batch.again.append((one, why, True))

    def _sort(self, row: Project, held: Held, verdict: Record) -> Sort:
        """Return what publishing the page would do, as the guards see it (R8, F11).

        While something of the project waits for a guard, the page is held against what stands in
        the output: news about it must not let through what a person has not seen.
        """
        page = verdict.page
        waiting = self._state.unpublished.sort(row.id)
        if waiting in (Sort.UNEXPLAINED, Sort.REHASHED):
            events = self._state.history.events(row.name, row.published_serial)
            stands = self._standing(row)
            if stands is None and row.published is not None:
                return waiting  # damaged or lost: nobody can tell any more that it is harmless
            held = replace(held, page=stands, events=events)
        if verdict.unexplained or (waiting is Sort.UNEXPLAINED and unexplained_losses(held, page)):
            return Sort.UNEXPLAINED
        if held.page is None or any(one.kind is Kind.REMOVE_PROJECT for one in held.events):
            return Sort.PAGE  # new, or another project of that name (G8)
        if late := latecomers(held.page, page):
            why = f"{_some(late)}: new on a release of more than two weeks ago"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})
        changed = rehashed(held.page, page)
        if changed and self._mirror.tally.tells(f"rehashed {row.name}"):
            why = (
                f"{_some(changed)}: the file has another hash than before; the page is held until "
                "a person approves it"
            )
            log.error("%s: %s", row.name, why, extra={"project": row.name})
        return Sort.REHASHED if changed else Sort.PAGE

    def _standing(self, row: Project) -> Page | None:
        """Return the page of a project that stands in the output; None when none can be read."""
        form = layout.V1_JSON
        try:
            body = self._mirror.store.read(row.name, form.filename)
            if body is None:
                return None
            stored = StoredPage(body=zlib.compress(body, 1), media=form.content_type, url=_OUTPUT)
            return page_of(row.name, stored)
        except (BadAnswer, PublishError):
            return None

    def _remember(
        self, row: Project, held: Held, page: Page, reasons: tuple[tuple[str, str], ...]
    ) -> None:
        """Keep for the history what this page showed (R6)."""
        changes: tuple[Change, ...] = ()
        low = row.serial
        if row.presence is Presence.PRESENT and held.page is not None:
            withdrawn = self._state.history.withdrawn(row.name, page.serial)
            changes = differences(held.page, page, withdrawn=withdrawn)
            low = -1 if row.serial is None else row.serial
        elif row.presence is Presence.GONE:
            changes = differences(None, page)
            low = -1 if row.serial is None else row.serial
        settled = self._settled_to is None or (
            page.serial is not None and page.serial <= self._settled_to
        )
        seen = Unsettled(low=low, high=page.serial, changes=changes, reasons=reasons)
        self._state.history.see(row.name, seen, self._now, settled=settled)

    def _learn(self, one: Fetched, page: Page) -> None:
        """Note what upstream is like: whether it gives serials (R3), whether it has JSON (R15)."""
        if page.serial is not None and not self._serials:
            self._serials = True
            self._state.meta.put(serials=1)
        if one.json and not self._json:
            self._json = True
            self._state.meta.put(json=1)
            self._mirror.upstream.json_only = True

    def _keep(self, one: Fetched, row: Project) -> None:
        if row.presence is Presence.PRESENT:
            self._state.projects.confirm(row.name, self._now, self._due(row.name))
        # Not simply done: the journal may have asked for more while the answer was under way (R2).
        self._state.pending.reached(row.name, row.serial)

    def _gone(self, one: Fetched, row: Project, verdict: Gone) -> None:
        if row.presence is Presence.PRESENT:
            tombstone = row.entry_serial if row.entry is Kind.REMOVE_PROJECT else row.serial
            if not verdict.explained and tombstone is not None:
                tombstone -= 1  # it may have been upstream's fault: then the same page comes back
            self._state.projects.remove(row.name, tombstone)
            sort = Sort.EXPLAINED if verdict.explained else Sort.UNEXPLAINED
            since = one.look.since or self._now
            self._state.unpublished.add(row.id, sort, since, approved=one.look.approved)
            if row.entry is not Kind.REMOVE_PROJECT:
                change = Change(action=Action.REMOVE)
                self._state.history.observe(row.name, (change,), self._now, low=row.serial)
        elif row.published is not None:  # adopted, and never seen at upstream: no history
            self._state.projects.remove(row.name, row.serial)
            self._state.unpublished.add(row.id, Sort.EXPLAINED, one.look.since or self._now)
        self._state.pending.done(row.name)

    def _doubt(self, row: Project, verdict: Doubt) -> None:
        why = f"{verdict.why}; it will be asked for again in a later pass"
        log.warning("%s: %s", row.name, why, extra={"project": row.name})
        self._state.pending.doubted(
            row.name, verdict.seen, verdict.why, self._mirror.run, self._now
        )
        self._state.projects.postpone(row.name, self._now + DAY)


def _some(names: Sequence[str]) -> str:
    """Return the first of ``names`` and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


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
