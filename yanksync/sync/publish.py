"""Stages 5 to 8: judge, render, publish, mark published.

Rendering starts from the recorded page and the configuration alone, so that a step that died can be
done again by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.errors import BadAnswer, PublishError
from yanksync.core.model import Page, Published
from yanksync.core.project_state import Presence, Sort
from yanksync.core.rules.lost_files import LostFile, with_lost
from yanksync.mirror.context import Mirror, log
from yanksync.output.comparison import is_right
from yanksync.output.reconcile import Keep, Work, Write, copies_of, published, reconcile
from yanksync.state.project_rows import Project
from yanksync.state.queues.hooks import LEGACY
from yanksync.state.queues.publish import Awaiting
from yanksync.sync import recovery
from yanksync.sync.published_page import held_page, rendering_of, shown_page
from yanksync.sync.recovery import Wanted

BATCH = 500
_RENDERERS = 2  # compression lets go of the interpreter's lock; rendering does not


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
        note(mirror, _apply(mirror, gather(mirror, awaiting, pages or {})))


class Publisher:
    """Publishes one batch in a thread of its own while the next is fetched.

    The state is used in the caller's thread alone: before (:meth:`begin`) and after
    (:meth:`settle`). Nothing may be recorded between the two, or it would be taken for published.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._under_way: Future[Outcome] | None = None

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
            wanted = gather(self._mirror, awaiting, pages)
            self._under_way = self._pool.submit(_apply, self._mirror, wanted)

    def settle(self) -> None:
        """Wait for what is under way and note what stands in the output now.

        Raises what :func:`publish` raises.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            note(self._mirror, under_way.result())


class Rendering(Struct, frozen=True):
    """One project, as it is published."""

    one: Awaiting
    row: Project
    work: Work | None  # None: the output stands as it should
    stands: Published | None  # what stands there once the work is done; None: nothing
    unsure: bool = False  # files may have stood there that the state knows nothing of


class Outcome(Struct, frozen=True):
    """What came of a batch."""

    renderings: list[Rendering]
    failures: dict[str, str]  # by project: why its files could not be brought to what they should
    fatal: bool  # nothing could be written, and nothing more can


def gather(mirror: Mirror, awaiting: Sequence[Awaiting], pages: Mapping[int, Page]) -> list[Wanted]:
    """Read from the state what publishing needs of it."""
    rows = {row.id: row for row in mirror.state.projects.by_id([one.id for one in awaiting])}
    wanted, unread = recovery.look(mirror, list(_wanted(mirror, awaiting, rows, pages)), pages)
    if unread:
        tell_failures(mirror, unread, fatal=False)
    if mirror.fence is not None:
        mirror.fence.load(mirror.state, [one.row.name for one in wanted])
    return wanted


def _apply(mirror: Mirror, wanted: Sequence[Wanted]) -> Outcome:
    """Render and write; touches the output and nothing else."""
    renderings = _render_all(mirror, wanted)
    works = [rendering.work for rendering in renderings if rendering.work is not None]
    failures = mirror.store.apply(works)
    fatal = len(failures) == len(renderings) and any(failure.fatal for failure in failures)
    return Outcome(renderings, {failure.name: failure.why for failure in failures}, fatal)


def note(mirror: Mirror, outcome: Outcome) -> None:
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
    lost = mirror.state.lost.of([one.id for one in awaiting if one.id not in pages])
    for one in awaiting:
        row = rows[one.id]
        try:
            page = _page(mirror, one, row, pages.get(one.id), lost.get(one.id, ()))
            yield Wanted(one, row, page)
        except BadAnswer as error:
            if mirror.tally.tells(f"unreadable {row.name}"):
                why = f"the held page cannot be read: {error.problem}; it is fetched again"
                log.error("%s: %s", row.name, why, extra={"project": row.name})
            mirror.state.unpublished.problem(one.id, str(error))
            mirror.state.pending.mark(row.name, row.serial, mirror.now(), forced=True)


def _page(
    mirror: Mirror, one: Awaiting, row: Project, page: Page | None, lost: Sequence[LostFile]
) -> Page | None:
    """Return the page to publish; None when the project is to go."""
    if row.presence is not Presence.PRESENT or one.sort is Sort.EXCLUDED:
        return None
    return shown_page(row, page or with_lost(held_page(mirror, row), lost))


def _render_all(mirror: Mirror, wanted: Sequence[Wanted]) -> list[Rendering]:
    if len(wanted) < 8 or not mirror.settings.mirror.compress:
        return [_render(mirror, one) for one in wanted]
    with ThreadPoolExecutor(_RENDERERS, thread_name_prefix="render") as pool:
        return list(pool.map(lambda one: _render(mirror, one), wanted))


def _render(mirror: Mirror, wanted: Wanted) -> Rendering:
    one, row, standing = wanted.one, wanted.row, wanted.standing
    rendered = None if wanted.page is None else rendering_of(mirror, wanted.page)
    copies: dict[str, bytes] = {}
    if rendered is not None:
        copies = copies_of(rendered, mirror.settings.mirror.compress, mirror.store.compress)
    stands = None if rendered is None else published(rendered, copies)
    void = row.published is not None and not row.published.json
    unsure = one.dirty or standing is not None or void
    if stands is not None and standing is not None and is_right(row.name, stands, standing):
        return Rendering(one, row, Keep(name=row.name), stands, unsure)
    known = row.published if standing is None else None
    work = reconcile(row.name, known, rendered, copies, dirty=wanted.dirty)
    return Rendering(one, row, work, stands, unsure)


def _mark(mirror: Mirror, outcome: Outcome) -> None:
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
                tally.published += isinstance(rendering.work, Write)
                finished.append((one.id, rendering.stands, not row.quarantined, row.serial))
        state.unpublished.finish(finished)
        if mirror.fence is not None:
            mirror.fence.save(state, [rendering.row.name for rendering in outcome.renderings])


def _newly_told(outcome: Outcome) -> Iterator[tuple[str, int, int]]:
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


def _changed(outcome: Outcome) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the projects whose files were touched, with the siblings that may have stood there.

    A run that was killed may have removed files that it did not note, and the output been lost
    since: nothing is there, and a copy of the output still has them.
    """
    for rendering in outcome.renderings:
        row = rendering.row
        if rendering.work is not None and row.name not in outcome.failures:
            stood = () if row.published is None else row.published.copies
            codecs = (*layout.SUFFIX, LEGACY) if rendering.unsure else layout.codecs_of(stood)
            followed = row.published is not None and row.published.legacy is not None
            yield row.name, (*codecs, LEGACY) if followed else codecs
