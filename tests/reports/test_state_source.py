"""What the state of a real mirror says about pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fake_index.http_server import Served
from tests.support.world import DAY, DONE, World
from yanksync.cli.display.audit.sentences import sentence
from yanksync.cli.reports.audit_rules import kept_files, rulings
from yanksync.config.load import load
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin
from yanksync.reports.audit.findings import PinVerdict
from yanksync.reports.audit.judgement import judge
from yanksync.reports.audit.state_source import facts_of_state

DEMO = NormalizedName("demo")


def verdict(world: World, version: str = "1.0", name: str = "demo") -> PinVerdict:
    """Judge a pin by the state."""
    project = NormalizedName(name)
    settings = load(None, {}, **world.flags)
    with world.state() as state:
        own = rulings(state), kept_files(state, settings)
        facts = facts_of_state(state, [project], *own)[project]
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


def test_what_the_mirror_keeps_or_leaves_out_is_told(served: Served, tmp_path: Path) -> None:
    flags = {"mirror_files": "copy", "mirror_deleted": "yank", "files_keep_days": 10}
    world = World(served, tmp_path, disk=True, **flags)
    for version in ("1.0", "2.0", "3.0rc1"):
        world.up.upload("demo", version)
    assert world.sync() == DONE
    world.configure(files_prereleases=False)
    world.up.clock += int(30 * DAY)
    world.up.remove_release("demo", "1.0")
    assert world.sync(later=30 * DAY) == DONE
    (kept,) = verdict(world).findings
    assert (kept.kind, kept.rule) == ("removed", "mirror.deleted")
    assert kept.until == pytest.approx(world.clock.time + 10 * DAY, abs=60)
    assert sentence(verdict(world), kept).startswith("demo==1.0 is not on the index since ")
    assert ": this mirror keeps its copy, which an exact pin installs" in sentence(
        verdict(world), kept
    )
    (left_out,) = verdict(world, "3.0rc1").findings
    assert (left_out.kind, left_out.rule) == ("overridden", "files.prereleases")
    assert kinds(world, "2.0") == []
    world.sync(later=11 * DAY)
    (gone,) = verdict(world).findings
    assert (gone.kind, gone.rule) == ("removed", None)


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
