"""Takes over a tree that bandersnatch, shadowmire or a lost yanksync made.

Following begins exactly as in a first build. First yanksync asks for the journal's newest serial,
then it reads the list. Every listed project waits until its page reaches the list's serial. Then
right pages of the tree (:mod:`yanksync.adopt.page_trust`) are used in place of upstream's answers.
The ordinary steps record and publish them. So the next ``adopt`` continues one that died. The next
``sync`` does so, too, and fetches the rest.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

from yanksync.adopt.package_files import CopyAdoption
from yanksync.adopt.page_trust import (
    SampleVerdict,
    forms_in_directory,
    page_base,
    read_page,
    reason_to_fetch,
    written_by_us,
)
from yanksync.adopt.results import AdoptOutcome, AdoptResult, AdoptSummary
from yanksync.adopt.sample import fetch_sample
from yanksync.config.settings import JournalSource, YankedPolicy
from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer, PublishError, StateError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.formats.deflate import zlib_compress
from yanksync.core.model import Page, PublishedForms
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.project_state import Presence
from yanksync.core.rules.fetch_plan import DAY, FetchTask
from yanksync.core.rules.verdicts import PageFound
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import OURS, DirectoryContent, is_project_directory
from yanksync.output.reconcile import compressed_copies, published_forms
from yanksync.state.facts import Recovery
from yanksync.state.project_rows import ProjectRow, StoredPage
from yanksync.state.state import State
from yanksync.state.views.holds import count_held
from yanksync.sync import config_changes
from yanksync.sync.fetch import FetchResult
from yanksync.sync.follow.journal import read_changes
from yanksync.sync.follow.selection_change import apply_selection
from yanksync.sync.follow.source_choice import current_source
from yanksync.sync.policy.cutoff import advance_cutoff
from yanksync.sync.policy.rules import with_rules
from yanksync.sync.publish import publish
from yanksync.sync.published_page import render_forms, shown_page
from yanksync.sync.record import record
from yanksync.sync.removals import publish_backlog, report_held

BATCH = 200

Report = Callable[[AdoptResult], None]


def adopt_output(
    mirror: Mirror, report: Report, *, rate: int | None = None, dry_run: bool = False
) -> AdoptSummary:
    """Take over the pages in the output; return the counts.

    ``rate``: the most bytes of package files per second. With ``dry_run`` nothing is changed. The
    state must be empty, or belong to an interrupted adoption. Raises
    :class:`yanksync.core.errors.YanksyncError`.
    """
    _check_state(mirror.state)
    _check_tree(mirror)
    if not dry_run:
        mirror.store.prepare()
    with mirror.state.rolled_back() if dry_run else nullcontext():
        mirror = with_rules(mirror)
        _begin(mirror)
        mirror = advance_cutoff(mirror)
        adoption = _Adoption(mirror, report, rate, dry_run=dry_run)
        adoption.run()
    if not dry_run:
        publish_backlog(mirror)  # pages that a dead adoption has recorded
        mirror.state.facts.change(Recovery, adopting=None)
    report_held(mirror.totals)
    held = ExitCode.HELD if count_held(mirror.state) else ExitCode.DONE
    code = held if mirror.totals.problem is None else ExitCode.FAILED
    return AdoptSummary(exit_code=code, counts=adoption.counts, lacks=adoption.verdict.lacks)


def _check_state(state: State) -> None:
    written = state.facts.published_list.written
    if written is None and state.facts.recovery.adopting is not None:
        return
    known = (state.facts.cursor, state.facts.upstream_list.serial, written)
    if any(fact is not None for fact in known) or any(state.fetch_queue.counts()):
        raise StateError(
            str(state.path),
            "it belongs to a mirror already, and only an empty state can adopt a tree; use "
            "'yanksync verify --repair', or name another state",
        )


def _check_tree(mirror: Mirror) -> None:
    """Refuse a directory that is no tree of the Simple API."""
    output = str(mirror.settings.mirror.output)
    if not mirror.store.directory_content(None).exists:
        raise PublishError(output, f"there is no directory {layout.ROOT!r} in it, so no tree")
    for name in mirror.store.names():
        if len(name) > 1 or _holds_pages(mirror.store.directory_content(name)):
            continue
        for entry in mirror.store.directory_content(name).entries:
            inner = mirror.store.directory_content(f"{name}/{entry.name}")
            if inner.problem is None and _holds_pages(inner):
                raise PublishError(
                    output,
                    f"{layout.ROOT}/{name}/{entry.name}/ is a project: the tree was made with "
                    "hash-index, which is another layout. Begin with an empty output instead",
                )


def _holds_pages(content: DirectoryContent) -> bool:
    return bool(content.entries) and is_project_directory(content)


def _begin(mirror: Mirror) -> None:
    """Begin to follow upstream as a first build does.

    The mirror must catch up with the tree.
    """
    facts = mirror.state.facts
    if facts.recovery.adopting == _FOLLOWED:
        return
    config_changes.apply_policies(mirror)
    apply_selection(mirror)  # the output is still empty, so this removes nothing
    tree = mirror.store.published_list().serial
    source = current_source(mirror)
    if source is JournalSource.XMLRPC:
        _check_age(mirror, tree, mirror.upstream.last_serial())
    # Upstream that lacks serials could never catch up with the serials of the tree.
    facts.change(Recovery, adopting=_BEGUN, serial=0 if source is JournalSource.NONE else tree or 0)
    read_changes(mirror)
    if source is JournalSource.LISTING:
        _check_age(mirror, tree, facts.upstream_list.serial)
    facts.change(Recovery, adopting=_FOLLOWED)


_BEGUN, _FOLLOWED = 1, 2


def _check_age(mirror: Mirror, tree: int | None, upstream: int | None) -> None:
    """Refuse a tree that is newer than upstream.

    Such a tree was made from another upstream.
    """
    if tree is not None and tree > (upstream or 0):
        raise PublishError(
            str(mirror.settings.mirror.output),
            f"its list of projects is at serial {tree} and upstream only at {upstream}, so it was "
            "made of another upstream",
        )


class _Adoption:
    """Goes through the tree, directory by directory."""

    def __init__(self, mirror: Mirror, report: Report, rate: int | None, *, dry_run: bool) -> None:
        self.counts: Counter[AdoptOutcome] = Counter()
        self._mirror = mirror
        self._report = report
        self._dry_run = dry_run
        self._started = mirror.now()
        self._met: set[str] = set()
        # With explicit names no list is read that would say what upstream has.
        self._lists = (
            mirror.state.facts.source_choice.journal != JournalSource.NONE
            and mirror.settings.mirror.selection.explicit_names is None
        )
        self._omits = mirror.settings.mirror.yanked is YankedPolicy.OMIT
        self._hides = not mirror.offers.is_off
        self.verdict = SampleVerdict()
        self._files = (
            None
            if mirror.package_store is None
            else CopyAdoption(mirror, self._note_file, rate, dry_run=dry_run)
        )

    def run(self) -> None:
        """Check everything, and take over what is right."""
        self.verdict = fetch_sample(self._mirror)
        if self.verdict.problem is not None:
            log.warning("no page of the tree is trusted: %s", self.verdict.problem)
        self._report_foreign()
        self._mirror.progress.expect("reading the tree", sum(1 for _ in self._mirror.store.names()))
        names = self._mirror.store.names()
        while batch := list(islice(names, BATCH)):
            self._take(batch)
            self._mirror.progress.advance(len(batch))
        for name in self._mirror.state.projects.names(Presence.NEW):
            if name not in self._met:
                self._note(AdoptOutcome.MISSING, name)

    def _note(self, kind: AdoptOutcome, name: str, detail: str | None = None) -> None:
        self.counts[kind] += 1
        project = None if kind is AdoptOutcome.FOREIGN else name
        path = f"{layout.directory(name)}/"
        self._report(AdoptResult(kind=kind, project=project, path=path, detail=detail))

    def _note_file(self, kind: AdoptOutcome, name: str, path: str, detail: str | None) -> None:
        self.counts[kind] += 1
        self._report(AdoptResult(kind=kind, project=name, path=path, detail=detail))

    def _foreign(self, path: str) -> None:
        self.counts[AdoptOutcome.FOREIGN] += 1
        self._report(AdoptResult(kind=AdoptOutcome.FOREIGN, project=None, path=path))

    def _report_foreign(self) -> None:
        output = self._mirror.settings.mirror.output
        # a bucket has keys of others
        for path in foreign_paths(output) if isinstance(output, Path) else ():
            if self._files is None or path != f"{layout.PACKAGES}/":
                self._foreign(path)
        for entry in self._mirror.store.directory_content(None).entries:
            if entry.name not in OURS:
                self._foreign(f"{layout.ROOT}/{entry.name}")

    def _take(self, names: Sequence[str]) -> None:
        """Judge the directories ``names``, record those that are right, and publish them."""
        state = self._mirror.state
        rows = {str(name): row for name, row in state.projects.get(names).items()}
        required_serials = state.fetch_queue.required_serials(names)
        standing: list[tuple[NormalizedName, PublishedForms, int | None]] = []
        right: list[FetchResult] = []
        for raw, stands in zip(names, self._mirror.store.directory_contents(names), strict=True):
            name = normalize(raw)
            if name != raw or not (stands.problem or is_project_directory(stands)):
                why = "no normalised name, so nothing asks for it" if name != raw else None
                self._note(AdoptOutcome.FOREIGN, raw, why)
                continue
            self._met.add(name)
            for entry in stands.entries:
                if entry.name not in OURS and not entry.name.startswith("."):
                    self._foreign(f"{layout.directory(name)}/{entry.name}")
            if not self._mirror.settings.is_mirrored(name):
                self._note(AdoptOutcome.LEFT_OUT, name)
                continue
            row = rows.get(name)
            if row is not None and row.presence is not Presence.NEW:
                if row.presence is Presence.PRESENT:
                    self._note(AdoptOutcome.KEPT, name, "taken over before")
                continue
            required_serial = required_serials.get(name)
            result, serial, known = self._judge(name, row, required_serial, stands)
            if result is not None:
                right.append(result)
            standing.append((name, known, serial))
        if not self._dry_run:
            self._record(standing, right)

    def _judge(
        self,
        name: NormalizedName,
        row: ProjectRow | None,
        required_serial: int | None,
        stands: DirectoryContent,
    ) -> tuple[FetchResult | None, int | None, PublishedForms]:
        """Return the right page to take over, with serial and files."""
        known, store = forms_in_directory(stands), self._mirror.store
        if self._lists and required_serial is None:
            self._note(AdoptOutcome.GONE, name, "upstream's list does not have it")
            return None, self._serial(name), known
        try:
            body = None if stands.problem else store.read(name, layout.V1_JSON.filename)
            if body is None:
                self._note(AdoptOutcome.FETCH, name, stands.problem or "it has no JSON form")
                return None, None, known
            parsed = read_page(name, body, self.verdict, self._mirror.upstream.rules)
            in_html = store.read(name, layout.HTML.filename)
        except (InvalidAnswer, PublishError) as error:
            self._note(AdoptOutcome.FETCH, name, error.problem)
            return None, None, known
        page = parsed.page
        files = () if self._files is None else self._files.take(name, page)
        why = reason_to_fetch(parsed, in_html, required_serial, self.verdict)
        if why is None and self._omits and written_by_us(body):
            why = "its yanked files have been left out, if it has any"
        if why is None and self._hides and written_by_us(body):
            why = "its young files have been left out or marked, if it has any"
        if why is not None:
            self._note(AdoptOutcome.FETCH, name, why)
            return None, page.serial, known
        shown = shown_page(self._mirror, self._mirror.offers.offer(page).page)
        rendered = render_forms(self._mirror, shown, files)
        copies = compressed_copies(
            rendered, self._mirror.settings.mirror.compress, self._mirror.store.compress
        )
        right = published_forms(rendered, copies) == known
        self._note(AdoptOutcome.KEPT if right else AdoptOutcome.REWRITTEN, name)
        return self._fetched(name, required_serial, page, body), page.serial, known

    def _serial(self, name: NormalizedName) -> int | None:
        try:
            return self._mirror.store.serial(name)
        except PublishError:  # the file is removed anyway
            return None

    def _fetched(
        self, name: NormalizedName, required_serial: int | None, page: Page, body: bytes
    ) -> FetchResult:
        """Return a page of the tree as an answer without ETag."""
        stored = StoredPage(
            body=zlib_compress(body),
            content_type=layout.V1_JSON.content_type,
            url=page_base(name, self.verdict),
        )
        task = FetchTask(name=name, required_serial=required_serial, since=self._started)
        return FetchResult(task=task, answer=PageFound(page=page), stored=stored)

    def _record(
        self,
        standing: Sequence[tuple[NormalizedName, PublishedForms, int | None]],
        right: Sequence[FetchResult],
    ) -> None:
        """Record what is in the tree and which pages are right.

        Publishes the right pages.
        """
        state = self._mirror.state
        with state.transaction():
            state.projects.add((name, name) for name, _, _ in standing)
            rows = state.projects.get(name for name, _, _ in standing)
            state.publish_queue.mark_published(
                [(rows[name].id, forms, True, serial) for name, forms, serial in standing]
            )
            batch = record(self._mirror, right)
            for result in right:  # the recheck begins with these: it finds what the tree lacks
                state.projects.postpone(result.task.name, self._started + DAY)
        publish(self._mirror, batch.queued, batch.pages)


def foreign_paths(output: Path) -> Iterator[str]:
    """Yield the paths below ``output`` that are not pages."""
    try:
        with os.scandir(output) as entries:
            found = sorted(
                entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                for entry in entries
            )
    except OSError as error:
        raise PublishError(str(output), error.strerror or str(error)) from error
    return (name for name in found if name.rstrip("/") != layout.ROOT)
