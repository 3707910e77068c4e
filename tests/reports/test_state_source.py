"""What the state of a real mirror says about pins."""

from __future__ import annotations

import pytest

from tests.support.world import DONE, World
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin
from yanksync.reports.audit.findings import PinVerdict
from yanksync.reports.audit.judgement import judge
from yanksync.reports.audit.state_source import facts_of_state

DEMO = NormalizedName("demo")


def verdict(world: World, version: str = "1.0", name: str = "demo") -> PinVerdict:
    """Judge a pin by the state."""
    project = NormalizedName(name)
    with world.state() as state:
        facts = facts_of_state(state, [project])[project]
    return judge(Pin(project=project, version=version), facts, "3.11")


def kinds(world: World, version: str = "1.0", name: str = "demo") -> list[str]:
    return [str(one.kind) for one in verdict(world, version, name).findings]


def test_what_upstream_said_is_found(world: World) -> None:
    world.started()
    assert kinds(world) == []
    world.up.upload("demo", "1.1")
    world.up.yank("demo", "1.0", "bad\x1b[0m")
    assert world.sync() == DONE
    found = verdict(world)
    (finding,) = found.findings
    entry = world.history()[-1]
    assert (finding.kind, finding.reason, finding.since) == (
        "yanked",
        "bad\x1b[0m",
        entry.timestamp,
    )
    assert found.nearest == "1.1"
    world.up.remove_release("demo", "1.0")
    assert world.sync() == DONE
    (finding,) = verdict(world).findings
    assert (finding.kind, finding.since) == ("removed", world.history()[-1].timestamp)


@pytest.mark.rule("R9")
def test_quarantines_are_found(world: World) -> None:
    world.started()
    world.up.quarantine_release("demo", "1.0")
    assert world.sync() == DONE
    assert (kinds(world), kinds(world, "2.0")) == (["quarantined"], [])
    world.up.quarantine_project("demo")
    assert world.sync() == DONE
    assert (kinds(world), kinds(world, "2.0")) == (["quarantined"], ["quarantined"])


def test_projects_that_went_and_came_are_found(world: World) -> None:
    world.started("demo", "other")
    world.up.remove_project("demo")
    assert world.sync() == DONE
    assert (kinds(world), kinds(world, name="other")) == (["project-gone"], [])
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    assert kinds(world) == ["project-recreated"]
    assert kinds(world, name="never") == ["unknown"]


def test_a_file_whose_loss_is_not_believed_yet_is_there(world: World) -> None:
    world.started()
    filename = next(name for name in world.yanked("demo") if "1.0" in name)
    world.up.remove_file("demo", filename)
    world.up.replace_journal([row for row in world.up.journal if "remove" not in row.action])
    world.resync("demo")
    assert filename in world.yanked("demo")
    assert kinds(world) == []
