"""Whole passes in which the rules change, upload-times are missing, or others compare pages."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.dated_uploads import names, upload
from tests.support.world import DAY, DONE, FAILED, HELD, HOUR, World
from yanksync.adopt.results import AdoptOutcome
from yanksync.cli.display.plan_lines import plan_lines
from yanksync.core.exit_codes import ExitCode
from yanksync.core.rules.fetch_plan import ChangedMark, PassPlan
from yanksync.mirror.context import Mirror
from yanksync.sync.plan import plan_pass
from yanksync.verify.check import verify_output
from yanksync.verify.repair import repair_output

MINUTE = 60.0


def plan(world: World) -> PassPlan:
    found: list[PassPlan] = []

    def work(mirror: Mirror) -> ExitCode:
        found.append(plan_pass(mirror))
        return DONE

    assert world.work(work, MINUTE) == DONE, world.error
    return found[0]


def signs(of: PassPlan) -> list[str]:
    return [f"{'+' if file.appears else '-'} {file.filename}" for file in of.files]


def differences(world: World) -> list[Any]:
    found: list[Any] = []
    world.work(lambda mirror: verify_output(mirror, found.append)[1], MINUTE)
    return found


def undated(page: dict[str, Any]) -> dict[str, Any]:
    for file in page["files"]:
        file.pop("upload-time", None)
    return page


# Rules that change


def test_a_change_is_not_held_and_counted(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="yanksync")
    for number in range(10):
        upload(world, f"p{number}", "1.0")
    assert world.sync() == DONE
    world.configure(cooldown_age="1d")
    planned = plan(world)
    assert signs(planned) == [f"- p{number}-1.0.tar.gz" for number in range(10)]
    assert names(world, "p0")
    assert world.sync() == DONE
    assert not any(names(world, f"p{number}") for number in range(10))
    assert "changed rules: - 10 files, + 0 files" in caplog.text
    world.configure(cooldown_age="0")
    assert len(signs(plan(world))) == 10
    assert world.sync() == DONE
    assert "changed rules: - 0 files, + 10 files" in caplog.text
    assert world.sync() == DONE
    with world.state() as state:
        assert state.facts.text("offer_digest") is None
        assert state.file_times.waiting() == (0, None)


def test_a_longer_age_hides_again(world: World) -> None:
    world.configure(cooldown_age="1h")
    upload(world, "demo", "1.0")
    world.sync()
    world.sync(later=2 * HOUR)
    assert names(world)
    world.configure(cooldown_age="1d")
    world.sync()
    assert not names(world)


def test_changed_rules_write_only_pages_that_differ(disk: World) -> None:
    disk.configure(mirror_list_interval="0")
    disk.started("old", "other")
    upload(disk, "young", "1.0")
    assert disk.sync() == DONE
    before, revisions = disk.stamps(), _revisions(disk)
    disk.configure(cooldown_age="1d")
    assert disk.sync() == DONE
    after = disk.stamps()
    changed = {path.split("/")[1] for path in after if after[path] != before.get(path)}
    assert {name for name in changed if "index" not in name} == {"young"}
    assert [name for name, one in _revisions(disk).items() if one != revisions[name]] == ["young"]
    with disk.state() as state:
        assert state.file_times.waiting()[0] == 1


def _revisions(world: World) -> dict[str, int]:
    """Return how often each project was published."""
    with world.state() as state:
        return {row.name: row.revision or 0 for row in state.projects.listing(revisions=True)}


# Others that compare pages


def test_verify_and_repair_use_what_was_recorded(disk: World) -> None:
    disk.configure(cooldown_age="1d")
    disk.up.upload("demo", "1.0")
    upload(disk, "demo", "2.0")
    assert disk.sync() == DONE
    disk.clock.time += 5 * DAY  # nothing was published since
    assert differences(disk) == []
    disk.configure(cooldown_age="0")
    assert differences(disk) == []
    page = disk.where / "out/simple/demo/index.v1_json"
    right = page.read_bytes()
    page.write_text("{}")
    assert differences(disk) != []
    assert disk.work(lambda mirror: repair_output(mirror, lambda *_: None)[1], 0.0) == DONE
    assert page.read_bytes() == right


def test_verify_says_that_the_configuration_has_changed(
    disk: World, caplog: pytest.LogCaptureFixture
) -> None:
    disk.started()
    assert differences(disk) == []
    assert "have changed in the configuration" not in caplog.text
    disk.configure(cooldown_age="1d")
    assert differences(disk) == []
    assert "have changed in the configuration" in caplog.text


def test_an_adopted_tree_is_hidden_by_the_same_rules(disk: World) -> None:
    disk.started()
    upload(disk, "demo", "3.0")
    disk.sync()
    disk.lose_state()
    disk.configure(cooldown_age="1d")
    assert disk.adopt() == DONE
    assert [fate.kind for fate in disk.fates] == [AdoptOutcome.FETCH]
    assert disk.settle(later=HOUR) == DONE
    assert names(disk) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


# Upload-times that are missing


def test_a_first_build_without_upload_times_publishes_nothing(world: World) -> None:
    world.configure(cooldown_age="1d")
    world.up.doctor = undated
    world.up.upload("demo", "1.0")
    for _ in range(2):
        assert world.sync() == FAILED
        assert world.error is not None
        assert "cooldown.missing" in world.error
        assert world.files() == {}
    world.configure(cooldown_missing="allow")
    assert world.sync() == DONE
    assert names(world) == ["demo-1.0.tar.gz"]


def test_one_project_with_upload_times_is_enough(world: World) -> None:
    world.configure(cooldown_age="1d")
    world.up.doctor = lambda page: undated(page) if page["name"] == "a" else page
    for name in ("a", "b"):
        world.up.upload(name, "1.0")
    assert world.sync() == DONE
    assert (names(world, "a"), names(world, "b")) == ([], ["b-1.0.tar.gz"])


def test_an_age_on_a_mirror_without_upload_times_is_refused(world: World) -> None:
    world.up.doctor = undated
    world.started()
    before = world.files()
    world.configure(cooldown_age="1d")
    assert world.sync() == FAILED
    assert world.files() == before


def test_upstream_that_stops_sending_them_changes_nothing(world: World) -> None:
    world.configure(cooldown_age="1d")
    world.started()
    before = world.files()
    world.up.doctor = undated
    world.up.upload("demo", "3.0")
    assert world.sync() == HELD
    assert world.files() == before
    world.up.doctor = None
    world.up.upload("demo", "4.0")
    assert world.settle() == DONE
    assert len(names(world)) == 4


def test_a_removal_that_leaves_only_files_without_upload_times_is_at_once(world: World) -> None:
    """Upstream has not stopped sending the key: the files that had it are gone."""
    world.configure(cooldown_age="1h")
    world.up.doctor = lambda page: (
        page
        | {
            "files": [
                {key: value for key, value in file.items() if key != "upload-time"}
                if "2.0" in file["filename"]
                else file
                for file in page["files"]
            ]
        }
    )
    world.started("demo", "other")
    assert names(world) == ["demo-1.0.tar.gz"]
    world.up.remove_release("demo", "1.0")
    assert world.sync() == DONE
    assert names(world) == []


def test_missing_has_no_effect_where_there_is_no_age(world: World) -> None:
    world.configure(cooldown_age="0", cooldown_not_after="2027-01-01T00:00:00Z")
    world.up.doctor = undated
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    assert names(world) == ["demo-1.0.tar.gz"]
    upload(world, "demo", "2.0")
    assert world.sync() == DONE
    assert names(world) == ["demo-1.0.tar.gz"]


# Overrides


def override(tmp: Path, *tables: dict[str, str]) -> str:
    path = tmp / "overrides.toml"
    lines = []
    for table in tables:
        lines.append("[[override]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    path.write_text("\n".join(lines))
    return str(path)


def test_an_allow_ends_at_the_cut_off(world: World, tmp_path: Path) -> None:
    world.configure(cooldown_age="9d")
    world.up.upload("demo", "1.0")
    upload(world, "demo", "2.0")
    world.sync()
    world.configure(
        mirror_overrides=override(
            tmp_path,
            {"match": "demo==2.0", "action": "allow", "until": "2027-01-17"},  # two days on
        )
    )
    assert signs(plan(world)) == ["+ demo-2.0.tar.gz"]
    world.sync()
    assert len(names(world)) == 2
    world.sync(later=3 * DAY)
    assert world.asked == []
    assert len(names(world)) == 1


def test_an_expired_override_is_reported_once(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.started()
    table = {"match": "demo", "action": "hide", "until": "2020-01-01"}
    world.configure(mirror_overrides=override(tmp_path, table))
    for _ in range(3):
        assert world.sync() == DONE
    assert caplog.text.count("has expired") == 1
    assert len(names(world)) == 2


def test_hide_and_yank(world: World, tmp_path: Path) -> None:
    world.started("demo", "other", "third")
    world.configure(
        mirror_overrides=override(
            tmp_path,
            {"match": "demo-1.0.tar.gz", "action": "hide"},
            {"match": "other", "action": "hide"},
            {"match": "third==2", "action": "yank", "reason": "bad"},
        )
    )
    assert world.sync() == DONE
    assert world.asked == []
    assert names(world) == ["demo-2.0.tar.gz"]
    assert names(world, "other") == []
    assert "other" in world.listed()
    assert world.yanked("third") == {"third-1.0.tar.gz": False, "third-2.0.tar.gz": "bad"}
    world.configure(mirror_yanked="omit")
    assert world.sync() == DONE
    assert names(world, "third") == ["third-1.0.tar.gz"]


def test_a_dry_run_lists_what_changes(world: World) -> None:
    world.started("a", "b", "c")
    upload(world, "a", "3.0")
    assert world.sync() == DONE
    world.configure(cooldown_age="1d")
    first = plan(world)
    assert (signs(first), first.marks) == (["- a-3.0.tar.gz"], ())
    assert (first.publications, first.rewrites) == (1, ("a",))
    world.configure(cooldown_mode="yank")
    assert plan(world).marks == (ChangedMark("a-3.0.tar.gz", yanked=True),)
    assert world.sync() == DONE
    world.configure(cooldown_age="0", cooldown_mode="hide")
    last = plan(world)
    assert (last.files, last.marks) == ((), (ChangedMark("a-3.0.tar.gz", yanked=False),))
    assert (last.publications, last.rewrites) == (1, ("a",))
    assert next(iter(plan_lines(last))) == "~ unmark a-3.0.tar.gz"


# Advisories


def record(name: str, *versions: str, id_: str = "MAL-1") -> bytes:
    package = {"ecosystem": "PyPI", "name": name}
    return json.dumps(
        {"id": id_, "affected": [{"package": package, "versions": list(versions)}]}
    ).encode()


def test_advisories_hide_from_files_directories_and_archives(world: World, tmp_path: Path) -> None:
    world.started("a", "b", "c")
    (tmp_path / "a.json").write_bytes(record("a", "1.0"))
    (tmp_path / "osv/deep").mkdir(parents=True)
    (tmp_path / "osv/deep/b.json").write_bytes(record("b", "1.0"))
    (tmp_path / "osv/README.md").write_text("no record")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("MAL-3.json", record("c", "1.0"))
    paths = [str(tmp_path / name) for name in ("a.json", "osv", "c.zip")]
    world.configure(mirror_advisories=paths)
    assert world.sync() == DONE
    for name in "abc":
        assert names(world, name) == [f"{name}-2.0.tar.gz"]
    (tmp_path / "a.json").write_bytes(record("a", "1.0", "2.0"))
    assert world.sync() == DONE
    assert names(world, "a") == []


def test_changed_advisories_are_listed_and_counted(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="yanksync")
    world.started()
    path = tmp_path / "a.json"
    path.write_bytes(record("demo", "1.0"))
    world.configure(mirror_advisories=[str(path)])
    assert world.sync() == DONE
    path.write_bytes(record("demo", "2.0", "3.0"))
    assert signs(plan(world)) == ["- demo-2.0.tar.gz", "+ demo-1.0.tar.gz"]
    assert world.sync() == DONE
    assert "changed rules: - 1 files, + 1 files" in caplog.text
    caplog.clear()
    world.configure(mirror_advisories=[])
    assert signs(plan(world)) == ["+ demo-2.0.tar.gz"]
    assert world.sync() == DONE
    assert "changed rules: - 0 files, + 1 files" in caplog.text


@pytest.mark.parametrize("content", [None, b"{", b"[]"])
def test_unreadable_advisories_change_nothing(
    world: World, tmp_path: Path, content: bytes | None
) -> None:
    world.started()
    before = world.files()
    world.up.yank("demo", "1.0")
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    world.configure(mirror_advisories=[str(tmp_path / "a.json")])
    assert world.sync() == FAILED
    assert "mirror.advisories" in str(world.error)
    assert world.files() == before


def test_a_pipe_among_the_advisories_hangs_no_pass(world: World, tmp_path: Path) -> None:
    world.started()
    os.mkfifo(tmp_path / "pipe.json")
    world.configure(mirror_advisories=[str(tmp_path / "pipe.json")])
    assert world.sync() == FAILED
    assert "neither a file nor a directory" in str(world.error)


def test_bringing_much_back_is_held(world: World, tmp_path: Path) -> None:
    everything = [f"p{number}" for number in range(5)]
    world.started(*everything)
    osv = tmp_path / "osv"
    osv.mkdir()
    for name in everything:
        (osv / f"{name}.json").write_bytes(record(name, "1.0"))
    world.configure(mirror_advisories=[str(osv)])
    assert world.sync() == DONE
    for name in everything[:4]:
        os.unlink(osv / f"{name}.json")
    for _ in range(2):
        assert world.sync() == HELD
        assert names(world, "p0") == ["p0-2.0.tar.gz"]
    assert world.approve() == ["the advisories"]
    assert world.sync() == DONE
    assert len(names(world, "p0")) == 2
    assert names(world, "p4") == ["p4-2.0.tar.gz"]
    os.unlink(osv / "p4.json")
    assert world.sync() == DONE
    assert len(names(world, "p4")) == 2


def test_three_releases_may_come_back(world: World, tmp_path: Path) -> None:
    projects = ["p0", "p1", "p2"]
    world.started(*projects)
    for name in projects:
        (tmp_path / f"{name}.json").write_bytes(record(name, "1.0"))
    world.configure(mirror_advisories=[str(tmp_path / f"{name}.json") for name in projects])
    assert world.sync() == DONE
    assert names(world, "p0") == ["p0-2.0.tar.gz"]
    world.configure(mirror_advisories=[])
    assert world.sync() == DONE
    assert all(len(names(world, name)) == 2 for name in projects)


def test_advisories_are_read_again_only_when_they_changed(world: World, tmp_path: Path) -> None:
    world.started()
    path = tmp_path / "a.json"
    path.write_bytes(record("demo", "1.0"))
    world.configure(mirror_advisories=[str(path)])
    assert world.sync() == DONE
    about = path.stat()
    path.write_bytes(b"x" * about.st_size)  # reading it would fail
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert world.sync() == DONE
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    assert world.sync() == FAILED


def test_many_advisory_files_are_compared_once_in_a_while(world: World, tmp_path: Path) -> None:
    """A look at each of thousands of files is too much for every pass."""
    world.started()
    osv = tmp_path / "osv"
    (osv / "deep").mkdir(parents=True)
    for number in range(201):
        (osv / f"deep/{number}.json").write_bytes(record(f"p{number}", "1.0"))
    world.configure(mirror_advisories=[str(osv)])
    assert world.sync() == DONE
    (osv / "deep/0.json").write_bytes(record("demo", "1.0"))
    assert world.sync(later=10 * MINUTE) == DONE
    assert len(names(world)) == 2
    os.utime(osv)  # as the documentation advises
    assert world.sync(later=MINUTE) == DONE
    assert names(world) == ["demo-2.0.tar.gz"]
    (osv / "deep/0.json").write_bytes(record("demo", "1.0", "2.0"))
    assert world.sync(later=14 * MINUTE) == DONE
    assert names(world) == ["demo-2.0.tar.gz"]
    assert world.sync(later=2 * MINUTE) == DONE
    assert names(world) == []
    for path in sorted(osv.glob("deep/?.json")):
        path.unlink()
    assert world.sync(later=-HOUR) == DONE  # a clock that is set back hides no change
    assert len(names(world)) == 2
