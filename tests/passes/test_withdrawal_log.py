"""Whole passes with ``withdrawals.publish``: the log, the feeds and the OSV records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import feedparser  # type: ignore[import-untyped]
import pytest
from msgspec.structs import replace

from tests.support.builders.state_rows import event
from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault
from tests.support.osv_reader import read_archive, withdrawn_by
from tests.support.verification import opened
from tests.support.world import DAY, DONE, FAILED, World
from yanksync.sync.withdrawals.publish import publish_withdrawals

PUBLISHED = {"withdrawals_publish": "true"}
PROJECT_FILES = ("feed.atom", "events.json", "index.html", "withdrawn.json")


def log_of(world: World) -> list[dict[str, Any]]:
    """Return the events of the published log, as its index names them."""
    found = []
    files = world.files()
    index = json.loads(files["withdrawals/log/index.json"])
    for page in index["pages"]:
        body = files[f"withdrawals/log/{page['name']}"]
        assert sha256(body).hexdigest() == page["sha256"]
        found += [json.loads(line) for line in body.splitlines()]
    assert index["newest"] == len(found)
    return found


def told(events: Iterable[dict[str, Any]]) -> list[tuple[str, str, list[str], str | None]]:
    return [(one["project"], one["action"], one["versions"], one["reason"]) for one in events]


def begun(world: World, *projects: str) -> World:
    world.configure(**PUBLISHED)
    return world.started(*projects)


def page_hash(world: World, name: str) -> str:
    return sha256(world.files()[f"simple/{name}/index.v1_json"]).hexdigest()


def test_each_withdrawal_is_an_event_with_the_page_that_shows_it(world: World) -> None:
    begun(world, "demo", "other")
    assert log_of(world) == []
    serial = world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    (event,) = log_of(world)
    assert (event["cursor"], event["serial"], event["files"]) == (1, serial, [])
    assert event["installable_by_pin"] and event["page_sha256"] == page_hash(world, "demo")
    world.up.unyank("demo", "1.0")
    world.up.remove_release("demo", "2.0")
    world.up.quarantine_project("other")
    assert world.sync() == DONE
    world.up.clear_project_quarantine("other")
    world.up.remove_project("demo")
    assert world.sync() == DONE
    world.up.upload("demo", "3.0")
    assert world.sync() == DONE
    found = log_of(world)
    assert told(found) == [
        ("demo", "yank", ["1.0"], "bad"),
        ("demo", "unyank", ["1.0"], ""),
        ("demo", "remove", ["2.0"], ""),
        ("other", "quarantine", [], ""),
        ("other", "unquarantine", [], ""),
        ("demo", "remove", [], ""),
        ("demo", "return", [], ""),
    ]
    assert [one["cursor"] for one in found] == [1, 2, 3, 4, 5, 6, 7]
    pins = [one["installable_by_pin"] for one in found]
    assert pins == [True, True, False, False, True, False, True]
    assert found[5]["page_sha256"] is None
    logged = [one["logged"] for one in found]
    assert logged == sorted(logged)


def test_the_feeds_and_records_follow(world: World) -> None:
    world.configure(**PUBLISHED, withdrawals_title="Gone")
    world.started("demo", "other")
    world.up.yank("demo", "1.0", "bad")
    world.up.yank("other", "2.0")
    assert world.sync() == DONE
    files = world.files()
    found = feedparser.parse(files["withdrawals/feed.atom"])
    assert found.feed.title == "Gone"
    assert [one.title for one in found.entries] == ["other 2.0 was yanked", "demo 1.0 was yanked"]
    assert len(json.loads(files["withdrawals/feed.json"])["items"]) == 2
    (entry,) = feedparser.parse(files["withdrawals/project/demo/feed.atom"]).entries
    assert entry.title == "demo 1.0 was yanked"
    records = read_archive(files["withdrawals/osv/all.zip"])
    assert [one["id"] for one in withdrawn_by(records, "demo", "1.0.0")] == ["x_YANKSYNC-demo@1.0"]
    assert withdrawn_by(records, "demo", "2.0") == []
    assert json.loads(files["withdrawals/osv/demo/x_YANKSYNC-demo@1.0.json"]) in records
    world.up.unyank("demo", "1.0")
    assert world.sync() == DONE
    records = read_archive(world.files()["withdrawals/osv/all.zip"])
    assert withdrawn_by(records, "demo", "1.0") == []
    assert len(records) == 2


def writes_of(world: World, *, later: float = 300.0) -> list[str]:
    """Return what a pass writes below withdrawals/, in order."""
    world.memory.writes.clear()
    assert world.sync(later=later) == DONE
    return [path for path in world.memory.writes if path.startswith("withdrawals/")]


def test_a_pass_writes_only_what_changed_and_the_index_last(world: World) -> None:
    begun(world, "demo", "other")
    world.up.yank("demo", "1.0")
    world.up.yank("other", "1.0")
    assert world.sync() == DONE
    assert writes_of(world, later=30.0) == []
    world.up.yank("demo", "2.0")
    assert writes_of(world, later=30.0) == [
        "withdrawals/log/000001.ndjson",
        "withdrawals/project/demo/feed.atom",
        "withdrawals/project/demo/events.json",
        "withdrawals/osv/demo/x_YANKSYNC-demo@2.0.json",
        "withdrawals/project/demo/index.html",
        "withdrawals/project/demo/withdrawn.json",
        "withdrawals/feed.atom",
        "withdrawals/feed.json",
        "withdrawals/index.html",
        "withdrawals/log/index.json",
    ]
    assert writes_of(world, later=30.0) == []
    assert writes_of(world) == ["withdrawals/osv/all.zip"]  # it waits five minutes


def test_a_file_that_no_new_event_changes_stays_as_it_is(disk: World) -> None:
    disk.configure(withdrawals_watch={"ours": ["d*"], "web": ["o*"]})
    begun(disk, "demo", "other")
    for name, version in (("other", "1.0"), ("demo", "1.0"), ("demo", "2.0")):
        before = disk.stamps()
        disk.up.yank(name, version)  # the first one is the first event of the log
        assert disk.sync(later=30.0) == DONE
        after = disk.stamps()
        changed = {path for path, stamp in after.items() if before.get(path) != stamp}
        assets = {path for path in after if path.startswith("withdrawals/assets/")}
        assert len(assets) == 4 and not assets & changed
    assert {path for path in changed if path.startswith("withdrawals/")} == {
        "withdrawals/log/000001.ndjson",
        "withdrawals/log/index.json",
        "withdrawals/feed.atom",
        "withdrawals/feed.json",
        "withdrawals/watch/ours.atom",
        "withdrawals/index.html",
        "withdrawals/osv/demo/x_YANKSYNC-demo@2.0.json",
        *(f"withdrawals/project/demo/{name}" for name in PROJECT_FILES),
    }


def test_a_record_is_written_again_with_each_event_of_its_release(world: World) -> None:
    begun(world)
    world.up.yank("demo", "1.0")
    world.up.yank("demo", "2.0")
    assert world.sync() == DONE
    for change in (world.up.unyank, world.up.remove_release):
        change("demo", "1.0")
        written = [path for path in writes_of(world, later=30.0) if "/osv/demo/" in path]
        assert written == ["withdrawals/osv/demo/x_YANKSYNC-demo@1.0.json"]
    record = json.loads(world.files()["withdrawals/osv/demo/x_YANKSYNC-demo@1.0.json"])
    assert record["database_specific"]["kind"] == "remove"


def test_what_is_not_published_yet_is_no_event(world: World) -> None:
    begun(world)
    world.up.yank("demo", "1.0", "bad")
    world.up.fail("^/simple/demo", Fault.status(503), times=None)
    world.sync()
    assert log_of(world) == []
    world.up.heal()
    assert world.settle() == DONE
    assert told(log_of(world)) == [("demo", "yank", ["1.0"], "bad")]


def test_the_history_becomes_events_when_the_log_begins(world: World) -> None:
    world.started("demo", "other")
    world.up.yank("demo", "1.0", "bad")
    world.up.remove_file("demo", next(name for name in world.yanked("demo") if "2.0" in name))
    world.up.remove_project("other")
    assert world.sync() == DONE
    assert not any(path.startswith("withdrawals/") for path in world.files())
    world.configure(**PUBLISHED)
    assert world.sync() == DONE
    found = log_of(world)
    assert [one["action"] for one in found] == ["yank", "remove", "remove"]
    assert {one["page_sha256"] for one in found} == {None}
    assert len({one["logged"] for one in found}) == 1


def test_switched_off_everything_goes_and_a_new_log_has_another_epoch(world: World) -> None:
    begun(world)
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    epoch = json.loads(world.files()["withdrawals/log/index.json"])["epoch"]
    world.configure(withdrawals_publish="false")
    assert world.sync() == DONE
    assert not any(path.startswith("withdrawals/") for path in world.files())
    with world.state() as state:
        assert state.event_log.newest() == 0
    world.configure(**PUBLISHED)
    assert world.sync() == DONE
    assert len(log_of(world)) == 1
    assert json.loads(world.files()["withdrawals/log/index.json"])["epoch"] > epoch


def test_a_state_that_was_put_back_begins_another_epoch(disk: World) -> None:
    begun(disk)
    disk.up.yank("demo", "1.0")
    assert disk.sync() == DONE
    saved = (disk.where / "state.db").read_bytes()
    index = json.loads(disk.files()["withdrawals/log/index.json"])
    disk.up.yank("demo", "2.0")
    assert disk.sync() == DONE
    for path in disk.where.glob("state.db*"):
        path.unlink()
    (disk.where / "state.db").write_bytes(saved)
    disk.up.unyank("demo", "1.0")
    assert disk.settle() == DONE
    assert [one["action"] for one in log_of(disk)] == ["yank", "yank", "unyank"]
    assert json.loads(disk.files()["withdrawals/log/index.json"])["epoch"] > index["epoch"]


def test_an_output_that_was_lost_is_written_again(world: World) -> None:
    begun(world)
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    before = {path: body for path, body in world.files().items() if path.startswith("withd")}
    for path in before:
        del world.memory.files[path]
    world.up.yank("demo", "2.0")
    assert world.sync() == DONE
    after = world.files()
    assert before.keys() < after.keys() and len(log_of(world)) == 2
    page = "withdrawals/log/000001.ndjson"
    assert after[page].startswith(before[page])


def test_a_lost_output_gets_its_log_back_without_news(disk: World) -> None:
    begun(disk)
    disk.up.yank("demo", "1.0")
    assert disk.sync() == DONE
    before = {path for path in disk.files() if path.startswith("withdrawals/")}
    disk.drop_tree()
    assert disk.sync() == DONE
    assert before == {path for path in disk.files() if path.startswith("withdrawals/")}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("calls", range(12))
def test_a_pass_that_dies_is_made_up_for(world: World, calls: int, after: bool) -> None:
    begun(world)
    world.up.yank("demo", "1.0")
    world.up.remove_release("demo", "2.0")
    world.kills.at, world.kills.after = calls, after
    with suppress(Killed):
        world.sync()
    world.kills.at = None
    assert world.settle() == DONE
    assert [one["action"] for one in log_of(world)] == ["yank", "remove"]
    records = read_archive(world.files()["withdrawals/osv/all.zip"])
    assert len(withdrawn_by(records, "demo", "1.0") + withdrawn_by(records, "demo", "2.0")) == 2


def test_watch_lists_have_feeds_of_their_own(world: World) -> None:
    world.configure(**PUBLISHED, withdrawals_watch={"ours": ["d*"], "web": ["x"]})
    world.started("demo", "other")
    world.up.yank("other", "1.0")
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    files = world.files()
    (entry,) = feedparser.parse(files["withdrawals/watch/ours.atom"]).entries
    assert entry.title == "demo 1.0 was yanked"
    assert feedparser.parse(files["withdrawals/watch/web.atom"]).entries == []
    world.configure(withdrawals_watch={"ours": ["o*"]})
    assert world.sync() == DONE
    files = world.files()
    assert "withdrawals/watch/web.atom" not in files
    (entry,) = feedparser.parse(files["withdrawals/watch/ours.atom"]).entries
    assert entry.title == "other 1.0 was yanked"


def test_a_directory_that_cannot_be_written_fails_the_pass_and_nothing_else(disk: World) -> None:
    begun(disk)
    shutil.rmtree(disk.where / "out/withdrawals")
    (disk.where / "out/withdrawals").write_text("in the way")
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == FAILED
    assert set(disk.yanked("demo").values()) == {"bad", False}
    (disk.where / "out/withdrawals").unlink()
    assert disk.sync() == DONE
    assert told(log_of(disk)) == [("demo", "yank", ["1.0"], "bad")]


def test_a_run_that_is_stopped_leaves_the_index_for_the_next(world: World) -> None:
    begun(world)
    world.up.yank("demo", "1.0")
    world.configure(withdrawals_publish="false")
    assert world.sync() == DONE
    world.configure(**PUBLISHED)
    with opened(world) as mirror:
        looks = iter([False, False, False, True])
        publish_withdrawals(replace(mirror, stopping=lambda: next(looks, True)))
    assert "withdrawals/log/index.json" not in world.files()
    assert world.sync() == DONE
    assert len(log_of(world)) == 1


def test_a_watch_list_finds_what_is_old_and_rare(world: World) -> None:
    world.configure(**PUBLISHED, withdrawals_watch={"rare": ["rar*"], "all": ["*"]})
    with world.state() as state:
        names = ["rare", *["many"] * 2100]
        state.history.add(
            event("yank release", f"{number % 7}.0", 10_000 + number, name)
            for number, name in enumerate(names)
        )
    world.started("demo")
    files = world.files()
    (entry,) = feedparser.parse(files["withdrawals/watch/rare.atom"]).entries
    assert entry.title == "rare 0.0 was yanked"
    found = feedparser.parse(files["withdrawals/watch/all.atom"]).entries
    assert len(found) == 100 and "many" in found[0].title


def test_a_watch_list_keeps_all_of_its_last_day(world: World) -> None:
    """It has more events of a day than are looked through, and another one follows."""
    world.configure(withdrawals_watch={"many": ["many"]})
    begun(world)
    with world.state() as state:
        state.history.add(
            event("yank release", f"{number}.0", number, "many") for number in range(2100)
        )
    assert world.sync() == DONE
    before = world.files()["withdrawals/watch/many.atom"]
    assert before.count(b"<entry>") == 2100
    world.up.yank("demo", "1.0")
    world.configure(withdrawals_watch={"many": ["many"], "new": ["x"]})  # all are written again
    assert world.sync(later=2 * DAY) == DONE
    assert world.files()["withdrawals/watch/many.atom"] == before
