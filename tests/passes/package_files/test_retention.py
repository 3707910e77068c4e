"""Checks passes of a mirror that keeps copies.

Upstream has removed the files.
"""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.dying_store import Killed
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.system.audited_calls import audited
from tests.support.world import DAY, DONE, PARTIAL, World
from yanksync.config.load import load
from yanksync.core.package_files.retention import Refusal
from yanksync.core.policies.cooldown import format_time
from yanksync.output.comparison import Finding
from yanksync.sync.package_files.restore import find_restorable, restore
from yanksync.verify.check import verify_output
from yanksync.verify.repair import repair_output
from yanksync.verify.summary import FileCheck

ONE, TWO = "demo-1.0.tar.gz", "demo-2.0.tar.gz"


class Keeper(World):
    """A mirror of a project that is a month old."""

    def __init__(self, served: Served, where: Path, **flags: Any) -> None:
        flags = {"mirror_files": "copy", "mirror_deleted": "yank", **flags}
        super().__init__(served, where, disk=True, **flags)
        self.started()
        self.pass_days(30)

    def pass_days(self, days: float) -> None:
        self.up.clock += int(days * DAY)
        self.clock.time += days * DAY

    def offered(self, place: str = "simple/demo") -> dict[str, bool | str]:
        """Return the yanks on a page, by file name; every link leads to a copy."""
        base = self.where / "out" / place
        try:
            page = json.loads((base / "index.v1_json").read_bytes())
        except FileNotFoundError:
            return {}
        for file in page["files"]:
            assert (base / file["url"]).resolve().read_bytes(), file["filename"]
        return {file["filename"]: file["yanked"] for file in page["files"]}

    def served_files(self) -> list[str]:
        return sorted(path.name for path in (self.where / "out/packages").rglob("*.gz"))

    def withheld(self) -> list[str]:
        return sorted(path.name for path in (self.where / "state.db.withheld").rglob("*.gz"))

    def differences(self) -> int:
        found: list[Finding] = []
        self.work(lambda mirror: verify_output(mirror, found.append)[1], later=0.0)
        return len(found)

    def removed_on(self) -> str:
        """Return the reason of a file that upstream removed just now."""
        return f"removed upstream on {format_time(self.up.clock)[:10]}"


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> Keeper:
    return Keeper(served, tmp_path)


def test_a_removed_file_stays_for_exact_pins(mirror: Keeper) -> None:
    mirror.up.yank("demo", "1.0", "broken")
    mirror.sync()
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    assert mirror.offered() == {ONE: f"{mirror.removed_on()}; yanked before: broken", TWO: False}
    assert mirror.page("demo")["versions"] == ["1.0", "2.0"]  # type: ignore[index]
    assert mirror.told("demo")[-1][1] == "remove"  # in the history it is what it is
    assert mirror.differences() == 0
    before = mirror.offered()
    assert mirror.sync(later=400 * DAY) == DONE
    assert mirror.offered() == before


def test_the_days_of_a_kept_file_end(served: Served, tmp_path: Path) -> None:
    mirror = Keeper(served, tmp_path, files_keep_days=10)
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.sync(later=9 * DAY)
    assert list(mirror.offered()) == [ONE, TWO]
    assert mirror.sync(later=DAY) == DONE
    assert (mirror.offered(), mirror.withheld()) == ({TWO: False}, [ONE])
    assert mirror.differences() == 0
    mirror.sync(later=8 * DAY)
    assert (mirror.served_files(), mirror.withheld()) == ([TWO], [])


def test_a_kept_release_takes_no_place_of_the_newest(served: Served, tmp_path: Path) -> None:
    mirror = Keeper(served, tmp_path, files_newest=1)
    assert list(mirror.offered()) == [TWO]
    mirror.up.remove_release("demo", "2.0")
    assert mirror.sync() == DONE
    assert mirror.offered() == {ONE: False, TWO: mirror.removed_on()}
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    assert list(mirror.offered()) == ["demo-3.0.tar.gz"]


def test_a_file_removed_early_is_not_kept(mirror: Keeper) -> None:
    mirror.up.upload("demo", "3.0")
    mirror.sync()
    mirror.pass_days(13.9)
    mirror.up.remove_release("demo", "3.0")
    mirror.sync()
    assert (list(mirror.offered()), mirror.withheld()) == ([ONE, TWO], ["demo-3.0.tar.gz"])


def test_a_quarantine_takes_files_away_until_it_is_cleared(mirror: Keeper) -> None:
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.up.quarantine_project("demo")
    mirror.sync()
    assert (mirror.offered(), mirror.served_files()) == ({}, [])
    assert mirror.withheld() == [ONE, TWO]
    mirror.sync(later=30 * DAY)
    assert mirror.withheld() == [TWO]  # the kept one is not to come back
    mirror.up.clear_project_quarantine("demo")
    assert mirror.settle() == DONE
    assert (mirror.offered(), mirror.withheld()) == ({TWO: False}, [])


def test_a_quarantine_by_the_journal_alone_takes_files_away(mirror: Keeper) -> None:
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.up.quarantine_project("demo")
    mirror.up.serve_stale("demo", 9)
    mirror.sync()
    assert (mirror.offered(), mirror.served_files()) == ({}, [])


def test_a_release_under_quarantine_comes_back_or_is_deleted(mirror: Keeper) -> None:
    mirror.up.quarantine_release("demo", "1.0")
    mirror.up.quarantine_release("demo", "2.0")
    mirror.sync()
    assert (mirror.offered(), mirror.served_files()) == ({}, [])
    mirror.sync(later=30 * DAY)
    assert mirror.withheld() == [ONE, TWO]
    mirror.up.clear_release_quarantine("demo", "1.0")
    mirror.up.remove_release("demo", "2.0")
    assert mirror.settle() == DONE
    assert (mirror.offered(), mirror.withheld()) == ({ONE: False}, [TWO])
    mirror.sync(later=8 * DAY)
    assert mirror.withheld() == []
    mirror.up.remove_release("demo", "1.0")  # that was under quarantine once
    mirror.sync()
    assert (mirror.offered(), mirror.withheld()) == ({}, [ONE])


def test_the_files_of_a_removed_project_go(mirror: Keeper) -> None:
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.up.remove_project("demo")
    assert mirror.sync() == DONE
    assert (mirror.page("demo"), mirror.served_files()) == (None, [])
    assert mirror.withheld() == [ONE, TWO]


def test_the_files_of_a_removed_project_stay_until_the_name_is_created_again(
    served: Served, tmp_path: Path
) -> None:
    mirror = Keeper(served, tmp_path, files_deleted_projects="yank")
    mirror.up.remove_project("demo")
    assert mirror.sync() == DONE
    assert mirror.offered() == dict.fromkeys((ONE, TWO), mirror.removed_on())
    assert (mirror.listed(), mirror.differences()) == (["demo"], 0)
    mirror.pass_days(1)
    mirror.up.upload("demo", "3.0")
    assert mirror.settle() == DONE
    assert mirror.offered() == {"demo-3.0.tar.gz": False}
    assert mirror.withheld() == [ONE, TWO]
    assert mirror.differences() == 0


def test_a_file_that_returns_is_upstreams_again(mirror: Keeper) -> None:
    projects = mirror.up.snapshot().projects
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.up.commit("demo", projects["demo"], [("1.0", "new release")])
    assert mirror.settle() == DONE
    assert mirror.offered() == {ONE: False, TWO: False}


def test_a_changed_policy_acts_in_the_next_pass(mirror: Keeper) -> None:
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.configure(mirror_deleted="remove")
    assert mirror.sync() == DONE
    assert (mirror.offered(), mirror.withheld()) == ({TWO: False}, [ONE])
    assert mirror.sync() == DONE
    assert mirror.differences() == 0


def test_the_deleted_index_has_kept_files_alone(served: Served, tmp_path: Path) -> None:
    mirror = Keeper(served, tmp_path, mirror_deleted="remove", files_deleted_index="yes")
    listed = json.loads((tmp_path / "out/deleted/simple/index.v1_json").read_bytes())
    assert listed["projects"] == []
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    assert mirror.offered() == {TWO: False}
    assert mirror.offered("deleted/simple/demo") == {ONE: mirror.removed_on()}
    listed = json.loads((tmp_path / "out/deleted/simple/index.v1_json").read_bytes())
    assert listed["projects"] == [{"name": "demo"}]
    mirror.configure(mirror_deleted="yank")  # the pages have them, too
    mirror.sync()
    assert mirror.offered() == {ONE: mirror.removed_on(), TWO: False}
    mirror.up.quarantine_project("demo")
    mirror.sync()
    assert mirror.offered("deleted/simple/demo") == {}
    mirror.configure(files_deleted_index="no")
    mirror.sync()
    assert not (tmp_path / "out/deleted").exists()


def test_a_deleted_index_that_is_switched_off_leaves_nothing(
    served: Served, tmp_path: Path
) -> None:
    mirror = Keeper(served, tmp_path, mirror_deleted="remove", files_deleted_index="yes")
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    assert mirror.offered("deleted/simple/demo") != {}
    mirror.configure(files_deleted_index="no")
    assert mirror.sync() == DONE
    assert not (tmp_path / "out/deleted").exists()


def restored(mirror: Keeper, *names: str, force: bool = False) -> dict[str, str | None]:
    """Restore files; return why each is refused, by its name."""
    settings = load(None, {}, **mirror.flags)
    with mirror.state() as state:
        found = find_restorable(state, settings, names, force=force)
        restore(state, found)
    return {one.copy.file.filename: one.refused for one in found}


def test_a_restored_file_is_offered_as_yanked(served: Served, tmp_path: Path) -> None:
    mirror = Keeper(served, tmp_path, mirror_deleted="remove")
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.up.fail("demo-1.0", Fault.status(404), times=9)  # the host has it no more
    assert restored(mirror, "other-1.0.tar.gz") == {}
    assert restored(mirror, ONE) == {ONE: None}
    assert mirror.settle() == DONE
    assert mirror.offered() == {ONE: mirror.removed_on(), TWO: False}
    assert (mirror.withheld(), mirror.differences()) == ([], 0)
    mirror.sync(later=30 * DAY)
    assert list(mirror.offered()) == [ONE, TWO]
    mirror.up.quarantine_project("demo")
    mirror.sync()
    assert (mirror.offered(), mirror.served_files()) == ({}, [])


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_a_copy_that_cannot_be_read_now_is_put_back_later(
    served: Served, tmp_path: Path, error: int
) -> None:
    mirror = Keeper(served, tmp_path, mirror_deleted="remove")
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.up.fail("demo-1.0", Fault.status(404), None)  # the host has it no more
    assert restored(mirror, ONE) == {ONE: None}
    with audited(tmp_path) as audit:
        audit.refuse("open", ONE, error)
        assert mirror.sync() == PARTIAL
    assert mirror.settle() == DONE
    assert mirror.offered() == {ONE: mirror.removed_on(), TWO: False}


def test_a_removed_project_is_restored_with_its_page(mirror: Keeper) -> None:
    mirror.up.remove_project("demo")
    mirror.sync()
    assert restored(mirror, "Demo") == {ONE: None, TWO: None}
    assert mirror.sync() == DONE
    assert (mirror.listed(), mirror.differences()) == (["demo"], 0)
    assert mirror.offered() == dict.fromkeys((ONE, TWO), mirror.removed_on())
    mirror.up.upload("demo", "3.0")
    assert mirror.settle() == DONE
    assert list(mirror.offered()) == ["demo-3.0.tar.gz"]
    assert set(restored(mirror, "demo").values()) == {str(Refusal.CREATED_AGAIN)}


def test_what_was_under_quarantine_is_restored_by_force_alone(mirror: Keeper) -> None:
    mirror.up.quarantine_release("demo", "1.0")
    mirror.sync()
    (why,) = restored(mirror, ONE, force=True).values()
    assert why is not None and why.startswith("it is under quarantine")
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    (why,) = restored(mirror, ONE).values()
    assert why is not None and why.startswith("it was under quarantine")
    assert restored(mirror, ONE, force=True) == {ONE: None}
    assert mirror.settle() == DONE
    assert list(mirror.offered()) == [ONE, TWO]


def test_what_the_configuration_leaves_out_is_not_restored(mirror: Keeper) -> None:
    mirror.configure(mirror_exclude="demo", mirror_projects="demo,other")
    mirror.up.upload("other", "1.0")
    mirror.sync()
    why = "mirror.projects and mirror.exclude leave its project out"
    assert restored(mirror) == {ONE: why, TWO: why}


def test_a_hidden_file_comes_back_while_it_is_not_deleted(served: Served, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("")
    mirror = Keeper(served, tmp_path, mirror_overrides=str(rules))
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    rules.write_text('[[override]]\nmatch = "demo==1.0"\naction = "hide"\nreason = "malware"\n')
    mirror.sync()
    assert (mirror.offered(), mirror.withheld()) == ({TWO: False}, [ONE])
    rules.write_text("")
    assert mirror.settle() == DONE
    assert mirror.offered() == {ONE: mirror.removed_on(), TWO: False}


@pytest.mark.parametrize("step", range(1, 12))
def test_a_run_that_dies_keeps_what_is_to_be_kept(
    served: Served, tmp_path: Path, step: int
) -> None:
    mirror = Keeper(served, tmp_path, files_deleted_index="yes")
    mirror.up.remove_release("demo", "1.0")
    mirror.up.upload("other", "1.0")
    mirror.clock.dies = step * 3
    with suppress(Killed):
        mirror.sync()
    assert mirror.settle() == DONE
    assert mirror.offered() == {ONE: mirror.removed_on(), TWO: False}
    assert list(mirror.offered("deleted/simple/demo")) == [ONE]
    mirror.up.quarantine_project("demo")
    mirror.clock.dies = step * 3
    with suppress(Killed):
        mirror.sync()
    assert mirror.settle() == DONE
    assert (mirror.offered(), mirror.served_files()) == ({}, ["other-1.0.tar.gz"])
    assert (mirror.offered("deleted/simple/demo"), mirror.differences()) == ({}, 0)


def test_verify_repairs_the_deleted_index(served: Served, tmp_path: Path) -> None:
    mirror = Keeper(served, tmp_path, files_deleted_index="yes")
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    base = tmp_path / "out/deleted/simple"
    (base / "demo/index.html").write_text("planted")
    (base / "index.html").unlink()
    (base / "gone").mkdir()
    (base / "gone/index.html").write_text("old")
    (base / "mine.txt").write_text("a note")
    found: list[Finding] = []
    mirror.work(lambda opened: verify_output(opened, found.append)[1], later=0.0)
    assert {(one.kind.value, one.path.removeprefix("deleted/simple/")) for one in found} == {
        ("different", "demo/index.html"),
        ("missing", "index.html"),
        ("extra", "gone/index.html"),
        ("foreign", "mine.txt"),
    }
    repaired = mirror.work(
        lambda opened: repair_output(opened, lambda *_: None, FileCheck())[1], later=0.0
    )
    assert (repaired, mirror.differences()) == (DONE, 1)  # the note stays
    assert mirror.offered("deleted/simple/demo") == {ONE: mirror.removed_on()}


@pytest.mark.rule("R8")
def test_a_loss_without_an_entry_stays_as_it_was_until_it_counts(mirror: Keeper) -> None:
    mirror.up.doctor = lambda page: {**page, "files": page["files"][1:]}
    mirror.resync()
    assert mirror.offered() == {ONE: False, TWO: False}
    mirror.resync(later=3600.0)
    reason = f"removed upstream on {format_time(mirror.clock.time)[:10]}"
    assert mirror.offered() == {ONE: reason, TWO: False}


def test_other_bytes_of_the_same_name_take_the_place_of_a_kept_file(mirror: Keeper) -> None:
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.up.restore(replace(mirror.up.snapshot(), used=frozenset()))
    mirror.up.upload("demo", "1.0", content=b"other bytes")
    assert mirror.settle() == DONE
    assert mirror.offered() == {ONE: False, TWO: False}
    (copy,) = (mirror.where / "out/packages").rglob(ONE)
    assert copy.read_bytes() == b"other bytes"
    assert mirror.withheld() == [ONE]
    why = "upstream has another file of this name"
    assert restored(mirror, ONE) == {ONE: why}


def test_a_project_that_was_left_out_returns_without_kept_files(mirror: Keeper) -> None:
    mirror.configure(mirror_projects="demo,other")
    mirror.up.upload("other", "1.0")
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    mirror.configure(mirror_exclude="demo")
    mirror.sync()
    assert mirror.withheld() == [ONE, TWO]  # what happened meanwhile stays unknown
    mirror.configure(mirror_exclude=[])
    assert mirror.settle() == DONE
    assert (mirror.offered(), mirror.withheld()) == ({TWO: False}, [ONE])


def test_a_lost_state_finds_kept_files_on_the_published_page(mirror: Keeper) -> None:
    mirror.up.remove_release("demo", "1.0")
    mirror.sync()
    before = mirror.offered()
    mirror.lose_state()
    assert mirror.settle() == DONE
    assert (mirror.offered(), mirror.differences()) == (before, 0)
