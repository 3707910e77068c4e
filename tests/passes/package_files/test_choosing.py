"""Whole passes with rules that choose files."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.dated_uploads import names, upload
from tests.support.fake_index.http_server import Served
from tests.support.world import DAY, DONE, FAILED, HELD, World
from yanksync.config.load import load
from yanksync.core.names import NormalizedName
from yanksync.reports.why.judgement import judge
from yanksync.reports.why.read import read_report
from yanksync.sync.package_files.choice import lock_files
from yanksync.sync.policy.explain import offering

WHEELS = {
    "linux": "demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
    "windows": "demo-1.0-cp312-cp312-win_amd64.whl",
}


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    return World(served, tmp_path, disk=True, mirror_files="copy")


def copied(mirror: World) -> list[str]:
    """Return the names of the copies that are served."""
    found = (mirror.where / "out/packages").rglob("*.*")
    return sorted(path.name for path in found if path.is_file())


def fetched(mirror: World) -> list[str]:
    """Return the names of the package files that the last pass asked for."""
    paths = (request.path.rpartition("/")[2] for request in mirror.requests)
    return sorted(name for name in paths if name.endswith((".gz", ".whl")))


def lock(mirror: World, *pins: tuple[str, str]) -> None:
    """Write a uv.lock with these projects and versions, and choose by it."""
    path = mirror.where / "uv.lock"
    tables = "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
        'source = { registry = "https://upstream.example/simple/" }\n'
        for name, version in pins
    )
    path.write_text(f"version = 1\n{tables}", encoding="utf-8")
    mirror.configure(files_lock_files=[str(path)])


def test_rules_that_take_many_files_away_are_told(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.started("demo", "other", "third")
    before = copied(mirror)
    mirror.configure(files_newest=1)
    assert mirror.sync() == DONE
    assert "are out of service" not in caplog.text  # three may always go
    mirror.configure(files_newest=0)
    assert mirror.sync() == DONE
    mirror.configure(files_projects={"*": "exclude"})
    assert mirror.sync() == DONE
    assert "6 of 6 package files are out of service" in caplog.text
    assert "kept for files.grace (7 days)" in caplog.text
    mirror.configure(files_projects={})
    assert mirror.sync() == DONE
    assert (copied(mirror), fetched(mirror)) == (before, [])


def test_files_without_a_hash_are_told_where_pages_hide_them(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.up.doctor = _without_hashes
    mirror.configure(files_missing="hide")
    mirror.started()
    assert names(mirror) == []
    told = "demo: none of its 2 files has a hash to check a copy with, so its page lists none"
    assert caplog.text.count(told) == 1
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    assert caplog.text.count("has a hash to check") == 1


def _without_hashes(page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "files": [{**file, "hashes": {}} for file in page["files"]]}


def test_lock_files_are_read_once_in_a_run(mirror: World) -> None:
    lock(mirror, ("demo", "1.0"))
    settings = load(None, {}, **mirror.flags)
    first = lock_files(settings, 1)
    assert lock_files(settings, 1) is first
    assert lock_files(settings, 2) is not first
    lock(mirror, ("demo", "1.0"), ("other", "2.0"))
    assert sorted(lock_files(settings, 2).pins or ()) == ["demo", "other"]


def test_a_first_build_asks_for_no_file_that_is_not_chosen(mirror: World) -> None:
    for name in WHEELS.values():
        mirror.up.upload("demo", "1.0", name)
    mirror.configure(files_platforms=["manylinux*_x86_64"], files_sdists=False)
    mirror.started()
    assert names(mirror) == copied(mirror) == [WHEELS["linux"]]
    assert fetched(mirror) == [WHEELS["linux"]]
    assert mirror.sync() == DONE
    assert fetched(mirror) == []


def test_changed_rules_remove_and_add_files_without_asking_for_a_page(mirror: World) -> None:
    mirror.started("demo", "other")
    mirror.configure(files_newest=1)
    assert mirror.sync() == DONE
    assert mirror.asked == []
    assert names(mirror) == ["demo-2.0.tar.gz"]
    assert copied(mirror) == ["demo-2.0.tar.gz", "other-2.0.tar.gz"]
    page = mirror.page("demo")
    assert page is not None
    assert page["versions"] == ["2.0"]
    mirror.configure(files_newest=0)
    assert mirror.sync() == DONE
    assert mirror.asked == []
    assert names(mirror) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    assert len(copied(mirror)) == 4


def test_a_new_release_takes_the_place_of_the_oldest(mirror: World) -> None:
    mirror.configure(files_newest=2)
    mirror.started()
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == ["demo-2.0.tar.gz", "demo-3.0.tar.gz"]
    with mirror.state() as state:
        causes = {
            one.file.filename: one.cause for one in state.package_files.by_project(["demo"])["demo"]
        }
    assert causes["demo-1.0.tar.gz"] == "unchosen"


def test_a_linked_project_keeps_upstreams_addresses(mirror: World, tmp_path: Path) -> None:
    mirror.started("demo", "other")
    config = tmp_path / "yanksync.toml"
    config.write_text('[files]\nmissing = "hide"\nnewest = 1\nprojects = { demo = "link" }\n')
    mirror.config = config
    assert mirror.sync() == DONE
    page = mirror.page("demo")
    assert page is not None
    urls = [file["url"] for file in page["files"]]
    assert len(urls) == 2
    assert all(url.startswith(mirror.served.files_url) for url in urls)
    assert copied(mirror) == names(mirror, "other") == ["other-2.0.tar.gz"]


def test_an_excluded_project_offers_no_file(
    mirror: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "yanksync.toml"
    config.write_text('[files.projects]\ndemo = "exclude"\n')
    mirror.config = config
    mirror.started("demo", "other")
    assert (names(mirror), names(mirror, "other")) == ([], copied(mirror))
    assert mirror.listed() == ["demo", "other"]
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_a_project_without_a_chosen_file_is_logged_once(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.up.upload("demo", "1.0", WHEELS["windows"])
    mirror.configure(files_platforms=["manylinux*"], files_sdists=False)
    mirror.started("demo", "other")
    logged = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    more = "so its page lists none: files.sdists"
    assert [one.partition("; ")[0] for one in logged] == [
        f"demo: none of its 3 files is chosen, {more} and files.platforms",
        f"other: none of its 2 files is chosen, {more}",
    ]
    caplog.clear()
    mirror.up.yank("demo", "1.0")
    assert mirror.sync() == DONE
    assert names(mirror) == []
    assert caplog.messages == []


def test_many_projects_without_a_chosen_file_are_counted(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.configure(files_sdists=False)
    mirror.started(*(f"demo-{number}" for number in range(23)))
    logged = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(logged) == 21
    assert (
        logged[-1] == "3 more projects have no file of a release that the rules of [files] choose"
    )


def test_files_leave_when_they_are_too_old(mirror: World) -> None:
    mirror.configure(files_max_age="30d")
    mirror.up.clock = int(mirror.clock.time) - 20 * 86400
    mirror.up.upload("demo", "1.0")
    upload(mirror, "demo", "2.0")
    assert mirror.sync() == DONE
    assert copied(mirror) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    assert mirror.sync(later=12 * DAY) == DONE
    assert names(mirror) == copied(mirror) == ["demo-2.0.tar.gz"]
    assert mirror.asked == []


def test_lock_files_name_all_that_is_mirrored(mirror: World) -> None:
    for name in ("demo", "other", "third"):
        mirror.up.upload(name, "1.0")
        mirror.up.upload(name, "2.0")
    mirror.up.yank("demo", "1.0", "broken")
    lock(mirror, ("demo", "1.0"), ("other", "2.0"))
    assert mirror.sync() == DONE
    assert mirror.listed() == ["demo", "other"]
    assert mirror.asked == ["demo", "other"]
    assert mirror.yanked("demo") == {"demo-1.0.tar.gz": "broken"}
    assert fetched(mirror) == copied(mirror) == ["demo-1.0.tar.gz", "other-2.0.tar.gz"]


def test_a_full_resync_fetches_no_project_that_no_lock_file_names(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.up.upload("demo", "1.0")
    mirror.up.upload("other", "1.0")
    lock(mirror, ("demo", "1.0"))
    assert mirror.resync("demo", "other") == DONE
    assert mirror.asked == ["demo"]
    assert "other: not fetched: no file of files.lock_files names it" in caplog.messages


def test_a_pinned_release_that_upstream_lacks_is_logged_once(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.started()
    lock(mirror, ("demo", "1.0"), ("demo", "3.0"))
    assert mirror.sync() == DONE
    (logged,) = (one for one in caplog.messages if one.startswith("demo: no file"))
    assert "no file is offered of 3.0, which files.lock_files pin; builds" in logged
    mirror.up.yank("demo", "1.0")
    caplog.clear()
    assert mirror.sync() == DONE
    assert not [one for one in caplog.messages if "no file" in one]
    mirror.configure(files_sdists=False)
    assert mirror.sync() == DONE
    assert (
        "no file is offered of 1.0, 3.0, which files.lock_files pin (files.sdists)" in caplog.text
    )


def test_requirements_without_a_version_are_logged_once(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.started("demo", "other")
    path = mirror.where / "requirements.txt"
    path.write_text("demo==1.0\nother>=1\n", encoding="utf-8")
    mirror.configure(files_lock_files=[str(path)])
    assert mirror.sync() == mirror.sync() == DONE
    assert copied(mirror) == ["demo-1.0.tar.gz"]
    (logged,) = (one for one in caplog.messages if "requirements.txt" in one)
    assert "1 requirements name no exact version of an index" in logged


def test_why_names_the_rule_that_leaves_a_release_out(mirror: World) -> None:
    mirror.configure(files_newest=1)
    mirror.started()
    with mirror.state() as state:
        read = partial(read_report, state, load(None, {}, **mirror.flags), NormalizedName("demo"))
        old, project = (
            judge(report).text
            for version in ("1.0", None)
            if (report := read(version, lambda row: offering(state, row))) is not None
        )
    assert old == "No: demo 1.0 is hidden by files.newest."
    assert project.startswith("Yes: 1 of 2 releases of demo can be installed; 1 file hidden")


def test_another_lock_file_brings_and_takes_releases(mirror: World) -> None:
    for name in ("demo", "other"):
        mirror.up.upload(name, "1.0")
        mirror.up.upload(name, "2.0")
    lock(mirror, ("demo", "1.0"))
    assert mirror.sync() == DONE
    lock(mirror, ("demo", "2.0"), ("other", "2.0"))
    assert mirror.sync() == DONE
    assert names(mirror) == ["demo-2.0.tar.gz"]
    assert copied(mirror) == ["demo-2.0.tar.gz", "other-2.0.tar.gz"]


def test_a_lock_file_that_lost_most_projects_waits_for_a_person(mirror: World) -> None:
    projects = [f"demo-{number}" for number in range(8)]
    for name in projects:
        mirror.up.upload(name, "1.0")
    lock(mirror, *((name, "1.0") for name in projects))
    assert mirror.sync() == DONE
    lock(mirror, ("demo-1", "1.0"))
    assert mirror.sync() == HELD
    assert mirror.mirror is not None
    assert mirror.mirror.totals.held["selection"].startswith("files.lock_files, mirror.projects or")
    assert len(copied(mirror)) == 8
    assert names(mirror, "demo-0") == ["demo_0-1.0.tar.gz"]
    assert mirror.approve() == ["the selection"]
    assert mirror.sync() == DONE
    assert copied(mirror) == ["demo_1-1.0.tar.gz"]
    assert mirror.sync() == DONE
    assert mirror.listed() == ["demo-1"]


def test_a_first_lock_file_that_names_few_projects_waits_for_a_person(mirror: World) -> None:
    mirror.started(*(f"demo-{number}" for number in range(5)))
    lock(mirror, ("demo-1", "1.0"))
    assert mirror.sync() == HELD
    assert names(mirror, "demo-0") == ["demo_0-1.0.tar.gz", "demo_0-2.0.tar.gz"]
    assert names(mirror, "demo-1") == ["demo_1-1.0.tar.gz"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        ("version = 9", "has version '9' of its format"),
        ("version = 1", "pin no project that mirror.projects selects; nothing is changed"),
    ],
)
def test_a_lock_file_that_cannot_be_used_changes_nothing(
    mirror: World, content: str | None, problem: str
) -> None:
    mirror.up.upload("demo", "1.0")
    lock(mirror, ("demo", "1.0"))
    assert mirror.sync() == DONE
    path = mirror.where / "uv.lock"
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    mirror.up.yank("demo", "1.0")
    assert mirror.sync() == FAILED
    assert mirror.error is not None
    assert mirror.error.startswith(f"{path}: files.lock_files: ")
    assert problem in mirror.error
    assert copied(mirror) == ["demo-1.0.tar.gz"]


def test_pages_name_all_files_again_when_files_are_linked(mirror: World) -> None:
    mirror.configure(files_newest=1)
    mirror.started()
    mirror.configure(mirror_files="link")
    assert mirror.sync() == DONE
    assert names(mirror) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


def test_a_pass_that_finds_nothing_writes_nothing(mirror: World) -> None:
    mirror.configure(files_newest=1, files_max_age="3000d")
    mirror.started()
    before = mirror.stamps()
    assert mirror.sync() == DONE
    assert mirror.stamps() == before
