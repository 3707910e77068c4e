"""Whole passes under cooldown: which time of a file counts, with a journal and without one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.dated_uploads import names, upload
from tests.support.fake_index.index import Fault
from tests.support.world import DAY, DONE, HOUR, World

MINUTE = 60.0
LONG_AGO = "2020-01-01T00:00:00Z"
ONE, TWO = "demo-1.0.tar.gz", "demo-2.0.tar.gz"


def follow(world: World, journal: str, **flags: str) -> None:
    """Follow upstream in one way, and build a mirror of two old releases."""
    world.configure(upstream_journal=journal, guard_confirm_after="0", **flags)
    if journal == "none":
        world.configure(mirror_projects=["demo", "other"])
    world.started("demo", "other")


@pytest.mark.parametrize("age", ["0", "1d"])
@pytest.mark.parametrize("journal", ["xmlrpc", "listing", "none"])
def test_a_backdated_file_is_as_young_as_its_entry_or_first_sight(
    world: World, journal: str, age: str
) -> None:
    """Both times are recorded with cooldown off, too."""
    follow(world, journal, cooldown_age=age)
    upload(world, "demo", "3.0", upload_time=LONG_AGO)
    assert world.sync(later=HOUR) == DONE
    assert len(names(world)) == (2 if age == "1d" else 3)
    world.configure(cooldown_age="1d")
    assert world.sync(later=22 * HOUR) == DONE
    assert names(world) == [ONE, TWO]
    assert world.sync(later=3 * HOUR) == DONE
    assert len(names(world)) == 3


@pytest.mark.parametrize("journal", ["xmlrpc", "listing", "none"])
def test_a_quarantine_keeps_the_time_of_a_file(world: World, journal: str) -> None:
    follow(world, journal, cooldown_age="1d")
    upload(world, "demo", "3.0", upload_time=LONG_AGO)
    assert world.sync(later=HOUR) == DONE
    world.up.quarantine_project("demo")
    assert world.sync(later=HOUR) == DONE
    assert names(world) == []  # at once, whatever waits
    world.up.clear_project_quarantine("demo")
    assert world.sync(later=20 * HOUR) == DONE
    assert names(world) == [ONE, TWO]
    assert world.sync(later=4 * HOUR) == DONE
    assert len(names(world)) == 3


@pytest.mark.parametrize("journal", ["xmlrpc", "listing", "none"])
def test_files_of_a_name_that_a_wider_selection_adds_are_as_old_as_they_say(
    world: World, journal: str
) -> None:
    world.configure(upstream_journal=journal, mirror_projects=["demo"], cooldown_age="1d")
    world.up.upload("other", "1.0")
    world.started("demo")
    assert world.sync(later=DAY) == DONE
    world.configure(mirror_projects=["demo", "other"])
    assert world.settle() == DONE
    assert names(world, "other") == ["other-1.0.tar.gz"]


@pytest.mark.parametrize("journal", ["xmlrpc", "listing", "none"])
def test_a_project_that_appears_is_new_whatever_its_files_say(world: World, journal: str) -> None:
    world.configure(cooldown_age="1d")
    world.configure(upstream_journal=journal, guard_confirm_after="0")
    if journal == "none":
        world.configure(mirror_projects=["demo", "fresh"])
    world.started("demo")
    upload(world, "fresh", "1.0", upload_time=LONG_AGO)
    assert world.settle(later=HOUR) == DONE
    assert names(world, "fresh") == []
    assert world.sync(later=2 * DAY) == DONE
    assert names(world, "fresh") == ["fresh-1.0.tar.gz"]


def test_an_entry_after_the_cursor_of_the_first_fetch_counts(world: World) -> None:
    """The first page of a project has the file already; the next pass reads its entry."""
    world.configure(cooldown_age="1d", upstream_workers="1")
    world.up.upload("demo", "1.0")
    world.up.upload("other", "1.0")
    arriving = [True]

    def arrive(page: dict[str, Any]) -> dict[str, Any]:
        if arriving:
            arriving.clear()
            late = "other" if page["name"] == "demo" else "demo"
            upload(world, late, "6.6.6", upload_time=LONG_AGO)
        return page

    world.up.doctor = arrive
    assert world.sync() == DONE
    assert world.sync(later=HOUR) == DONE
    for name in ("demo", "other"):
        assert names(world, name) == [f"{name}-1.0.tar.gz"]
    assert world.sync(later=DAY) == DONE
    assert len([*names(world), *names(world, "other")]) == 3


@pytest.mark.parametrize("everything", [False, True])
def test_files_that_an_earlier_version_recorded_are_as_old_as_they_say(
    world: World, everything: bool
) -> None:
    """That version had no table of times, and the upgrade makes an empty one."""
    world.started("demo")
    upload(world, "demo", "3.0", upload_time=LONG_AGO)
    assert world.sync(later=HOUR) == DONE
    with world.state() as state:
        state._db.execute("DELETE FROM file_times")
    world.configure(cooldown_age="1d")
    assert world.sync(later=MINUTE) == DONE
    if everything:
        assert world.resync() == DONE
    assert len(names(world)) == 3
    upload(world, "demo", "4.0", upload_time=LONG_AGO)
    assert world.sync(later=HOUR) == DONE
    assert len(names(world)) == 3


def test_only_files_on_the_page_hold_back_their_release(world: World) -> None:
    world.configure(cooldown_age="1d")
    world.started("demo")
    upload(world, "demo", "3.0")
    assert world.sync(later=50 * MINUTE) == DONE
    upload(world, "demo", "3.0", filename="demo-3.0-py3-none-any.whl")
    assert world.sync(later=MINUTE) == DONE
    world.up.remove_file("demo", "demo-3.0-py3-none-any.whl")
    assert world.sync(later=MINUTE) == DONE
    assert world.sync(later=DAY - 50 * MINUTE) == DONE
    assert names(world) == [ONE, TWO, "demo-3.0.tar.gz"]


def test_the_age_of_a_project_is_that_of_its_earliest_file_ever(world: World) -> None:
    world.configure(cooldown_age="1h", cooldown_new_projects="3d")
    world.started("demo")
    for version in ("1.0", "2.0"):
        world.up.remove_release("demo", version)
    upload(world, "demo", "3.0")
    assert world.sync(later=2 * HOUR) == DONE
    assert names(world) == ["demo-3.0.tar.gz"]


def test_without_an_upload_time_the_add_time_alone_decides(world: World) -> None:
    world.configure(cooldown_age="1d", cooldown_missing="allow")
    world.up.doctor = lambda page: {
        **page,
        "files": [
            {key: value for key, value in file.items() if key != "upload-time"}
            for file in page["files"]
        ],
    }
    world.started("demo")
    assert names(world) == [ONE, TWO]  # those of the first fetch count as old
    upload(world, "demo", "3.0")
    assert world.sync(later=HOUR) == DONE
    assert names(world) == [ONE, TWO]
    assert world.sync(later=DAY) == DONE
    assert len(names(world)) == 3


def test_a_yank_of_a_hidden_file_is_there_when_it_becomes_visible(world: World) -> None:
    world.configure(cooldown_age="1d")
    world.started("demo")
    upload(world, "demo", "3.0")
    assert world.sync(later=HOUR) == DONE
    world.up.yank("demo", "3.0", "bad")
    assert world.sync(later=HOUR) == DONE
    assert [row.version for row in world.history()] == ["3.0"]
    world.up.fail("", Fault.status(500), None)
    world.sync(later=DAY)
    assert world.yanked("demo")["demo-3.0.tar.gz"] == "bad"
