"""``adopt``: takes over, in place, a tree that bandersnatch, shadowmire or a lost yanksync made.

Following begins exactly as in a first build: where the journal stands is asked before the list is,
and every listed project waits to be asked for until its page reaches the list's serial. Then the
pages of the tree answer for those that they can answer for (:mod:`yanksync.adopt.page_trust`), in
place of upstream. They are recorded and published by the ordinary steps, so an adoption that died
is carried on by the next one, or by ``sync``, which asks for whatever is left.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

from yanksync.adopt.page_trust import (
    Ground,
    address,
    objection,
    read_page,
    stands_as,
    written_by_us,
)
from yanksync.adopt.results import Adopted, Fate, Kind
from yanksync.adopt.sample import sample
from yanksync.config.settings import JournalSource, YankedPolicy
from yanksync.core import layout
from yanksync.core.errors import BadAnswer, PublishError, StateError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.formats.deflate import packed
from yanksync.core.model import Page, Published
from yanksync.core.names import NormalizedName, normalized
from yanksync.core.project_state import Presence
from yanksync.core.rules.fetch_plan import DAY, Look
from yanksync.core.rules.verdicts import Found
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import Standing, holds_ours
from yanksync.output.reconcile import copies_of, published
from yanksync.state.project_rows import Project, StoredPage
from yanksync.state.views.holds import count_held
from yanksync.sync import config_changes
from yanksync.sync.fetch import Fetched
from yanksync.sync.follow.journal import follow
from yanksync.sync.follow.selection_change import settle_selection
from yanksync.sync.follow.source_choice import source_of
from yanksync.sync.publish import publish
from yanksync.sync.published_page import rendering_of
from yanksync.sync.record import record
from yanksync.sync.removals import finish, tell_held

BATCH = 200

Tell = Callable[[Fate], None]


def adopt(mirror: Mirror, tell: Tell, *, rehearse: bool = False) -> Adopted:
    """Take over what stands in the output; return what it came to.

    With ``rehearse`` nothing is changed. The state must be empty, or that of an adoption that was
    interrupted. Raises :class:`yanksync.core.errors.YanksyncError`.
    """
    _check_state(mirror)
    _check_tree(mirror)
    if not rehearse:
        mirror.store.prepare()
    with mirror.state.rehearsal() if rehearse else nullcontext():
        _begin(mirror)
        adoption = _Adoption(mirror, tell, rehearse=rehearse)
        adoption.run()
    if not rehearse:
        finish(mirror)  # what an adoption that died has recorded
        mirror.state.meta.put(adopting=None)
    tell_held(mirror)
    held = ExitCode.HELD if count_held(mirror.state) else ExitCode.DONE
    code = held if mirror.tally.problem is None else ExitCode.FAILED
    return Adopted(code=code, counts=adoption.counts, lacks=adoption.ground.lacks)


def _check_state(mirror: Mirror) -> None:
    state = mirror.state
    written = state.meta.moment("list_written")
    if written is None and state.meta.number("adopting") is not None:
        return
    known = (state.meta.cursor, state.meta.number("list_serial"), written)
    if any(fact is not None for fact in known) or any(state.pending.counts()):
        raise StateError(
            str(state.path),
            "it belongs to a mirror already, and only an empty state can adopt a tree; use "
            "'yanksync verify --repair', or name another state",
        )


def _check_tree(mirror: Mirror) -> None:
    """Refuse what is no tree of our layout, before anything is noted about it."""
    output = str(mirror.settings.mirror.output)
    if not mirror.store.standing(None).there:
        raise PublishError(output, f"there is no directory {layout.ROOT!r} in it, so no tree")
    for name in mirror.store.names():
        if len(name) > 1 or _holds_pages(mirror.store.standing(name)):
            continue
        for seen in mirror.store.standing(name).entries:
            inner = mirror.store.standing(f"{name}/{seen.name}")
            if inner.problem is None and _holds_pages(inner):
                raise PublishError(
                    output,
                    f"{layout.ROOT}/{name}/{seen.name}/ is a project: the tree was made with "
                    "hash-index, which is another layout. Begin with an empty output instead",
                )


def _holds_pages(standing: Standing) -> bool:
    return bool(standing.entries) and holds_ours(standing)


def _begin(mirror: Mirror) -> None:
    """Begin to follow upstream as a first build does; the tree is what is to be caught up with."""
    meta = mirror.state.meta
    if meta.number("adopting") == _FOLLOWED:
        return
    config_changes.apply_policies(mirror)
    settle_selection(mirror)  # nothing is published yet that it could leave out
    tree = mirror.store.list_stands().serial
    source = source_of(mirror)
    if source is JournalSource.XMLRPC:
        _check_age(mirror, tree, mirror.upstream.last_serial())
    # Without serials upstream could never catch up with those of the tree.
    meta.put(adopting=_BEGUN, tree_serial=0 if source is JournalSource.NONE else tree or 0)
    follow(mirror)
    if source is JournalSource.LISTING:
        _check_age(mirror, tree, meta.number("list_serial"))
    meta.put(adopting=_FOLLOWED)


_BEGUN, _FOLLOWED = 1, 2


def _check_age(mirror: Mirror, tree: int | None, upstream: int | None) -> None:
    """Refuse a tree that is newer than upstream: it was made of another one."""
    if tree is not None and tree > (upstream or 0):
        raise PublishError(
            str(mirror.settings.mirror.output),
            f"its list of projects is at serial {tree} and upstream only at {upstream}, so it was "
            "made of another upstream",
        )


class _Adoption:
    """Goes through the tree, directory by directory."""

    def __init__(self, mirror: Mirror, tell: Tell, *, rehearse: bool) -> None:
        self.counts: Counter[Kind] = Counter()
        self._mirror = mirror
        self._tell = tell
        self._rehearse = rehearse
        self._started = mirror.now()
        self._met: set[str] = set()
        # With names alone no list is read that would tell what upstream has.
        self._lists = (
            mirror.state.meta.text("journal") != JournalSource.NONE
            and mirror.settings.mirror.selection.explicit is None
        )
        self._omits = mirror.settings.mirror.yanked is YankedPolicy.OMIT
        self.ground = Ground()

    def run(self) -> None:
        """Look at everything, and take over what is right."""
        self.ground = sample(self._mirror)
        if self.ground.problem is not None:
            log.warning("no page of the tree is trusted: %s", self.ground.problem)
        self._tell_foreign()
        self._mirror.progress.expect("reading the tree", sum(1 for _ in self._mirror.store.names()))
        names = self._mirror.store.names()
        while batch := list(islice(names, BATCH)):
            self._take(batch)
            self._mirror.progress.advance(len(batch))
        for name in self._mirror.state.projects.names(Presence.NEW):
            if name not in self._met:
                self._note(Kind.MISSING, name)

    def _note(self, kind: Kind, name: str, detail: str | None = None) -> None:
        self.counts[kind] += 1
        project = None if kind is Kind.FOREIGN else name
        path = f"{layout.directory(name)}/"
        self._tell(Fate(kind=kind, project=project, path=path, detail=detail))

    def _foreign(self, path: str) -> None:
        self.counts[Kind.FOREIGN] += 1
        self._tell(Fate(kind=Kind.FOREIGN, project=None, path=path))

    def _tell_foreign(self) -> None:
        output = self._mirror.settings.mirror.output
        for path in beside(output) if isinstance(output, Path) else ():  # a bucket has others' keys
            self._foreign(path)
        for seen in self._mirror.store.standing(None).entries:
            if seen.name not in layout.filenames():
                self._foreign(f"{layout.ROOT}/{seen.name}")

    def _take(self, names: Sequence[str]) -> None:
        """Judge the directories ``names``, record those that are right, and publish them."""
        state = self._mirror.state
        rows = {str(name): row for name, row in state.projects.get(names).items()}
        reaches = state.pending.reaches(names)
        standing: list[tuple[NormalizedName, Published, int | None]] = []
        right: list[Fetched] = []
        for raw, stands in zip(names, self._mirror.store.standings(names), strict=True):
            name = normalized(raw)
            if name != raw or not (stands.problem or holds_ours(stands)):
                why = "no normalised name, so nothing asks for it" if name != raw else None
                self._note(Kind.FOREIGN, raw, why)
                continue
            self._met.add(name)
            for seen in stands.entries:
                if seen.name not in layout.filenames() and not seen.name.startswith("."):
                    self._foreign(f"{layout.directory(name)}/{seen.name}")
            if not self._mirror.settings.mirrors(name):
                self._note(Kind.LEFT_OUT, name)
                continue
            row = rows.get(name)
            if row is not None and row.presence is not Presence.NEW:
                if row.presence is Presence.PRESENT:
                    self._note(Kind.KEPT, name, "taken over before")
                continue
            reach = reaches.get(name)
            one, serial, known = self._judge(name, row, reach, stands)
            if one is not None:
                right.append(one)
            standing.append((name, known, serial))
        if not self._rehearse:
            self._record(standing, right)

    def _judge(
        self, name: NormalizedName, row: Project | None, reach: int | None, stands: Standing
    ) -> tuple[Fetched | None, int | None, Published]:
        """Return the page to take over if it is right, its serial, and what stands there."""
        known, store = stands_as(stands), self._mirror.store
        if self._lists and reach is None:
            self._note(Kind.GONE, name, "upstream's list does not have it")
            return None, self._serial(name), known
        try:
            body = None if stands.problem else store.read(name, layout.V1_JSON.filename)
            if body is None:
                self._note(Kind.FETCH, name, stands.problem or "it has no JSON form")
                return None, None, known
            parsed = read_page(name, body, self.ground, self._mirror.upstream.rules)
            in_html = store.read(name, layout.HTML.filename)
        except (BadAnswer, PublishError) as error:
            self._note(Kind.FETCH, name, error.problem)
            return None, None, known
        page = parsed.page
        why = objection(parsed, in_html, reach, self.ground)
        if why is None and self._omits and written_by_us(body):
            why = "its yanked files have been left out, if it has any"
        if why is not None:
            self._note(Kind.FETCH, name, why)
            return None, page.serial, known
        rendered = rendering_of(self._mirror, page)
        copies = copies_of(
            rendered, self._mirror.settings.mirror.compress, self._mirror.store.compress
        )
        right = published(rendered, copies) == known
        self._note(Kind.KEPT if right else Kind.REWRITTEN, name)
        return self._fetched(name, reach, page, body), page.serial, known

    def _serial(self, name: NormalizedName) -> int | None:
        try:
            return self._mirror.store.serial(name)
        except PublishError:  # whatever it is, it goes
            return None

    def _fetched(self, name: NormalizedName, reach: int | None, page: Page, body: bytes) -> Fetched:
        """Return a page of the tree as if upstream had answered with it, by no ETag."""
        stored = StoredPage(
            body=packed(body),
            media=layout.V1_JSON.content_type,
            url=address(name, self.ground),
        )
        look = Look(name=name, reach=reach, since=self._started)
        return Fetched(look=look, answer=Found(page=page), stored=stored)

    def _record(
        self,
        standing: Sequence[tuple[NormalizedName, Published, int | None]],
        right: Sequence[Fetched],
    ) -> None:
        """Remember what stands in the tree, and the pages that are right; publish those."""
        state = self._mirror.state
        with state.transaction():
            state.projects.add((name, name) for name, _, _ in standing)
            rows = state.projects.get(name for name, _, _ in standing)
            state.unpublished.finish(
                [(rows[name].id, stands, True, serial) for name, stands, serial in standing]
            )
            batch = record(self._mirror, right)
            for one in right:  # the sweep begins with them: it finds what the tree never said
                state.projects.postpone(one.look.name, self._started + DAY)
        publish(self._mirror, batch.awaiting, batch.pages)


def beside(output: Path) -> Iterator[str]:
    """Yield what stands in ``output`` beside the pages, as paths below it."""
    try:
        with os.scandir(output) as entries:
            found = sorted(
                entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                for entry in entries
            )
    except OSError as error:
        raise PublishError(str(output), error.strerror or str(error)) from error
    return (name for name in found if name.rstrip("/") != layout.ROOT)
