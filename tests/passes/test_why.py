"""What ``why`` tells after passes: what upstream said, what the mirror did, what installers do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_index.index import Fault
from tests.support.world import DAY, DONE, HELD, HOUR, PARTIAL, World
from yanksync.cli.display.why_lines import why_lines, why_object
from yanksync.config.load import load
from yanksync.core.names import NormalizedName
from yanksync.reports.why.judgement import judge
from yanksync.reports.why.read import read_report
from yanksync.reports.why.report import WhyReport
from yanksync.sync.policy.explain import offering


def report(world: World, name: str, version: str | None = None) -> WhyReport:
    with world.state() as state:
        found = read_report(
            state,
            load(None, {}, **world.flags),
            NormalizedName(name),
            version,
            lambda row: offering(state, row),
        )
    assert found is not None
    return found


def why(world: World, name: str, version: str | None = None) -> str:
    """Return what is printed, without line breaks inside of a paragraph."""
    found = report(world, name, version)
    lines = list(why_lines(found, judge(found)))
    assert all(len(line) <= 80 for line in lines) and len(lines) <= 40
    return "\n".join(lines).replace("\n      ", " ")


def answer(world: World, name: str, version: str | None = None) -> str:
    return judge(report(world, name, version)).text


def why_json(world: World, name: str, version: str | None = None) -> Any:
    found = report(world, name, version)
    return why_object(found, judge(found))


def test_a_yank_from_the_journal_to_the_output(world: World) -> None:
    world.started()
    world.up.clock = int(world.clock.time)
    serial = world.up.yank("demo", "1.0", "bad \x1b[31m\nthing")
    assert world.sync(later=120.0) == DONE
    shown = why(world, "demo", "1.0")
    assert shown.startswith(
        "Only if it is pinned exactly: demo 1.0 was yanked on 2027-01-15 (serial "
    )
    assert f"serial {serial}  yank 1.0: bad \\x1b[31m\\nthing\n" in shown
    assert "here: asked for 2 min later, recorded 2 min later, published 2 min later" in shown
    assert "1.0: pip and uv install it and print the reason of the yank (0 wheels, 1 sdist" in shown
    found = why_json(world, "demo", "1.0")
    (event,) = found["events"]
    assert event["reason"] == found["releases"][0]["reason"] == "bad \x1b[31m\nthing"
    assert event["asked"] == event["recorded"] == event["published"]
    assert found["mirror"]["published"] == event["published"]
    assert found["answer"] == "yanked"
    assert answer(world, "demo") == (
        "Yes: 2 of 2 releases of demo can be installed, 1 of them only if pinned exactly, because "
        "of a yank."
    )
    assert answer(world, "demo", "2.0") == "Yes: demo 2.0 is offered."
    assert answer(world, "demo", "9") == "No: upstream has no demo 9."


def test_an_empty_pass_changes_no_time(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    found = why_json(world, "demo")
    assert world.sync() == DONE
    assert why_json(world, "demo") == found


def test_stale_answers_are_told_then_and_later(world: World) -> None:
    world.started()
    world.up.clock = int(world.clock.time)
    serial = world.up.yank("demo", "1.0", "bad")
    world.up.serve_stale("demo", times=2)
    assert world.sync(later=60.0) == PARTIAL
    shown = why(world, "demo", "1.0")
    assert shown.startswith("Yes: demo 1.0 is offered; a newer page is awaited.\n")
    assert f"serial {serial} wanted: the page is still at serial" in shown
    assert "tried      in 1 pass, stale since 2027-01-15T" in shown
    assert why_json(world, "demo")["mirror"]["fetch"]["attempts"] == 1
    assert answer(world, "demo", "9").startswith("No: upstream's page of serial ")
    assert world.sync(later=600.0) == DONE
    shown = why(world, "demo", "1.0")
    assert (
        "here: asked for 60 s later, 1 pass in vain, stale answer 65 s later, "
        "recorded 11 min later, published 11 min later"
    ) in shown


def test_what_upstream_took_away(world: World) -> None:
    world.started("demo", "other", "bad", "one")
    world.up.clock = int(world.clock.time)
    release = world.up.remove_release("demo", "1.0")
    project = world.up.remove_project("other")
    world.up.quarantine_project("bad")
    world.up.quarantine_release("one", "1.0")
    assert world.sync() == DONE
    assert answer(world, "demo", "1.0") == (
        f"No: upstream removed demo 1.0 on 2027-01-15 (serial {release})."
    )
    for version in (None, "1.0"):
        assert answer(world, "other", version) == (
            f"No: upstream removed other on 2027-01-15 (serial {project})."
        )
    assert answer(world, "bad").startswith("No: upstream quarantined bad on 2027-01-15 (serial ")
    assert answer(world, "one", "1.0").startswith("No: upstream quarantined one 1.0 on 2027-01-15")
    files = world.started("files").up.project("files")
    assert files is not None
    for name in [file.filename for file in files.files.values() if file.version == "2.0"]:
        serial = world.up.remove_file("files", name)
    assert world.sync() == DONE
    assert answer(world, "files", "2.0") == (
        f"No: upstream removed files 2.0 on 2027-01-15 (serial {serial})."
    )
    (event,) = why_json(world, "other")["events"]
    assert event["asked"] <= event["recorded"] and event["published"]
    assert "Offered now\n  nothing" in why(world, "other")
    assert "project status quarantined" in why(world, "bad")


def test_a_changed_hash_stays_as_it_was_published(world: World) -> None:
    world.started()
    world.up.doctor = lambda page: {
        **page,
        "files": [{**one, "hashes": {"sha256": "0" * 64}} for one in page["files"]],
    }
    world.up.upload("demo", "3.0")
    assert world.sync() == HELD
    shown = why(world, "demo", "1.0")
    assert "Yes: demo 1.0 is offered; upstream changed or removed files that stay" in shown
    assert "demo-1.0.tar.gz stays as it was published: upstream has another hash for" in shown
    assert "see 'yanksync approve demo'" in shown
    kept = why_json(world, "demo")["mirror"]["kept"]
    assert [one["file"] for one in kept] == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    assert all(one["shown"] and one["held"] and one["held_since"] for one in kept)


def test_a_removal_that_a_guard_holds(world: World) -> None:
    names = [f"p{number}" for number in range(6)]
    world.configure(upstream_journal="none", mirror_projects=names)
    world.started(*names)
    world.up.fail("^/simple/p[0-4]", Fault.status(404), times=None)
    assert world.sync(later=31 * DAY) == PARTIAL
    assert world.sync(later=HOUR) == HELD
    shown = why(world, "p0", "1.0")
    assert shown.startswith("Yes: p0 1.0 is offered; upstream removed the project, and a guard")
    assert "held       20" in shown


def test_omitted_yanks(world: World) -> None:
    world.configure(mirror_yanked="omit")
    world.started()
    world.up.clock = int(world.clock.time)
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    assert answer(world, "demo", "1.0").endswith(
        ', without a reason, and mirror.yanked = "omit" leaves it out.'
    )
    assert why_json(world, "demo")["offered"] == {
        "json": True, "html": True, "legacy_json": False,
        "files": 1, "yanked": 0, "hidden": 0, "omitted": 1,
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 9])
def test_a_long_history_is_cut_on_the_screen_alone(world: World, count: int) -> None:
    world.started()
    for number in range(count):
        world.up.yank("demo", "1.0", f"reason {number} {'x' * 999}")
        world.up.unyank("demo", "1.0")
    assert world.sync() == DONE
    shown = why(world, "demo")
    assert ("'yanksync history demo' lists them" in shown) == (count > 3)
    assert len(why_json(world, "demo")["events"]) == 2 * count


def test_what_is_not_there_yet(world: World) -> None:
    world.started()
    world.up.upload("late", "1.0")
    world.up.serve_stale("late", times=9)
    assert world.sync() == PARTIAL
    assert answer(world, "late", "1.0").startswith("No: no page of late is recorded yet; a pass ")
    assert "tried      in 1 pass" in why(world, "late")
