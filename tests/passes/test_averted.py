"""What upstream withdrew while cooldown hid it stands in the history as averted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dated_uploads import names, upload
from tests.support.world import DAY, DONE, HOUR, World
from yanksync.core.model import HistoryAction


@pytest.fixture
def cooling(world: World) -> World:
    """A mirror with two old releases and two files of a young one, and an age of a day."""
    world.configure(cooldown_age="1d")
    world.started("demo")
    upload(world, "demo", "6.6.6")
    upload(world, "demo", "6.6.6", filename="demo-6.6.6-py3-none-any.whl")
    assert world.sync(later=HOUR) == DONE
    assert len(names(world)) == 2
    return world


YOUNG = ("demo-6.6.6-py3-none-any.whl", "demo-6.6.6.tar.gz")
Told = list[tuple[str, str | None, tuple[str, ...]]]


def told(world: World) -> Told:
    return [(str(row.action), row.version, tuple(sorted(row.files))) for row in world.history()]


def test_a_removed_release_is_one_row_with_its_files(cooling: World) -> None:
    serial = cooling.up.remove_release("demo", "6.6.6")
    assert cooling.sync(later=4 * HOUR) == DONE
    assert told(cooling) == [("averted", "6.6.6", YOUNG)]
    (row,) = cooling.history()
    assert (row.serial, row.source, row.reason, row.file) == (serial, "journal", "", None)
    for _ in range(3):
        assert cooling.sync(later=DAY) == DONE
    assert told(cooling) == [("averted", "6.6.6", YOUNG)]
    assert len(names(cooling)) == 2


def test_a_release_that_was_shown_is_removed(cooling: World) -> None:
    assert cooling.sync(later=2 * DAY) == DONE
    cooling.up.remove_release("demo", "6.6.6")
    assert cooling.sync() == DONE
    assert told(cooling) == [("remove", "6.6.6", ())]


def test_a_release_that_was_only_marked_is_removed(cooling: World) -> None:
    """Who pinned it could install it."""
    cooling.configure(cooldown_mode="yank")
    assert cooling.sync() == DONE
    assert len(names(cooling)) == 4
    cooling.up.remove_release("demo", "6.6.6")
    assert cooling.sync() == DONE
    assert told(cooling) == [("remove", "6.6.6", ())]


def test_a_release_that_an_override_hid_is_removed(cooling: World, tmp_path: Path) -> None:
    path = tmp_path / "overrides.toml"
    path.write_text('[[override]]\nmatch = "demo==6.6.6"\naction = "hide"\n')
    cooling.configure(mirror_overrides=str(path))
    assert cooling.sync() == DONE
    cooling.up.remove_release("demo", "6.6.6")
    assert cooling.sync() == DONE
    assert told(cooling) == [("remove", "6.6.6", ())]


def test_a_removal_in_the_pass_that_would_show_it_is_averted(cooling: World) -> None:
    cooling.up.remove_release("demo", "6.6.6")
    assert cooling.sync(later=2 * DAY) == DONE
    assert told(cooling) == [("averted", "6.6.6", YOUNG)]


def test_a_quarantined_project_keeps_its_own_row(cooling: World) -> None:
    cooling.up.quarantine_project("demo")
    assert cooling.sync() == DONE
    assert told(cooling) == [("quarantine", None, ()), ("averted", "6.6.6", YOUNG)]


@pytest.mark.parametrize("withdrawal", ["remove", "quarantine", "project"])
def test_a_young_wheel_of_an_old_release_is_averted_too(world: World, withdrawal: str) -> None:
    world.configure(cooldown_age="1d")
    world.started("demo")
    wheel = "demo-1.0-py3-none-any.whl"
    upload(world, "demo", "1.0", filename=wheel)
    assert world.sync(later=HOUR) == DONE
    if withdrawal == "remove":
        world.up.remove_release("demo", "1.0")
        expected: Told = [("remove", "1.0", ())]
    elif withdrawal == "quarantine":
        world.up.quarantine_release("demo", "1.0")
        expected = [("quarantine", "1.0", ())]
    else:
        world.up.quarantine_project("demo")
        expected = [("quarantine", None, ())]
    assert world.sync() == DONE
    assert told(world) == [*expected, ("averted", "1.0", (wheel,))]
    assert world.mirror is not None
    assert world.mirror.totals.averted == 1


def test_a_removed_project_of_young_files_has_no_other_row(cooling: World) -> None:
    upload(cooling, "evil", "1.0")
    upload(cooling, "evil", "2.0")
    assert cooling.sync() == DONE
    cooling.up.remove_project("evil")
    assert cooling.sync() == DONE
    assert told(cooling) == [
        ("averted", "1.0", ("evil-1.0.tar.gz",)),
        ("averted", "2.0", ("evil-2.0.tar.gz",)),
    ]
    upload(cooling, "evil", "3.0")
    assert cooling.sync() == DONE
    assert told(cooling)[2:] == [("return", None, ())]


def test_a_single_file(cooling: World) -> None:
    cooling.up.remove_file("demo", YOUNG[0])
    assert cooling.sync() == DONE
    assert told(cooling) == [("averted", "6.6.6", YOUNG[:1])]


def test_without_a_journal_the_page_tells(world: World) -> None:
    world.configure(cooldown_age="1d", upstream_journal="listing", guard_confirm_after="0")
    world.started("demo")
    upload(world, "demo", "6.6.6")
    assert world.sync(later=HOUR) == DONE
    world.up.remove_release("demo", "6.6.6")
    for _ in range(3):
        world.sync(later=HOUR)
    rows = [row for row in world.history() if row.action is HistoryAction.AVERTED]
    assert [(row.version, row.files, row.source) for row in rows] == [
        ("6.6.6", ("demo-6.6.6.tar.gz",), "observed")
    ]


def test_the_files_are_counted(cooling: World) -> None:
    cooling.up.remove_release("demo", "6.6.6")
    assert cooling.sync() == DONE
    assert cooling.mirror is not None
    assert cooling.mirror.totals.averted == 2
    assert cooling.sync() == DONE
    assert cooling.mirror.totals.averted == 0
