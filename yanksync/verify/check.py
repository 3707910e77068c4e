"""Compares the output with every page as it follows from the state.

This module changes nothing; :mod:`yanksync.verify.repair` repairs what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer, UpstreamError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import HistoryAction, Page, PublishedForms
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.copies import PackageFile
from yanksync.core.project_state import Presence
from yanksync.core.rules.fetch_plan import FetchTask
from yanksync.core.rules.lost_file import LostFile
from yanksync.core.rules.lost_files import page_with_lost_files
from yanksync.core.rules.page_diff import diff_pages
from yanksync.core.rules.verdicts import PageFound, PageMissing
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror
from yanksync.output.comparison import (
    Finding,
    FindingKind,
    compare_directory,
    unexpected_directory,
)
from yanksync.output.digests import digest_of
from yanksync.output.inventory import DirectoryContent, expected_files
from yanksync.output.reconcile import RenderedForms, compressed_copies, published_forms
from yanksync.state.policy.file_times import NO_ROW
from yanksync.state.project_rows import ProjectRow, copies_in
from yanksync.state.state import State
from yanksync.sync import config_changes
from yanksync.sync.fetch import FetchFailure, FetchResult, PageRequest, fetch
from yanksync.sync.follow.selection_change import apply_selection
from yanksync.sync.package_files.copies import copies_of
from yanksync.sync.policy.rules import with_recorded_rules
from yanksync.sync.publish_list import list_forms
from yanksync.sync.published_page import (
    page_with_kept,
    published_part,
    recorded_page,
    render_forms,
    shown_page,
    visible_page,
)
from yanksync.verify.summary import CheckSummary, FileCheck
from yanksync.verify.upstream_difference import described
from yanksync.verify.withdrawals import check_withdrawals

BATCH = 500

Report = Callable[[Finding], None]

_WITHDRAWALS = (HistoryAction.YANK, HistoryAction.REMOVE, HistoryAction.QUARANTINE)

SIZES = FileCheck()
"""A check of the sizes of package files."""

_ALL = -1  # withdrawals: no limit

UNREADABLE = "the state's page cannot be read"
"""What is reported of a page that only upstream can bring back."""


def verify_output(
    mirror: Mirror, report: Report, files: FileCheck = SIZES, *, upstream: bool = False
) -> tuple[CheckSummary, ExitCode]:
    """Compare the output with the state.

    With ``upstream`` also compare the state with upstream.

    Everything found goes to ``report``. Nothing is changed, but altered package files are taken
    out of service. Returns the counts and the exit code. Raises
    :class:`yanksync.core.errors.YanksyncError`.
    """
    summary = CheckSummary()
    mirror = with_recorded_rules(mirror)
    with mirror.state.rolled_back():
        recorded = mirror
        config_changes.apply_policies(mirror)  # the next run publishes the pages that this concerns
        mirror = apply_selection(mirror)
        for finding in check(mirror, summary, upstream=upstream):
            report(finding)
    for finding in check_copies(recorded, files, summary):
        report(finding)
    return summary, ExitCode.FAILED if summary.differences or summary.unchecked else ExitCode.DONE


def check(mirror: Mirror, summary: CheckSummary, *, upstream: bool) -> Iterator[Finding]:
    """Yield everything that is found, and count it."""
    parts = (_projects(mirror, summary), check_list(mirror), _extras(mirror))
    for part in (*parts, check_withdrawals(mirror), _deleted_index(mirror)):
        for finding in part:
            summary.kinds[finding.kind] += 1
            yield finding
    if upstream:
        for finding in _upstream(mirror):
            summary.kinds[finding.kind] += 1
            yield finding


def check_copies(mirror: Mirror, files: FileCheck, summary: CheckSummary) -> Iterator[Finding]:
    """Yield what is found about package files, and count it.

    Use it outside of transactions.
    """
    if mirror.package_store is None:
        return
    from yanksync.verify.package_files import check_files  # start-up: few mirrors copy files

    for finding in check_files(mirror, files, summary):
        summary.kinds[finding.kind] += 1
        yield finding


def _deleted_index(mirror: Mirror) -> Iterator[Finding]:
    if mirror.settings.files.deleted_index or mirror.state.facts.config.deleted_index:
        from yanksync.verify.deleted_index import (
            check_deleted_index,  # start-up: few mirrors have one
        )

        yield from check_deleted_index(mirror)


def _batches(state: State) -> Iterator[list[tuple[ProjectRow, bool, str | None]]]:
    """Yield all projects that are held or published.

    Each comes as: row, whether it is unpublished, why it is held.
    """
    after = 0
    while rows := state.projects.next_batch(after, BATCH):
        after = rows[-1].id
        waiting = state.publish_queue.waiting([row.id for row in rows])
        yield [(row, row.id in waiting, waiting.get(row.id)) for row in rows]


def _projects(mirror: Mirror, summary: CheckSummary) -> Iterator[Finding]:
    mirror.progress.expect("checking the output", mirror.state.projects.published())
    withdrawn = _withdrawn(mirror.state)
    for batch in _batches(mirror.state):
        kept = mirror.state.publish_queue.held_with_known_digests(
            [row.id for row, _, held in batch if held is not None]
        )
        looked = [
            row.name
            for row, waits, _ in batch
            if row.id in kept or (_is_published(row) and not waits)
        ]
        contents = iter(mirror.store.directory_contents(looked))
        for row, waits, held in batch:
            if waits and row.name in withdrawn:
                path = f"{layout.directory(row.name)}/"
                yield Finding(
                    kind=FindingKind.WITHDRAWN,
                    project=row.name,
                    path=path,
                    detail=withdrawn[row.name],
                )
            elif waits:
                yield _waits(row.name, held)
                if row.id in kept:  # the output must still have what was published last
                    summary.projects += 1
                    wanted = {} if row.published is None else expected_files(row.published)
                    yield from compare_directory(row.name, wanted, next(contents))
            elif _is_published(row):
                summary.projects += 1
                yield from check_project(mirror, row, next(contents))
        mirror.progress.advance(len(batch))


def _withdrawn(state: State) -> dict[str, str]:
    """Return the withdrawals that the newest pass could not publish, by project."""
    error = state.runs.last_error()
    problem = None if error is None else error.problem
    found = state.unpublished_withdrawals.read(problem, _ALL)
    return {one.project: str(one) for one in found}


def _is_published(row: ProjectRow) -> bool:
    """Return True if a page should be there.

    It is upstream's page, or one with kept files that upstream no longer has.
    """
    if row.presence is Presence.REMOVED:
        return row.published is not None
    return row.presence is Presence.PRESENT


def _waits(name: str, held: str | None) -> Finding:
    kind = FindingKind.UNPUBLISHED if held is None else FindingKind.HELD
    return Finding(kind=kind, project=name, path=f"{layout.directory(name)}/", detail=held)


def check_project(mirror: Mirror, row: ProjectRow, content: DirectoryContent) -> Iterator[Finding]:
    """Yield the differences between a project's files and the state."""
    lost = mirror.state.lost_files.one(row.id)
    for why in {one.held for one in lost if one.held is not None}:
        yield _waits(row.name, why)
    gone = row.presence is Presence.REMOVED
    try:
        page = None if gone else _visible(mirror, row, lost)
    except InvalidAnswer:
        path = f"{layout.directory(row.name)}/"
        yield Finding(kind=FindingKind.UNCHECKED, project=row.name, path=path, detail=UNREADABLE)
        return
    copies = copies_of(mirror, [row.name]).get(row.name, ())
    wanted = {}
    if (shown := _published(mirror, row, page, copies)) is not None:
        rendered = render_forms(mirror, shown, copies)
        wanted = expected_files(published_forms(rendered, _copies(mirror, row, rendered, content)))
    yield from compare_directory(row.name, wanted, content)


def _visible(mirror: Mirror, row: ProjectRow, lost: Sequence[LostFile]) -> Page:
    return visible_page(row, page_with_lost_files(recorded_page(mirror, row), lost))


def _published(
    mirror: Mirror, row: ProjectRow, page: Page | None, copies: Sequence[PackageFile]
) -> Page | None:
    """Return what should be published of a project."""
    judged = page_with_kept(row, page, copies)
    if judged is None:
        return None
    times = mirror.state.file_times.get([row.id]).get(row.id, NO_ROW).times
    shown = shown_page(mirror, mirror.offers.offer(judged, times).page)
    return published_part(mirror, page, shown, copies)


def _copies(
    mirror: Mirror, row: ProjectRow, rendered: RenderedForms, content: DirectoryContent
) -> list[str]:
    """Return the compressed copies that a page should have.

    These are the copies that were written with it. No page is compressed again to compare it,
    because another version of a library gives other bytes. Older releases noted a copy for every
    page, so a missing copy that would save nothing is right.
    """
    section, forms = mirror.settings.mirror, row.published
    if forms is None or not forms.is_known:
        return list(compressed_copies(rendered, section.compress, mirror.store.compress))
    there = {entry.name for entry in content.entries}
    known = [one for one in forms.copies if layout.split_copy_name(one)[1] in section.compress]
    missing = [one for one in known if one not in there]
    if missing:
        codecs = layout.codecs_of(missing)
        worth = compressed_copies(rendered, codecs, mirror.store.compress)
        known = [one for one in known if one not in missing or one in worth]
    return known


def check_list(mirror: Mirror) -> Iterator[Finding]:
    """Compare the list of projects with the state.

    Its serials are compared with those that were written, because later runs may know newer ones.
    """
    facts = mirror.state.facts
    ours = facts.published_list
    busy = ours.serial_writing is not None or ours.written is None
    if busy or ours.changed or facts.recovery.serial is not None:
        path = f"{layout.directory(None)}/"
        yield Finding(kind=FindingKind.UNPUBLISHED, project=None, path=path)
        wanted: dict[str, bytes] = {}
    else:
        wanted = expected_files(_listed(mirror))
    for finding in compare_directory(None, wanted, mirror.store.directory_content(None)):
        if wanted or finding.kind is not FindingKind.EXTRA:
            yield finding


def _listed(mirror: Mirror) -> PublishedForms:
    ours = mirror.state.facts.published_list
    known = {layout.V1_JSON.filename: ours.json, layout.LEGACY.filename: ours.legacy}
    digests = {}
    for form in list_forms(mirror, ours.serial_written):
        written = known.get(form.filename) if ours.serials else None
        digests[form.filename] = (
            digest_of(form.chunks()) if written is None else bytes.fromhex(written)
        )
    legacy = digests.get(layout.LEGACY.filename)
    written = ours.copies
    if written is None:  # an older release wrote a copy of each form
        written = " ".join(mirror.settings.mirror.compress)
    copies = copies_in(written, legacy=legacy is not None)
    return PublishedForms(
        digests[layout.V1_JSON.filename], digests[layout.HTML.filename], copies, legacy
    )


def _extras(mirror: Mirror) -> Iterator[Finding]:
    """Yield unknown directories, and those that wait to go."""
    if not mirror.store.directory_content(None).exists:
        return
    names = mirror.store.names()
    while batch := list(islice(names, BATCH)):
        rows = mirror.state.projects.get(batch)
        waiting = mirror.state.publish_queue.waiting([row.id for row in rows.values()])
        known = {row.name: row for row in rows.values()}
        for name in batch:
            row = known.get(NormalizedName(name))
            if row is not None and row.id in waiting and row.published is None:
                if row.presence is not Presence.PRESENT:
                    yield _waits(name, waiting[row.id])
            elif row is None or (not _is_published(row) and row.id not in waiting):
                yield unexpected_directory(name, mirror.store.directory_content(name))


def _upstream(mirror: Mirror) -> Iterator[Finding]:
    """Ask upstream whether each held page is still true."""
    mirror.progress.expect("asking upstream", mirror.state.projects.published())
    address = redacted(mirror.upstream.simple_url)
    for name in mirror.state.fetch_queue.without_page():
        why = "it was never fetched, and waits for that"
        yield Finding(kind=FindingKind.PENDING, project=name, path=f"{address}{name}/", detail=why)
    answered = 0
    try:
        for result in fetch(mirror.upstream, _questions(mirror), mirror.settings.upstream.workers):
            answered += 1
            yield from _answer(mirror, result, f"{address}{result.task.name}/")
            mirror.progress.advance(1)
    except UpstreamError as error:
        yield Finding(
            kind=FindingKind.UNCHECKED,
            project=None,
            path=address,
            detail=f"{error}; after {answered} answers, the other pages were not asked for",
        )


def _questions(mirror: Mirror) -> Iterator[PageRequest]:
    """Yield what to ask.

    A project that waits to be published anyway is left out.
    """
    for batch in _batches(mirror.state):
        for row, waits, _ in batch:
            if not waits and row.presence is Presence.PRESENT:
                yield PageRequest(FetchTask(name=row.name), row.etag)


def _answer(mirror: Mirror, result: FetchResult, path: str) -> Iterator[Finding]:
    kind, detail = _judged(mirror, result)
    readable = not isinstance(result.answer, FetchFailure) and detail != UNREADABLE
    if readable and mirror.state.fetch_queue.has(result.task.name):
        kind, detail = _waiting(mirror, result, detail)
    if kind is not None:
        yield Finding(kind=kind, project=result.task.name, path=path, detail=detail)


def _judged(mirror: Mirror, result: FetchResult) -> tuple[FindingKind | None, str | None]:
    answer = result.answer
    if isinstance(answer, FetchFailure):
        return FindingKind.UNCHECKED, str(answer.error)
    if isinstance(answer, PageMissing):
        return FindingKind.UPSTREAM, "404"
    if not isinstance(answer, PageFound):
        return None, None  # 304
    (row,) = mirror.state.projects.get([result.task.name]).values()
    try:
        held = recorded_page(mirror, row)
    except InvalidAnswer:
        return FindingKind.UNCHECKED, UNREADABLE
    return _compared(answer.page, held, mirror.state.facts.followed_serial)


def _waiting(mirror: Mirror, result: FetchResult, detail: str | None) -> tuple[FindingKind, str]:
    """Judge a project whose page will be fetched anyway.

    The fetch may be a while away, and a withdrawal should not wait for it.
    """
    answer = result.answer
    if isinstance(answer, PageFound):
        (row,) = mirror.state.projects.get([result.task.name]).values()
        page, held = answer.page, recorded_page(mirror, row)
        old = page.serial is not None and held.serial is not None and page.serial < held.serial
        changes = () if old else diff_pages(held, page)
        if any(change.action in _WITHDRAWALS for change in changes):
            what = described(held, page)
            return FindingKind.UPSTREAM, f"its page, which waits to be asked for, differs: {what}"
    return FindingKind.PENDING, detail or "it waits to be asked for"


def _compared(
    page: Page, held: Page, followed: int | None
) -> tuple[FindingKind | None, str | None]:
    if page == held:
        return None, None
    if page.serial is not None and held.serial is not None and page.serial < held.serial:
        return FindingKind.UNCHECKED, f"an old page, of serial {page.serial}; {held.serial} is held"
    if page.serial is not None and followed is not None and page.serial > followed:
        return FindingKind.PENDING, f"at serial {page.serial}; upstream was followed to {followed}"
    return FindingKind.UPSTREAM, f"its page differs: {described(held, page)}"
