"""Whole passes with ``[cooldown]``: what becomes visible when, and what changes no clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.dated_uploads import names, upload
from tests.support.fake_index.index import Fault, Served
from tests.support.page_assertions import HTML
from tests.support.world import DAY, DONE, HELD, HOUR, PARTIAL, World
from yanksync.core import layout

MINUTE = 60.0


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def recorded_cutoff(world: World) -> float | None:
    with world.state() as state:
        return state.facts.moment("cutoff")


@pytest.fixture
def cooling(world: World) -> World:
    """A mirror with an old release, and an age of a day."""
    world.configure(cooldown_age="1d")
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    assert names(world) == ["demo-1.0.tar.gz"]
    return world


def test_a_file_becomes_visible_without_a_request(cooling: World) -> None:
    upload(cooling, "demo", "2.0")
    assert cooling.sync(later=MINUTE) == DONE
    assert names(cooling) == ["demo-1.0.tar.gz"]
    page = cooling.page("demo")
    assert page is not None
    assert page["versions"] == ["1.0"]
    serial = page["meta"]["_last-serial"]
    assert cooling.sync(later=DAY - 2 * MINUTE) == DONE
    assert names(cooling) == ["demo-1.0.tar.gz"]
    assert cooling.sync(later=2 * MINUTE) == DONE
    assert cooling.asked == []
    assert names(cooling) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    page = cooling.page("demo")
    assert page is not None
    assert (page["versions"], page["meta"]["_last-serial"]) == (["1.0", "2.0"], serial)
    assert cooling.sync() == DONE
    assert cooling.counts() == (0, 0, 0, 0)


def test_it_becomes_visible_while_upstream_is_out(cooling: World) -> None:
    upload(cooling, "demo", "2.0")
    cooling.sync(later=MINUTE)
    cooling.up.fail("", Fault.status(500), None)
    cooling.sync(later=2 * DAY)
    assert names(cooling) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


@pytest.mark.parametrize("rule", ["cooldown", "override", "advisory"])
def test_every_form_leaves_it_out(world: World, tmp_path: Path, rule: str) -> None:
    world.configure(mirror_legacy_json="true", mirror_compress=["gzip"])
    if rule == "cooldown":
        world.configure(cooldown_age="1d")
    elif rule == "override":
        path = tmp_path / "overrides.toml"
        path.write_text('[[override]]\nmatch = "demo==2"\naction = "hide"\n')
        world.configure(mirror_overrides=str(path))
    else:
        path = tmp_path / "osv.json"
        affected = [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["2.0"]}]
        path.write_text(json.dumps({"id": "MAL-1", "affected": affected}))
        world.configure(mirror_advisories=[str(path)])
    world.up.upload("demo", "1.0")
    upload(world, "demo", "2.0")
    assert world.sync(later=MINUTE) == DONE
    import gzip

    found = world.files()
    pages = [
        gzip.decompress(body) if path.endswith(".gz") else body
        for path, body in found.items()
        if "demo" in path
    ]
    assert len(pages) >= 4
    assert not any(b"2.0" in page for page in pages)


def test_malware_that_is_removed_after_four_hours_is_never_shown(cooling: World) -> None:
    upload(cooling, "demo", "6.6.6")
    for _ in range(4):
        cooling.sync(later=HOUR)
        assert names(cooling) == ["demo-1.0.tar.gz"]
    cooling.up.clock = int(cooling.clock.time)
    cooling.up.remove_release("demo", "6.6.6")
    for _ in range(30):
        cooling.sync(later=HOUR)
        assert names(cooling) == ["demo-1.0.tar.gz"]
    told = [(str(row.action), row.version, row.files) for row in cooling.history()]
    assert told == [("averted", "6.6.6", ("demo-6.6.6.tar.gz",))]


def test_a_page_of_young_files_stays_and_is_listed(world: World) -> None:
    world.configure(cooldown_age="1d")
    upload(world, "fresh", "1.0")
    world.up.archive("fresh")
    assert world.sync(later=MINUTE) == DONE
    page = world.page("fresh")
    assert page is not None
    assert (page["files"], page["versions"]) == ([], [])
    assert page["project-status"]["status"] == "archived"
    assert page["meta"]["_last-serial"] == world.up.last_serial
    assert world.listed() == ["fresh"]


def test_a_backdated_upload_time_makes_no_file_old(cooling: World) -> None:
    upload(cooling, "demo", "2.0", upload_time="2020-01-01T00:00:00Z")
    upload(cooling, "fresh", "1.0", upload_time="2020-01-01T00:00:00Z")
    cooling.sync(later=HOUR)
    assert names(cooling) == ["demo-1.0.tar.gz"]
    assert names(cooling, "fresh") == []
    cooling.sync(later=DAY)
    assert names(cooling) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    assert names(cooling, "fresh") == ["fresh-1.0.tar.gz"]


def test_add_times_are_recorded_with_cooldown_off(world: World) -> None:
    world.started("demo")
    upload(world, "demo", "3.0", upload_time="2020-01-01T00:00:00Z")
    world.sync(later=MINUTE)
    assert len(names(world)) == 3
    world.configure(cooldown_age="1d")
    world.sync()
    assert names(world) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    world.configure(cooldown_age="0")
    world.sync()
    assert len(names(world)) == 3


def test_files_of_a_project_that_was_quarantined_at_first_are_as_old_as_they_say(
    cooling: World,
) -> None:
    """Count its files as old.

    Its first page shows no file. So the files do not count as added after it.
    """
    cooling.configure(mirror_projects=["demo"])
    assert cooling.sync() == DONE
    cooling.up.upload("sealed", "1.0")
    cooling.up.quarantine_project("sealed")
    assert cooling.sync() == DONE
    cooling.configure(mirror_projects=["demo", "sealed"])
    assert cooling.sync() == DONE
    cooling.up.clear_project_quarantine("sealed")
    assert cooling.sync() == DONE
    assert names(cooling, "sealed") == ["sealed-1.0.tar.gz"]
    upload(cooling, "sealed", "2.0", upload_time="2020-01-01T00:00:00Z")
    assert cooling.sync(later=HOUR) == DONE
    assert names(cooling, "sealed") == ["sealed-1.0.tar.gz"]


@pytest.mark.parametrize("disturb", ["resync", "quarantine", "missing", "selection", "state"])
def test_old_files_never_become_young(disk: World, disturb: str) -> None:
    disk.configure(cooldown_age="1d")
    disk.started("demo", "other")
    if disturb == "resync":
        assert disk.resync() == DONE
    elif disturb == "quarantine":
        disk.up.quarantine_project("demo")
        assert disk.sync() == DONE
        assert names(disk) == []
        disk.up.clear_project_quarantine("demo")
        assert disk.sync() == DONE
    elif disturb == "missing":
        disk.up.fail("^/simple/demo/", Fault.status(404), None)
        disk.sync()
        disk.up.heal()
    elif disturb == "selection":
        disk.configure(mirror_projects=["demo", "other", "third"])
        disk.up.upload("third", "1.0")
        assert disk.settle() == DONE
        disk.configure(mirror_projects=["*"])
    else:
        disk.lose_state()
    assert disk.settle() == DONE
    assert names(disk) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


def test_a_quarantine_does_not_restart_the_clock(cooling: World) -> None:
    upload(cooling, "demo", "2.0", upload_time="2020-01-01T00:00:00Z")
    cooling.sync(later=HOUR)
    cooling.up.quarantine_project("demo")
    cooling.sync(later=HOUR)
    cooling.up.clear_project_quarantine("demo")
    cooling.sync(later=HOUR)
    assert names(cooling) == ["demo-1.0.tar.gz"]
    cooling.sync(later=DAY - 2 * HOUR)
    assert names(cooling) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


def test_a_project_that_is_made_anew_starts_new_clocks(cooling: World) -> None:
    cooling.configure(cooldown_new_projects="3d")
    cooling.up.remove_project("demo")
    cooling.sync(later=HOUR)
    upload(cooling, "demo", "9.0", upload_time="2020-01-01T00:00:00Z")
    cooling.sync(later=HOUR)
    assert names(cooling) == []
    cooling.sync(later=2 * DAY)
    assert names(cooling) == []
    cooling.sync(later=DAY)
    assert names(cooling) == ["demo-9.0.tar.gz"]


def test_a_project_that_is_removed_and_created_between_two_passes_is_new(cooling: World) -> None:
    cooling.configure(cooldown_age="1h", cooldown_new_projects="2d")
    assert cooling.sync() == DONE
    cooling.up.clock = int(cooling.clock.time)
    cooling.up.remove_project("demo")
    upload(cooling, "demo", "2.0")
    assert cooling.sync(later=MINUTE) == DONE
    assert cooling.sync(later=DAY) == DONE
    assert names(cooling) == []
    assert cooling.sync(later=DAY) == DONE
    assert names(cooling) == ["demo-2.0.tar.gz"]


def test_an_unyank_does_not_restart_the_clock_and_a_yank_is_at_once(
    cooling: World,
) -> None:
    cooling.up.yank("demo", "1.0", "bad")
    cooling.sync(later=MINUTE)
    assert cooling.yanked("demo") == {"demo-1.0.tar.gz": "bad"}
    cooling.up.unyank("demo", "1.0")
    cooling.sync(later=MINUTE)
    assert cooling.yanked("demo") == {"demo-1.0.tar.gz": False}


def test_mode_yank_marks_until_when(cooling: World) -> None:
    cooling.configure(cooldown_mode="yank")
    upload(cooling, "demo", "2.0")
    moment = iso(cooling.clock.time + DAY)
    cooling.sync(later=MINUTE)
    marks = cooling.yanked("demo")
    assert marks["demo-1.0.tar.gz"] is False
    assert str(marks["demo-2.0.tar.gz"]).endswith(f" {moment}")
    cooling.sync(later=DAY)
    assert set(cooling.yanked("demo").values()) == {False}


def test_the_cut_off_and_the_rules_are_recorded(cooling: World) -> None:
    with cooling.state() as state:
        assert state.facts.moment("cutoff") == cooling.clock.time
        assert state.facts.text("offer_digest") is not None


def test_without_rules_nothing_is_recorded(world: World) -> None:
    world.started()
    with world.state() as state:
        assert state.facts.moment("cutoff") is None


def test_patterns_replace_the_age(world: World) -> None:
    world.configure(cooldown_age="1d", cooldown_projects={"our-*": "0", "slow": "9d"})
    for name in ("our-tool", "slow", "other"):
        upload(world, name, "1.0")
    world.sync(later=HOUR)
    assert names(world, "our-tool")
    assert not names(world, "slow")
    assert not names(world, "other")
    world.sync(later=DAY)
    assert names(world, "other")
    assert not names(world, "slow")


def test_files_of_a_release_become_visible_together(cooling: World) -> None:
    upload(cooling, "demo", "2.0")
    cooling.sync(later=50 * MINUTE)
    upload(cooling, "demo", "2.0", filename="demo-2.0-py3-none-any.whl")
    cooling.sync(later=DAY - 10 * MINUTE)
    assert names(cooling) == ["demo-1.0.tar.gz"]
    cooling.sync(later=11 * MINUTE)
    assert len(names(cooling)) == 3


def test_a_late_file_hides_none_that_was_visible(world: World) -> None:
    world.configure(cooldown_age="30m")
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    upload(world, "demo", "2.0")
    world.sync(later=31 * MINUTE)
    assert len(names(world)) == 2
    upload(world, "demo", "2.0", filename="demo-2.0-py3-none-any.whl")
    world.sync(later=MINUTE)
    assert len(names(world)) == 2
    world.sync(later=30 * MINUTE)
    assert len(names(world)) == 3


@pytest.mark.rule("R8")
@pytest.mark.parametrize("journal", ["none", "listing"])
def test_a_hidden_file_that_upstream_loses_goes_at_once(
    world: World, caplog: pytest.LogCaptureFixture, journal: str
) -> None:
    """Let the file go.

    A guard holds what vanishes without a reason. The mirror never offered this file.
    """
    projects = ["demo", "p1", "p2", "p3"]
    world.configure(cooldown_age="1d", upstream_journal=journal, mirror_projects=projects)
    world.started(*projects)
    for name in projects:
        upload(world, name, "6.6.6")
    assert world.sync(later=HOUR) == DONE
    for name in projects:
        world.up.remove_release(name, "6.6.6")
    assert world.sync(later=HOUR) == DONE
    assert caplog.text == ""
    assert world.sync(later=2 * DAY) == DONE
    assert names(world) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    for name in projects:
        world.up.remove_release(name, "2.0")
    assert world.sync(later=HOUR) == HELD
    assert "demo-2.0.tar.gz: missing on upstream's page" in caplog.text
    assert "it stays published" in caplog.text
    assert names(world) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


@pytest.mark.parametrize("fault", [Fault.status(500), Fault.status(404)])
def test_a_removal_of_a_hidden_file_needs_no_page(cooling: World, fault: Fault) -> None:
    upload(cooling, "demo", "6.6.6")
    cooling.sync(later=HOUR)
    cooling.up.fail("^/simple/demo/", fault, None)
    cooling.up.remove_release("demo", "6.6.6")
    for _ in range(3):
        cooling.sync(later=DAY)
        assert names(cooling) == ["demo-1.0.tar.gz"]
    cooling.up.heal()
    assert cooling.sync(later=DAY) == DONE
    assert names(cooling) == ["demo-1.0.tar.gz"]
    with cooling.state() as state:
        assert not state.lost_files.any()


def test_a_hidden_file_that_a_stale_page_still_has_stays_withheld(
    cooling: World,
) -> None:
    upload(cooling, "demo", "6.6.6")
    cooling.sync(later=HOUR)
    cooling.up.yank("demo", "1.0", "bad")
    cooling.up.remove_release("demo", "6.6.6")
    cooling.up.serve_stale("demo")
    for _ in range(3):
        cooling.sync(later=DAY)
        assert names(cooling) == ["demo-1.0.tar.gz"]
    assert cooling.yanked("demo") == {"demo-1.0.tar.gz": "bad"}


def test_a_hidden_release_whose_quarantine_is_cleared_keeps_its_clock(
    cooling: World,
) -> None:
    upload(cooling, "demo", "2.0")
    cooling.sync(later=HOUR)
    cooling.up.fail("^/simple/demo/", Fault.status(500), None)
    cooling.up.quarantine_release("demo", "2.0")
    cooling.sync(later=DAY)
    assert names(cooling) == ["demo-1.0.tar.gz"]
    cooling.up.clear_release_quarantine("demo", "2.0")
    cooling.up.heal()
    assert cooling.sync(later=MINUTE) == DONE
    assert names(cooling) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


def test_rules_that_begin_with_a_loss_let_no_guard_pass(world: World) -> None:
    """The file was offered: only the new rules hide it."""
    world.configure(upstream_journal="listing")
    world.started("demo")
    upload(world, "demo", "3.0")
    assert world.sync(later=HOUR) == DONE
    world.up.remove_release("demo", "3.0")
    world.configure(cooldown_age="1d")
    assert world.sync(later=HOUR) == PARTIAL
    world.configure(cooldown_age="0")
    assert world.sync() == PARTIAL
    assert "demo-3.0.tar.gz" in names(world)


# Clocks


def test_a_clock_that_is_set_back_keeps_the_cut_off(
    cooling: World, caplog: pytest.LogCaptureFixture
) -> None:
    upload(cooling, "demo", "2.0")
    cooling.sync(later=2 * DAY)
    cutoff = recorded_cutoff(cooling)
    caplog.clear()
    assert cooling.sync(later=-10 * DAY) == DONE
    assert len(names(cooling)) == 2
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "clock" in warnings[0].getMessage()
    with cooling.state() as state:
        assert state.facts.moment("cutoff") == cutoff
        assert state.facts.text("clock_problem") is not None
    assert cooling.sync(later=11 * DAY) == DONE
    with cooling.state() as state:
        assert state.facts.text("clock_problem") is None


@pytest.mark.parametrize("ahead", [10 * DAY, -10 * DAY])
def test_a_clock_unlike_upstreams_keeps_the_cut_off(cooling: World, ahead: float) -> None:
    cooling.up.date = lambda: cooling.clock.time
    upload(cooling, "demo", "2.0")
    cooling.sync(later=HOUR)
    cutoff = recorded_cutoff(cooling)
    cooling.up.date, cooling.up.age = (lambda: cooling.clock.time - ahead - 100), 100
    assert cooling.sync(later=10 * DAY) == DONE
    assert len(names(cooling)) == 1
    with cooling.state() as state:
        assert state.facts.moment("cutoff") == cutoff
    cooling.up.date = lambda: cooling.clock.time - 100
    assert cooling.sync(later=HOUR) == DONE
    assert len(names(cooling)) == 2


@pytest.mark.parametrize("is_first", [True, False])
def test_pages_alone_are_compared_with_upstreams_clock_too(world: World, is_first: bool) -> None:
    world.configure(cooldown_age="1d", upstream_journal="none", mirror_projects=["demo"])
    world.up.upload("demo", "1.0")
    world.up.date = lambda: world.clock.time
    if not is_first:
        assert world.sync() == DONE
    upload(world, "demo", "2.0")
    world.up.date = lambda: world.clock.time - 10 * DAY
    assert world.sync(later=10 * DAY) == DONE
    assert names(world) == ["demo-1.0.tar.gz"]
    with world.state() as state:
        assert "differs from upstream's" in (state.facts.text("clock_problem") or "")
    world.up.fail("^/simple/$", Fault.status(500), None)
    world.up.date = None
    assert world.sync(later=2 * DAY) == DONE
    assert len(names(world)) == 2


@pytest.mark.parametrize("ahead", [10 * DAY, -10 * DAY])
def test_a_first_build_takes_the_earlier_clock(world: World, ahead: float) -> None:
    world.configure(cooldown_age="1d")
    world.up.upload("demo", "1.0")
    world.up.date = lambda: world.clock.time - ahead
    assert world.sync() == DONE
    with world.state() as state:
        assert state.facts.moment("cutoff") == pytest.approx(
            world.clock.time - max(ahead, 0.0), abs=2
        )


@pytest.mark.parametrize("is_out", [False, True])
def test_rules_that_begin_under_a_wrong_clock_go_by_the_earlier_one(
    world: World, *, is_out: bool
) -> None:
    ahead = 30 * DAY
    world.clock.time += ahead
    world.up.date = lambda: world.clock.time - ahead
    world.started("demo")
    world.configure(cooldown_age="3d")
    if is_out:  # then nothing tells that our clock is wrong
        world.up.fail("", Fault.reset(), None)
        world.sync()
        world.up.heal()
    world.sync()
    with world.state() as state:
        assert state.facts.moment("cutoff") == pytest.approx(world.clock.time - ahead, abs=2)
    world.up.clock = int(world.clock.time - ahead)
    world.up.upload("demo", "6.6.6")
    assert world.sync() == DONE
    assert names(world) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


def test_html_pages_have_the_marks_too(cooling: World) -> None:
    cooling.configure(cooldown_mode="yank")
    upload(cooling, "demo", "2.0")
    cooling.sync(later=MINUTE)
    body = cooling.kills.store.read("demo", HTML)
    assert body is not None
    assert body.count(b"data-yanked") == 1


def test_the_list_has_a_revision(cooling: World) -> None:
    def revision(name: str) -> int | None:
        body = cooling.kills.store.read(None, layout.V1_JSON.filename)
        assert body is not None
        rows = {row["name"]: row.get("_revision") for row in json.loads(body)["projects"]}
        found: int | None = rows[name]
        return found

    cooling.configure(mirror_list_interval="0")
    cooling.up.upload("other", "1.0")
    assert cooling.sync() == DONE
    known, other = revision("demo"), revision("other")
    assert isinstance(known, int)
    upload(cooling, "demo", "2.0")
    for later in (MINUTE, DAY):  # with a new serial, and without one
        assert cooling.sync(later=later) == DONE
        grown = revision("demo")
        assert grown is not None and grown > known
        known = grown
    assert revision("other") == other
    cooling.configure(cooldown_age="0")
    assert cooling.sync() == DONE
    assert revision("demo") is None


@pytest.mark.parametrize("mode", ["hide", "yank"])
def test_two_mirrors_with_the_same_cut_off_have_the_same_pages(
    world: World, served: Served, tmp_path: Path, mode: str
) -> None:
    """One follows from the beginning, and the other was built last."""
    world.configure(cooldown_age="1d", cooldown_mode=mode)
    world.started("demo", "other")
    upload(world, "demo", "3.0")
    assert world.sync(later=HOUR) == DONE
    upload(world, "other", "3.0")
    assert world.sync(later=2 * HOUR) == DONE
    second = World(served, tmp_path, cooldown_age="1d", cooldown_mode=mode)
    second.up = served.upstream = world.up
    second.clock.time = world.clock.time
    assert second.sync(later=0.0) == DONE
    assert recorded_cutoff(second) == recorded_cutoff(world)
    pages = {path: body for path, body in world.files().items() if path.count("/") == 2}
    assert len(pages) == 6
    assert {path: body for path, body in second.files().items() if path in pages} == pages
