"""A slice of the soak that every run of the tests can afford; scripts/soak has all of it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator

import pytest

from tests.soak import histories
from tests.soak.copy_kills import RECEIVED, Copying
from tests.soak.kills import CALLS, Point, Scenario
from tests.support.fake_index.index import FakeUpstream, Served, serve

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    with serve(FakeUpstream()) as served:
        yield Scenario(served, tmp_path_factory.mktemp("kills"))


def _some(scenario: Scenario, call: str, count: int) -> list[Point]:
    """Points at ``call`` on our own files, the same in every run but for the pass itself."""
    ours = [point for point in scenario.points if point.group and point.call == call]
    return random.Random(call).sample(ours, min(count, len(ours)))


@pytest.mark.incident(32)
@pytest.mark.parametrize("call", [call for call in CALLS if call not in ("connect", "syncfs")])
def test_killed_at_a_call(scenario: Scenario, call: str) -> None:
    points = _some(scenario, call, 2)
    assert points
    for point in points:
        scenario.prove(point, alone=point.nth % 2 == 0)
    assert scenario.tally["kills"], "no pass was killed"


@pytest.mark.incident(34)
@pytest.mark.parametrize("error", ["ENOSPC+", "EIO", "EACCES"])
@pytest.mark.parametrize("call", ["write", "pwrite64", "rename", "fsync", "openat"])
def test_an_error_from_a_call(scenario: Scenario, call: str, error: str) -> None:
    for point in _some(scenario, call, 1):
        scenario.prove(point._replace(what=error), alone=True)
    assert any(sort.startswith("failed/") for sort in scenario.tally), "no call failed"


def test_killed_again_and_again(scenario: Scenario) -> None:
    chance = random.Random(7)
    ours = [point for point in scenario.points if point.group]
    scenario.prove(*chance.sample(ours, 5), alone=True)


def test_the_checks_see_what_they_must(scenario: Scenario) -> None:
    scenario.put_back()
    page = scenario.simple / "yanked/index.v1_json"
    page.write_bytes(page.read_bytes()[:-1])
    with pytest.raises(ValueError):
        scenario.check_tree()


def test_some_histories(served: Served) -> None:
    histories.run(served, 2, 15, 25)


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    with serve(FakeUpstream()) as served:
        yield Copying(served, tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize("call", ["write", "rename", "openat", "unlink"])
def test_killed_among_the_files(copying: Scenario, call: str) -> None:
    points = [point for point in copying.points if point.group == RECEIVED and point.call == call]
    copying.prove(random.Random(call).choice(points), alone=call == "rename")


def test_an_error_among_the_files(copying: Scenario) -> None:
    copying.prove(Point(RECEIVED, "write", 1, "ENOSPC+"))
