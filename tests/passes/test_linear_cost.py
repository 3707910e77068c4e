"""No input costs more than linear work: twice of it takes at most twice the steps.

Steps are calls of functions, those of texts that compare or hash themselves among them, and steps
of SQLite's machine. They are counted, not timed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import pytest

from tests.support.builders.state_rows import NOW, event, record
from tests.support.world import DONE, World
from yanksync.core.formats.legacy_json_writer import render_document
from yanksync.core.model import File, HistoryAction, Page, PageChange, Yank
from yanksync.core.policies.yanked import offered_page
from yanksync.core.rules.entry_index import EntryIndex
from yanksync.core.rules.loss_history import EarliestExplanation, removal_changes
from yanksync.core.rules.lost_file import LostFile, Observation
from yanksync.core.rules.lost_files import (
    apply_entries,
    find_lost_files,
    page_with_lost_files,
    previously_shown,
)
from yanksync.core.rules.page_diff import (
    PendingDiff,
    attribute_changes,
    diff_pages,
    files_added_late,
    yank_reasons,
)
from yanksync.state.state import State
from yanksync.state.views.holds import approve_held, held_items

SMALL = 150
_POLICIES: tuple[Literal["mark", "omit"], ...] = ("mark", "omit")
_SQL = 10  # steps of SQLite's machine that are counted as one
_OURS = str(Path(sys.modules["yanksync"].__file__ or "").parent)


class Text(str):
    """A text whose comparisons and hashes are calls, so that they are counted."""

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


def steps(work: Callable[[], object], state: State | None = None) -> int:
    """Return how many steps ``work`` takes: calls, and what SQLite does for it."""
    count = 0

    def see(frame: FrameType, happened: str, _: Any) -> None:
        nonlocal count
        count += happened == "call" and frame.f_code.co_filename.startswith((_OURS, __file__))

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    if state is not None:
        state._db._connection.set_progress_handler(tick, _SQL)
    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
        if state is not None:
            state._db._connection.set_progress_handler(None, 0)
    return count


def assert_linear(count: Callable[[int], int]) -> None:
    """Check that twice the input takes at most twice the steps, and a little more."""
    once, twice = count(SMALL), count(2 * SMALL)
    assert once > SMALL / 2, "it was not counted"
    assert twice <= 2.2 * once + 500, f"{SMALL}: {once} steps, {2 * SMALL}: {twice}"


def page(
    size: int, serial: int = 10, *, first: int = 0, yanked: bool = False, text: type[str] = Text
) -> Page:
    versions = [text(f"1.{number}") for number in range(first, size)]
    files = tuple(
        File(
            filename=text(f"demo-{version}.tar.gz"),
            url="",
            upload_time="2026-01-01T00:00:00Z",
            yanked=Yank(text(f"why {version}")) if yanked else None,
        )
        for version in versions
    )
    return Page(name="demo", files=files, versions=tuple(versions), serial=serial)


def lose(size: int, text: type[str] = Text) -> tuple[LostFile, ...]:
    """Return that a project lost its files, each with its own last page."""
    found = find_lost_files(page(size, text=text), (), page(0, 20), (), Observation(NOW, 1, 0.0))
    assert len(found) == size
    return tuple(
        LostFile(file=one.file, version=one.version, low=number, since=NOW, run=1, confirmed=True)
        for number, one in enumerate(found)
    )


def entries(size: int, *actions: str, first: int = 11) -> list[Any]:
    return [
        event(action, f"1.{number}.0", first + number * len(actions) + place)
        for number in range(size)
        for place, action in enumerate(actions)
    ]


def compared(size: int) -> Callable[[], object]:
    marked, bare, fewer = page(size, yanked=True), page(size), page(size, first=size // 2)
    withdrawn = {str(version) for version in bare.versions or ()}
    pages = [(bare, marked), (marked, bare), (bare, fewer), (fewer, bare)]
    return lambda: [diff_pages(*pair, withdrawn=withdrawn) for pair in pages]


def marks_of_one_release(size: int) -> Callable[[], object]:
    """Each file of one release gets a reason of its own."""
    names = [f"demo-1.0-cp{number}-none-any.whl" for number in range(size)]
    before, after = (
        Page(
            name="demo",
            files=tuple(File(filename=name, url="", yanked=mark(name)) for name in names),
        )
        for mark in (lambda _: None, lambda name: Yank(Text(name)))
    )
    return lambda: diff_pages(before, after)


def derived(size: int) -> Callable[[], object]:
    marked, plain = page(size, yanked=True), page(size, yanked=True, text=str)

    def work() -> None:
        yank_reasons(marked)
        files_added_late(page(size // 2), marked)
        for kind in _POLICIES:
            offered_page(marked, kind)
        render_document(offered_page(plain, "mark"))

    return work


def settled(size: int) -> Callable[[], object]:
    after = page(size, yanked=True)
    changes = [
        PageChange(action=action, version=version)
        for version in after.versions or ()
        for action in (HistoryAction.YANK, HistoryAction.REMOVE)
    ]
    changes.append(PageChange(action=HistoryAction.YANK, files=("odd",), reason="x"))
    seen = PendingDiff(low=10, high=9999, changes=tuple(changes), reasons=yank_reasons(after))
    actions = ("yank release", "remove file x.zip", "release quarantined")
    return lambda: attribute_changes(seen, EntryIndex(entries(size, *actions)))


def vanished(size: int) -> Callable[[], object]:
    """A page loses its files; entries yank some, and remove some."""
    lost, after = lose(size), page(size, 20, first=size - 5, yanked=True)
    said = [*entries(size, "yank release"), *entries(size // 3, "remove release", first=9000)]
    changes = [PageChange(action=HistoryAction.YANK, version=one.version) for one in lost]

    def work() -> None:
        left = find_lost_files(page(size), lost, after, said, Observation(NOW, 2, 0.0))
        assert apply_entries(lost, said)
        previously_shown(page(size), lost, page_with_lost_files(after, left), left, said)
        since = EarliestExplanation(lost, 10)
        assert [since.serial_for(change) for change in changes]
        assert removal_changes(after, lost)

    return work


@pytest.mark.parametrize(
    "work",
    [compared, marks_of_one_release, derived, settled, vanished],
    ids=lambda one: one.__name__,
)
def test_of_one_page(work: Callable[[int], Callable[[], object]]) -> None:
    assert_linear(lambda size: steps(work(size)))


def yanks_and_back(state: State, size: int) -> Iterator[Callable[[], object]]:
    actions = ("yank release", "unyank release", "remove release", "new release")
    for _ in range(2):  # and read again
        yield lambda: state.history.add(entries(size, *actions))


def late_entries(state: State, size: int) -> Iterator[Callable[[], object]]:
    """Entries explain what was seen before they came."""
    kinds = {HistoryAction.YANK: "yank release", HistoryAction.REMOVE: "remove release"}
    for high in (None, 9999):
        changes = [
            PageChange(action=action, version=f"1.{number}")
            for number in range(size)
            for action in kinds
        ]
        state.history.add_observed("demo", changes, NOW, low=10, high=high)
    yield lambda: state.history.add(entries(size, *kinds.values()))
    assert len(list(state.history_rows.select("demo"))) == 2 * size


def late_entries_of_elsewhere(state: State, size: int) -> Iterator[Callable[[], object]]:
    """Each change was seen between other pages; the entries of one version lie between those."""
    for number in range(size):
        change = PageChange(action=HistoryAction.YANK, version="1.0")
        state.history.add_observed("demo", [change], NOW, low=4 * number, high=4 * number + 1)
    said = [event("yank release", "1.0", 4 * number + 3) for number in range(size)]
    yield lambda: state.history.add(said)
    assert len(list(state.history_rows.select("demo"))) == 2 * size


def pages_ahead(state: State, size: int) -> Iterator[Callable[[], object]]:
    """Pages wait for the journal, which then has an entry for each."""
    reasons = (("1.0", "why"),)
    for number in range(size):
        change = PageChange(action=HistoryAction.YANK, version=f"1.{number}")
        seen = PendingDiff(low=10 + number, high=11 + number, changes=(change,), reasons=reasons)
        state.history.add_diff("demo", [seen], NOW, settled=False)
    state.history.add(entries(size, "yank release"))
    yield lambda: state.history.attribute(9999, NOW)
    assert len(list(state.history_rows.select("demo"))) == size


def parts_of_a_page(state: State, size: int) -> Iterator[Callable[[], object]]:
    """Files that were each on another page last are gone, and nothing explains it."""
    state.history.add(entries(size, "yank release"))
    parts = [
        PendingDiff(
            low=low,
            high=9999,
            changes=(PageChange(action=HistoryAction.REMOVE, version=f"1.{low}"),),
        )
        for low in range(size)
    ]
    yield lambda: state.history.add_diff("demo", parts, NOW, settled=True)


def held(state: State, size: int) -> Iterator[Callable[[], object]]:
    project = record(state)
    state.lost_files.put(project, lose(size, str))
    for number in range(size):
        state.lost_files.put(record(state, f"other-{number}"), lose(1, str))
    ids = state.lost_files.to_judge()
    yield lambda: state.lost_files.hold(ids, "too many", NOW, vanished=True)
    yield lambda: held_items(state)
    yield lambda: approve_held(state, held_items(state))
    assert len(state.lost_files.approved()) == size + 1


def failing(state: State, size: int) -> Iterator[Callable[[], object]]:
    """Nothing that a pass asks for is answered, so that all of it goes on waiting."""
    for number in range(size):
        state.fetch_queue.mark(f"demo-{number:05}", 5, NOW, urgent=number % 2 == 0)

    def work() -> None:
        names: list[str] = []
        while looks := state.fetch_queue.take(1, NOW, 5):
            names += [look.name for look in looks]
        assert len(names) == len({*names}) == size

    yield work


@pytest.mark.parametrize(
    "story",
    [
        failing,
        yanks_and_back,
        late_entries,
        late_entries_of_elsewhere,
        pages_ahead,
        parts_of_a_page,
        held,
    ],
    ids=lambda one: one.__name__,
)
def test_in_the_state(
    story: Callable[[State, int], Iterator[Callable[[], object]]], tmp_path: Path
) -> None:
    def count(size: int) -> int:
        with State(tmp_path / f"{size}.db") as state, state.transaction():
            return sum(steps(work, state) for work in story(state, size))

    assert_linear(count)


def test_an_entry_costs_the_same_however_long_the_history_is(tmp_path: Path) -> None:
    counts = []
    with State(tmp_path / "state.db") as state:
        for first in (11, 5011, 10011):
            with state.transaction():
                state.history.add(entries(1000, "yank release", "remove release", first=first))
            said = [event("new release", "1.5", first + 3000), event("create", None, first + 3001)]
            counts.append(steps(lambda said=said: state.history.add(said), state))  # type: ignore[misc]
            last = first + 2990
            counts.append(steps(lambda last=last: state.history.events("demo", last), state))  # type: ignore[misc]
    assert max(counts[2:]) <= counts[0] + 20, counts


def test_of_a_pass_over_a_project_that_removes_its_releases(world: World) -> None:
    def count(size: int) -> int:
        name = f"demo-{size}"
        for number in range(size):
            world.up.upload(name, f"1.{number}", f"{name}-1.{number}.tar.gz")
        assert world.settle() == DONE
        for number in range(size - 3):
            world.up.remove_release(name, f"1.{number}")
        found = steps(world.sync)
        page = world.page(name)
        assert page is not None and len(page["files"]) == 3
        return found

    assert_linear(count)
