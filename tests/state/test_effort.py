"""The questions of an idle pass cost no look at each project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.builders.state_rows import NOW
from tests.support.dated_uploads import upload
from tests.support.world import DONE, HOUR, World
from yanksync.core.exit_codes import ExitCode
from yanksync.core.project_state import PublishReason
from yanksync.mirror.context import Mirror
from yanksync.state.policy.file_times import OfferNote
from yanksync.state.state import State
from yanksync.state.views.holds import approve_held, count_held, held_items
from yanksync.sync.pipeline import PassRequest, run_pass

QUESTIONS: dict[str, Callable[[State], object]] = {
    "words": lambda state: state.publish_queue.quarantined_by_journal(),
    "undocumented": lambda state: state.publish_queue.held_without_legacy_json(),
    "blocked": lambda state: state.publish_queue.blocked(10),
    "removals": lambda state: state.publish_queue.removals(),
    "doubtful": lambda state: state.publish_queue.held_and_unconfirmed(),
    "names": lambda state: state.publish_queue.names(PublishReason.UNEXPLAINED),
    "counts": lambda state: state.publish_queue.counts(),
    "unsure": lambda state: state.unsure_removals(),
    "named": lambda state: state.lost_files.named(),
    "judge": lambda state: state.lost_files.to_judge(),
    "rehashed": lambda state: state.lost_files.rehashed(),
    "approved": lambda state: state.lost_files.approved(),
    "holds": held_items,
    "count held": count_held,
    "approve": lambda state: state.publish_queue.approve(None),
    "approve files": lambda state: approve_held(state, held_items(state)),
    "pending": lambda state: state.fetch_queue.counts(),
}


def steps(state: State, work: Callable[[], object]) -> int:
    """Return how many steps SQLite's machine takes for ``work``."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    state._db._connection.set_progress_handler(step, 1)
    work()
    state._db._connection.set_progress_handler(None, 0)
    return count


def add_present(state: State, number: int) -> None:
    with state.transaction():
        state.projects.add([(f"p{place}", f"p{place}") for place in range(number)])
        state._db.execute("UPDATE projects SET presence = 'present', json_digest = x'01'")


@pytest.mark.parametrize("question", QUESTIONS)
def test_many_projects_of_which_none_waits(state: State, question: str) -> None:
    add_present(state, 2000)
    assert 0 < steps(state, lambda: QUESTIONS[question](state)) < 1000


# Files that become visible by themselves (cooldown)

DUE = 3  # projects with a file that becomes visible now


def add_waiting(state: State, number: int) -> None:
    """Add projects with a young file each: that of a few becomes visible now, the others later."""
    add_present(state, number)
    ids = [row[0] for row in state._db.execute("SELECT id FROM projects ORDER BY id")]
    moments = [NOW - 1 if place < DUE else NOW + 1 + place for place in range(number)]
    with state.transaction():
        state.file_times.note_offers(
            OfferNote(project=id_, changes_at=moment, waiting=1, shown=frozenset())
            for id_, moment in zip(ids, moments, strict=True)
        )


def visible_steps(path: Path, number: int, *, indexed: bool = True) -> int:
    """Return the steps that find what becomes visible among so many projects."""
    with State(path / f"{number}-{indexed}.db") as state:
        add_waiting(state, number)
        if not indexed:
            state._db.execute("DROP INDEX file_times_changes")
        found: list[int] = []
        taken = steps(state, lambda: found.append(state.file_times.publish_due(NOW, NOW)))
        assert found == [DUE]
        return taken


def test_what_becomes_visible_costs_the_same_among_twice_the_projects(tmp_path: Path) -> None:
    assert visible_steps(tmp_path, 500) == visible_steps(tmp_path, 1000)
    without = [visible_steps(tmp_path, number, indexed=False) for number in (500, 1000)]
    assert without[1] > 1.9 * without[0], "steps that are counted here show no scan"


def test_what_becomes_visible_is_found_by_an_indexed_column(state: State) -> None:
    add_waiting(state, 10)
    statements: list[str] = []
    connection = state._db._connection
    connection.set_trace_callback(statements.append)
    state.file_times.publish_due(NOW, NOW)
    connection.set_trace_callback(None)
    reading = [one for one in statements if one.startswith(("SELECT", "INSERT"))]
    assert len(reading) == 2  # how many there are, and that they are queued
    for one in reading:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]
        assert [line.replace(" COVERING", "") for line in plan] == [
            "SEARCH file_times USING INDEX file_times_changes (changes_at<?)",
            "SEARCH projects USING INTEGER PRIMARY KEY (rowid=?)",
        ]


def empty_pass_steps(world: World) -> int:
    """Return the steps of SQLite in a pass that finds nothing to do."""
    found: list[int] = []

    def work(mirror: Mirror) -> ExitCode:
        codes: list[ExitCode] = []
        found.append(steps(mirror.state, lambda: codes.append(run_pass(mirror, PassRequest()))))
        return codes[0]

    assert world.work(work, HOUR) == DONE
    return found[0]


def test_an_empty_pass_costs_the_same_while_more_files_wait(world: World) -> None:
    world.configure(cooldown_age="1d")
    taken = []
    for number in (20, 60):
        for place in range(number):
            upload(world, f"p{place}", f"{number}.0")
        assert world.sync(later=HOUR) == DONE
        assert world.sync(later=HOUR) == DONE
        taken.append(empty_pass_steps(world))
    with world.state() as state:
        assert state.file_times.waiting()[0] == 80
    assert taken[0] == taken[1]
