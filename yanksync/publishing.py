"""Stages 5 to 8: judge, render, publish, mark published.

Rendering starts from the recorded page and the configuration alone, so that a step that died can be
done again by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from msgspec import Struct
from msgspec.structs import replace

from yanksync.errors import BadAnswer, PublishError
from yanksync.guards import Removals, judge
from yanksync.mirror import Mirror, log
from yanksync.model import Page, Published
from yanksync.publish import layout
from yanksync.publish.compress import compress
from yanksync.publish.reconcile import Work, published, reconcile
from yanksync.showing import held_page, rendering_of, shown_page
from yanksync.state.meta import OTHER_ERA
from yanksync.state.outbox import LEGACY
from yanksync.state.projects import Project
from yanksync.state.unpublished import REHASHED, Awaiting, Sort
from yanksync.weigh import Presence

BATCH = 500
_JUDGED = (Sort.EXPLAINED, Sort.UNEXPLAINED, Sort.REHASHED)
_IN_A_ROW = 4  # pages in the output that cannot be read, one after the other: none can be
_RENDERERS = 2  # compression lets go of the interpreter's lock; rendering does not

Wanted = tuple[Awaiting, Project, Page | None]


def finish(mirror: Mirror) -> None:
    """Publish what is recorded and not published yet: pages, then removals that no guard holds."""
    after = 0
    while not mirror.stopping() and (awaiting := mirror.state.unpublished.take(BATCH, after)):
        after = awaiting[-1].id
        publish(mirror, [one for one in awaiting if one.sort not in _JUDGED])
    withdraw(mirror)


def withdraw(mirror: Mirror) -> None:
    """Publish what the journal's word has quarantined; then judge the removals that wait (R8).

    A page on which a file has another hash than before waits for a person in any case (F11).

    Those that are let through are published. Nobody waits for a page to withdraw what a guard
    does not hold (R9).
    """
    state, tally = mirror.state, mirror.tally
    publish(mirror, state.unpublished.words())
    with state.transaction():
        waiting = state.unpublished.removals()
        rehashed = state.unpublished.rehashed()
        if waiting == Removals(0, 0) and not rehashed and not state.unpublished.approved():
            return
        judgement = judge(
            Removals(waiting.explained + tally.explained, waiting.unexplained + tally.unexplained),
            state.projects.published() + tally.removed,
        )
        state.unpublished.hold(judgement, mirror.now())
    alarm = f"{rehashed} pages on which {REHASHED}" if rehashed else None
    for why in (judgement.explained, judgement.unexplained, alarm):
        if why is not None and mirror.tally.tells(why):
            log.error("held: %s; see 'yanksync holds'", why)
    after = 0
    while awaiting := state.unpublished.take(BATCH, after):
        after = awaiting[-1].id
        removals = [one for one in awaiting if one.sort in _JUDGED]
        publish(mirror, removals)
        judged = [one.sort for one in removals if not one.approved]
        tally.explained += judged.count(Sort.EXPLAINED)
        tally.unexplained += judged.count(Sort.UNEXPLAINED)


def publish(
    mirror: Mirror, awaiting: Sequence[Awaiting], pages: Mapping[int, Page] | None = None
) -> None:
    """Bring these projects' files to what the state says, and note that they are.

    ``pages`` are those that are at hand; the others are read from the state. Raises
    :class:`PublishError` or :class:`StateError`; what was not noted as published stays unpublished.
    """
    if awaiting:
        if pages is None:
            with mirror.state.transaction():
                mirror.state.unpublished.begin(one.id for one in awaiting)
        _note(mirror, _apply(mirror, _gather(mirror, awaiting, pages or {})))


class Publisher:
    """Publishes one batch in a thread of its own while the next is fetched.

    The state is used in the caller's thread alone: before (:meth:`begin`) and after
    (:meth:`settle`). Nothing may be recorded between the two, or it would be taken for published.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._under_way: Future[_Outcome] | None = None

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def begin(self, awaiting: Sequence[Awaiting], pages: Mapping[int, Page]) -> None:
        """Begin to publish these projects, whose writing is noted as begun already."""
        if awaiting:
            wanted = _gather(self._mirror, awaiting, pages)
            self._under_way = self._pool.submit(_apply, self._mirror, wanted)

    def settle(self) -> None:
        """Wait for what is under way and note what stands in the output now.

        Raises what :func:`publish` raises.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            _note(self._mirror, under_way.result())


class _Rendering(Struct, frozen=True):
    """One project, as it is published."""

    one: Awaiting
    row: Project
    work: Work | None  # None: the output stands as it should
    stands: Published | None  # what stands there once the work is done; None: nothing


class _Outcome(Struct, frozen=True):
    """What came of a batch."""

    renderings: list[_Rendering]
    failures: dict[str, str]  # by project: why its files could not be brought to what they should
    fatal: bool  # nothing could be written, and nothing more can


def _gather(
    mirror: Mirror, awaiting: Sequence[Awaiting], pages: Mapping[int, Page]
) -> list[Wanted]:
    """Read from the state what publishing needs of it."""
    rows = {row.id: row for row in mirror.state.projects.by_id([one.id for one in awaiting])}
    wanted = list(_wanted(mirror, awaiting, rows, pages))
    tree = mirror.state.meta.number("tree_serial")
    if tree is not None:
        known = wanted if tree == OTHER_ERA else _not_below(mirror, wanted, pages)
        wanted = list(map(_distrusted, known))
    if mirror.fence is not None:
        mirror.fence.load(mirror.state, [row.name for _, row, _ in wanted])
    return wanted


def _distrusted(wanted: Wanted) -> Wanted:
    """Where nothing is known of what stands, anything may: a stale sibling, too (R12)."""
    one, row, page = wanted
    known = row.published is not None and row.published.json
    return wanted if known else (replace(one, dirty=True), row, page)


def _apply(mirror: Mirror, wanted: Sequence[Wanted]) -> _Outcome:
    """Render and write; touches the output and nothing else."""
    renderings = _render_all(mirror, wanted)
    works = [rendering.work for rendering in renderings if rendering.work is not None]
    failures = mirror.store.apply(works)
    fatal = len(failures) == len(renderings) and any(failure.fatal for failure in failures)
    return _Outcome(renderings, {failure.name: failure.why for failure in failures}, fatal)


def _note(mirror: Mirror, outcome: _Outcome) -> None:
    """Commit what stands in the output now; its files are on stable storage already."""
    _mark(mirror, outcome)
    if outcome.failures:
        tell_failures(mirror, outcome.failures, fatal=outcome.fatal)


def tell_failures(mirror: Mirror, failures: Mapping[str, str], *, fatal: bool) -> None:
    """Tell of projects that could not be published, each once in a pass; others never wait.

    Raises :class:`PublishError` instead where there is no point in more: the disk is full.
    """
    name, why = next(iter(failures.items()))
    error = PublishError(layout.directory(name), f"{why} ({len(failures)} not published)")
    if fatal:
        raise error
    mirror.tally.causes[error.cause] += len(failures)
    mirror.tally.problem = mirror.tally.problem or str(error)
    for name, why in failures.items():
        if mirror.tally.tells(f"unpublished {name}"):
            log.error(
                "%s: not published: %s; the next run tries again",
                name,
                why,
                extra={"project": name},
            )


def _wanted(
    mirror: Mirror,
    awaiting: Sequence[Awaiting],
    rows: Mapping[int, Project],
    pages: Mapping[int, Page],
) -> Iterator[Wanted]:
    """Yield what is to be published of each project; one that cannot be read stops nobody else."""
    for one in awaiting:
        row = rows[one.id]
        try:
            yield one, row, _page(mirror, one, row, pages)
        except BadAnswer as error:
            if mirror.tally.tells(f"unreadable {row.name}"):
                why = f"the held page cannot be read: {error.problem}; it is fetched again"
                log.error("%s: %s", row.name, why, extra={"project": row.name})
            mirror.state.unpublished.problem(one.id, str(error))
            mirror.state.pending.mark(row.name, row.serial, mirror.now(), forced=True)


def _page(mirror: Mirror, one: Awaiting, row: Project, pages: Mapping[int, Page]) -> Page | None:
    """Return the page to publish; None when the project is to go."""
    if row.presence is not Presence.PRESENT or one.sort is Sort.EXCLUDED:
        return None
    return shown_page(row, pages.get(one.id) or held_page(mirror, row))


def _not_below(mirror: Mirror, wanted: Sequence[Wanted], fresh: Container[int]) -> list[Wanted]:
    """Leave out what the output has a later page of, and that of which nobody can say.

    Upstream is asked for these: until it has answered, the state does not count as caught up. The
    pages of the projects in ``fresh`` are its answers already. Raises :class:`PublishError` when
    object storage lets nothing be read any more: each look at it may take minutes.
    """
    remote = not isinstance(mirror.settings.mirror.output, Path)
    known = {one[1].name: serial for one in wanted if (serial := _known(one)) is not None}
    later: dict[str, int] = {}
    unread: dict[str, str] = {}
    in_a_row = 0
    for name, stands in zip(known, mirror.store.serials(list(known)), strict=True):
        if isinstance(stands, PublishError):
            in_a_row += 1
            if remote and in_a_row == _IN_A_ROW:
                raise stands
            unread[name] = str(stands)
            continue
        in_a_row = 0
        if stands is not None and stands > known[name]:
            later[name] = stands
    with mirror.state.transaction():
        for one in wanted:
            _leave_out(mirror, one, later, unread, fresh=one[0].id in fresh)
    if unread:
        tell_failures(mirror, unread, fatal=False)
    return [one for one in wanted if one[1].name not in later and one[1].name not in unread]


def _known(wanted: Wanted) -> int | None:
    """Return the serial up to which the state knows a project; None: any page may be replaced."""
    one, row, page = wanted
    if one.sort is Sort.EXCLUDED or (page is not None and page.serial is None):
        return None
    serials = (row.serial, row.published_serial) if page is None else (page.serial, row.word)
    return max((serial for serial in serials if serial is not None), default=None)


def _leave_out(
    mirror: Mirror,
    wanted: Wanted,
    later: Mapping[str, int],
    unread: Mapping[str, str],
    *,
    fresh: bool,
) -> None:
    """Note why a project is not published, if it is not, and ask upstream for it."""
    one, row, page = wanted
    state, now = mirror.state, mirror.now()
    if row.name in later:
        serial, held = later[row.name], row.serial if page is None else page.serial
        why = f"the output has its page of serial {serial}, the state only {held}"
        state.unpublished.problem(one.id, why)
        state.pending.mark(row.name, serial, now)
    elif row.name in unread:
        state.unpublished.problem(one.id, unread[row.name])
        if not fresh:
            state.pending.mark(row.name, None, now)


def _render_all(mirror: Mirror, wanted: Sequence[Wanted]) -> list[_Rendering]:
    if len(wanted) < 8 or not mirror.settings.mirror.compress:
        return [_render(mirror, one) for one in wanted]
    with ThreadPoolExecutor(_RENDERERS, thread_name_prefix="render") as pool:
        return list(pool.map(lambda one: _render(mirror, one), wanted))


def _render(mirror: Mirror, wanted: Wanted) -> _Rendering:
    one, row, page = wanted
    codecs = mirror.settings.mirror.compress
    rendered = None if page is None else rendering_of(mirror, page)
    work = reconcile(row.name, row.published, rendered, codecs, compress, dirty=one.dirty)
    return _Rendering(one, row, work, None if rendered is None else published(rendered, codecs))


def _mark(mirror: Mirror, outcome: _Outcome) -> None:
    state, tally = mirror.state, mirror.tally
    finished = []
    with state.transaction():
        if mirror.settings.health.metrics is not None:
            tally.latencies += state.counters.published(_newly_told(outcome), mirror.now())
        if hooks := mirror.settings.hooks.names:
            state.outbox.add(hooks, _changed(outcome))
        for rendering in outcome.renderings:
            one, row = rendering.one, rendering.row
            if row.name in outcome.failures:
                state.unpublished.problem(one.id, outcome.failures[row.name])
            elif rendering.stands is None:
                tally.removed += row.published is not None
                state.unpublished.removed([one.id], forget=one.sort is Sort.EXCLUDED)
            else:
                tally.published += rendering.work is not None
                finished.append((one.id, rendering.stands, not row.quarantined, row.serial))
        state.unpublished.finish(finished)
        if mirror.fence is not None:
            mirror.fence.save(state, [rendering.row.name for rendering in outcome.renderings])


def _newly_told(outcome: _Outcome) -> Iterator[tuple[str, int, int]]:
    """Yield what upstream's withdrawals are told of by now: (project, serial before, and now)."""
    for rendering in outcome.renderings:
        row = rendering.row
        if (
            row.name not in outcome.failures
            and rendering.one.sort is not Sort.EXCLUDED
            and row.published_serial is not None
        ):
            # A project withdrawn on the journal's word has a page that is older than the word.
            yield row.name, row.published_serial, max(row.serial or 0, row.word or 0)


def _changed(outcome: _Outcome) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the projects whose files were touched, with the siblings that may have stood there."""
    for rendering in outcome.renderings:
        row, dirty = rendering.row, rendering.one.dirty
        dirty = dirty or (row.published is not None and not row.published.json)
        if rendering.work is not None and row.name not in outcome.failures:
            stood = () if row.published is None else row.published.codecs
            codecs = (*layout.SUFFIX, LEGACY) if dirty else stood
            followed = row.published is not None and row.published.legacy is not None
            yield row.name, (*codecs, LEGACY) if followed else codecs
