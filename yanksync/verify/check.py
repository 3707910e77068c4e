"""``verify``: derives every page from the state again and holds it against the output.

It changes nothing; what it finds is mended by :mod:`yanksync.verify.repair`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from yanksync.core import layout
from yanksync.core.errors import BadAnswer, UpstreamError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import Action, Page, Published
from yanksync.core.names import NormalizedName, normalized
from yanksync.core.project_state import Presence
from yanksync.core.rules.fetch_plan import Look
from yanksync.core.rules.lost_files import with_lost
from yanksync.core.rules.page_diff import differences
from yanksync.core.rules.verdicts import Found, Missing
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror
from yanksync.output.comparison import DIFFERENCES, NOTES, Finding, Kind, compare
from yanksync.output.disk.inventory import digest_of
from yanksync.output.inventory import Standing, files_of, holds_ours
from yanksync.output.reconcile import Rendered, copies_of, published
from yanksync.state.project_rows import Project, copies_in
from yanksync.sync import config_changes
from yanksync.sync.fetch import Failed, Fetched, Question, fetch
from yanksync.sync.follow.selection_change import settle_selection
from yanksync.sync.publish_list import LIST_DIGESTS, list_forms, list_serial
from yanksync.sync.published_page import held_page, rendering_of, shown_page
from yanksync.verify.upstream_difference import described

BATCH = 500

Tell = Callable[[Finding], None]

_WITHDRAWALS = (Action.YANK, Action.REMOVE, Action.QUARANTINE)

UNREADABLE = "the state's page cannot be read"
"""What is told of a page that only upstream can bring back."""


@dataclass
class Checked:
    """What a check has come to."""

    projects: int = 0  # held against the output
    kinds: Counter[Kind] = field(default_factory=Counter)
    corrected: int = 0  # findings that a repair has put right
    uncorrected: int = 0  # those it has not

    @property
    def differences(self) -> int:
        """How much is not as it should be."""
        return sum(self.kinds[kind] for kind in DIFFERENCES)

    @property
    def unchecked(self) -> int:
        """How much could not be looked at."""
        return self.kinds[Kind.UNCHECKED]

    @property
    def notes(self) -> dict[str, int]:
        """How much there is to say beside that."""
        return {str(kind): self.kinds[kind] for kind in NOTES}


def verify(mirror: Mirror, tell: Tell, *, upstream: bool = False) -> tuple[Checked, ExitCode]:
    """Hold the output against the state, and with ``upstream`` the state against upstream.

    Everything found goes to ``tell``. Nothing is changed. Returns the counts and the exit code.
    Raises :class:`yanksync.core.errors.YanksyncError`.
    """
    checked = Checked()
    with mirror.state.rehearsal():
        config_changes.apply_policies(mirror)  # what it concerns is the next run's work
        mirror = settle_selection(mirror)
        for finding in check(mirror, checked, upstream=upstream):
            tell(finding)
    return checked, ExitCode.FAILED if checked.differences or checked.unchecked else ExitCode.DONE


def check(mirror: Mirror, checked: Checked, *, upstream: bool) -> Iterator[Finding]:
    """Yield everything that is found, and count it."""
    for part in (_projects(mirror, checked), check_list(mirror), _extras(mirror)):
        for finding in part:
            checked.kinds[finding.kind] += 1
            yield finding
    if upstream:
        for finding in _upstream(mirror):
            checked.kinds[finding.kind] += 1
            yield finding


def _batches(mirror: Mirror) -> Iterator[list[tuple[Project, bool, str | None]]]:
    """Yield all projects that are held or published: (row, is unpublished, why it is held)."""
    after = 0
    while rows := mirror.state.projects.after(after, BATCH):
        after = rows[-1].id
        waiting = mirror.state.unpublished.waiting([row.id for row in rows])
        yield [(row, row.id in waiting, waiting.get(row.id)) for row in rows]


def _projects(mirror: Mirror, checked: Checked) -> Iterator[Finding]:
    mirror.progress.expect("checking the output", mirror.state.projects.published())
    for batch in _batches(mirror):
        kept = mirror.state.unpublished.kept([row.id for row, _, held in batch if held is not None])
        looked = [
            row.name
            for row, waits, _ in batch
            if row.id in kept or (row.presence is Presence.PRESENT and not waits)
        ]
        standings = iter(mirror.store.standings(looked))
        for row, waits, held in batch:
            if waits:
                yield _waits(row.name, held)
                if row.id in kept:  # it must stand as it was published last
                    checked.projects += 1
                    wanted = {} if row.published is None else files_of(row.published)
                    yield from compare(row.name, wanted, next(standings))
            elif row.presence is Presence.PRESENT:
                checked.projects += 1
                yield from check_project(mirror, row, next(standings))
        mirror.progress.advance(len(batch))


def _waits(name: str, held: str | None) -> Finding:
    kind = Kind.UNPUBLISHED if held is None else Kind.HELD
    return Finding(kind=kind, project=name, path=f"{layout.directory(name)}/", detail=held)


def check_project(mirror: Mirror, row: Project, standing: Standing) -> Iterator[Finding]:
    """Yield how the files of a published project differ from what the state says."""
    lost = mirror.state.lost.one(row.id)
    for why in {one.held for one in lost if one.held is not None}:
        yield _waits(row.name, why)
    try:
        page = shown_page(row, with_lost(held_page(mirror, row), lost))
    except BadAnswer:
        path = f"{layout.directory(row.name)}/"
        yield Finding(kind=Kind.UNCHECKED, project=row.name, path=path, detail=UNREADABLE)
        return
    rendered = rendering_of(mirror, page)
    wanted = files_of(published(rendered, _copies(mirror, row, rendered, standing)))
    yield from compare(row.name, wanted, standing)


def _copies(mirror: Mirror, row: Project, rendered: Rendered, standing: Standing) -> list[str]:
    """Return the compressed copies that a page should have: those that were written with it.

    Nothing is compressed to compare it: another version of a library gives other bytes. Older
    releases noted a copy for every page; one that is missing and would save nothing is right.
    """
    section, stands = mirror.settings.mirror, row.published
    if stands is None or not stands.json:
        return list(copies_of(rendered, section.compress, mirror.store.compress))
    there = {seen.name for seen in standing.entries}
    known = [one for one in stands.copies if layout.copied(one)[1] in section.compress]
    missing = [one for one in known if one not in there]
    if missing:
        codecs = layout.codecs_of(missing)
        worth = copies_of(rendered, codecs, mirror.store.compress)
        known = [one for one in known if one not in missing or one in worth]
    return known


def check_list(mirror: Mirror) -> Iterator[Finding]:
    """Hold the list against the state: its serials against what was written, for they age."""
    meta = mirror.state.meta
    busy = meta.number("list_serial_writing") is not None or meta.moment("list_written") is None
    if busy or meta.flag("list_changed") or meta.number("tree_serial") is not None:
        path = f"{layout.directory(None)}/"
        yield Finding(kind=Kind.UNPUBLISHED, project=None, path=path)
        wanted: dict[str, bytes] = {}
    else:
        wanted = files_of(_listed(mirror))
    for finding in compare(None, wanted, mirror.store.standing(None)):
        if wanted or finding.kind is not Kind.EXTRA:
            yield finding


def _listed(mirror: Mirror) -> Published:
    meta = mirror.state.meta
    forms = list_forms(mirror, meta.number("list_serial_written"))
    aged = meta.flag("list_serials")
    digests = {}
    for form in forms:
        key = LIST_DIGESTS.get(form.filename)
        written = meta.text(key) if aged and key is not None else None
        digests[form.filename] = (
            digest_of(form.chunks()) if written is None else bytes.fromhex(written)
        )
    legacy = digests.get(layout.LEGACY.filename)
    written = meta.text("list_copies")
    if written is None:  # by an older release: a copy of each form
        written = " ".join(mirror.settings.mirror.compress)
    copies = copies_in(written, legacy=legacy is not None)
    return Published(
        digests[layout.V1_JSON.filename], digests[layout.HTML.filename], copies, legacy
    )


def _extras(mirror: Mirror) -> Iterator[Finding]:
    """Yield the directories that the state knows nothing of, and those that wait to go."""
    if not mirror.store.standing(None).there:
        return
    names = mirror.store.names()
    while batch := list(islice(names, BATCH)):
        rows = mirror.state.projects.get(batch)
        waiting = mirror.state.unpublished.waiting([row.id for row in rows.values()])
        known = {row.name: row for row in rows.values()}
        for name in batch:
            row = known.get(NormalizedName(name))
            if row is not None and row.id in waiting and row.published is None:
                if row.presence is not Presence.PRESENT:
                    yield _waits(name, waiting[row.id])
            elif row is None or (row.presence is not Presence.PRESENT and row.id not in waiting):
                yield _extra(name, mirror.store.standing(name))


def _extra(name: str, standing: Standing) -> Finding:
    path = f"{layout.directory(name)}/"
    if normalized(name) != name or (standing.problem is None and not holds_ours(standing)):
        return Finding(kind=Kind.FOREIGN, project=None, path=path)
    return Finding(kind=Kind.EXTRA, project=name, path=path)


def _upstream(mirror: Mirror) -> Iterator[Finding]:
    """Ask upstream for every page that is held, with its ETag, whether it is true."""
    mirror.progress.expect("asking upstream", mirror.state.projects.published())
    address = redacted(mirror.upstream.simple_url)
    for name in mirror.state.pending.without_page():
        why = "it was never fetched, and waits for that"
        yield Finding(kind=Kind.PENDING, project=name, path=f"{address}{name}/", detail=why)
    answered = 0
    try:
        for one in fetch(mirror.upstream, _questions(mirror), mirror.settings.upstream.workers):
            answered += 1
            yield from _answer(mirror, one, f"{address}{one.look.name}/")
            mirror.progress.advance(1)
    except UpstreamError as error:
        yield Finding(
            kind=Kind.UNCHECKED,
            project=None,
            path=address,
            detail=f"{error}; after {answered} answers, the other pages were not asked for",
        )


def _questions(mirror: Mirror) -> Iterator[Question]:
    """Yield what to ask; what waits to be published anyway is no news."""
    for batch in _batches(mirror):
        for row, waits, _ in batch:
            if not waits and row.presence is Presence.PRESENT:
                yield Question(Look(name=row.name), row.etag)


def _answer(mirror: Mirror, one: Fetched, path: str) -> Iterator[Finding]:
    kind, detail = _weighed(mirror, one)
    readable = not isinstance(one.answer, Failed) and detail != UNREADABLE
    if readable and mirror.state.pending.has(one.look.name):
        kind, detail = _waiting(mirror, one, detail)
    if kind is not None:
        yield Finding(kind=kind, project=one.look.name, path=path, detail=detail)


def _weighed(mirror: Mirror, one: Fetched) -> tuple[Kind | None, str | None]:
    answer = one.answer
    if isinstance(answer, Failed):
        return Kind.UNCHECKED, str(answer.error)
    if isinstance(answer, Missing):
        return Kind.UPSTREAM, "404"
    if not isinstance(answer, Found):
        return None, None  # 304
    (row,) = mirror.state.projects.get([one.look.name]).values()
    try:
        held = held_page(mirror, row)
    except BadAnswer:
        return Kind.UNCHECKED, UNREADABLE
    return _compared(answer.page, held, list_serial(mirror))


def _waiting(mirror: Mirror, one: Fetched, detail: str | None) -> tuple[Kind, str]:
    """Weigh a project that is to be asked for anyway: a withdrawal should not wait for that."""
    answer = one.answer
    if isinstance(answer, Found):
        (row,) = mirror.state.projects.get([one.look.name]).values()
        page, held = answer.page, held_page(mirror, row)
        old = page.serial is not None and held.serial is not None and page.serial < held.serial
        changes = () if old else differences(held, page)
        if any(change.action in _WITHDRAWALS for change in changes):
            what = described(held, page)
            return Kind.UPSTREAM, f"its page, which waits to be asked for, differs: {what}"
    return Kind.PENDING, detail or "it waits to be asked for"


def _compared(page: Page, held: Page, followed: int | None) -> tuple[Kind | None, str | None]:
    if page == held:
        return None, None
    if page.serial is not None and held.serial is not None and page.serial < held.serial:
        return Kind.UNCHECKED, f"an old page, of serial {page.serial}; {held.serial} is held"
    if page.serial is not None and followed is not None and page.serial > followed:
        return Kind.PENDING, f"at serial {page.serial}; upstream was followed to {followed}"
    return Kind.UPSTREAM, f"its page differs: {described(held, page)}"
