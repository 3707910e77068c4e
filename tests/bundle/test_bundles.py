"""Bundles carry what a mirror publishes to a place without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.bundles import Receiver, Steps, bundle_of, members_of
from tests.support.dying_store import Killed
from tests.support.fake_index.http_server import Served
from tests.support.world import DONE, World
from yanksync.core.errors import BundleError, PublishError
from yanksync.state.state import State
from yanksync.verify.repair import repair_output
from yanksync.verify.summary import FileCheck


@pytest.fixture
def mirror(served: Served, where: Path) -> World:
    (where / "mirror").mkdir()
    return World(
        served,
        where / "mirror",
        disk=True,
        mirror_files="copy",
        withdrawals_publish=True,
    )


@pytest.fixture
def receiver(where: Path) -> Receiver:
    (where / "receiver").mkdir()
    return Receiver(where / "receiver")


def test_the_first_bundle_has_everything(mirror: World, receiver: Receiver) -> None:
    mirror.started("demo", "other", core_metadata=b"Name: demo\n")
    mirror.up.yank("demo", "1.0", "broken")
    assert mirror.sync() == DONE
    contents = receiver.apply(bundle_of(mirror, "first.bundle"))
    assert receiver.files() == mirror.files()
    assert (contents.cursor, contents.pages, contents.files) == (1, 2, 4)
    with mirror.state() as there, State(receiver.state) as here:
        assert here.facts.moment("complete_read") == there.facts.moment("complete_read")


def test_the_next_one_has_what_changed_and_what_went(mirror: World, receiver: Receiver) -> None:
    mirror.started("demo", "gone", "same")
    receiver.apply(bundle_of(mirror, "first.bundle"))
    mirror.up.remove_release("demo", "1.0")
    mirror.up.upload("demo", "3.0")
    mirror.up.upload("added", "1.0")
    mirror.up.remove_project("gone")
    assert mirror.sync() == DONE
    bundle = bundle_of(mirror, "second.bundle", 1)
    pages = {name.split("/")[1] for name in members_of(bundle) if name.startswith("simple/")}
    assert pages == {"added", "demo", "index.html", "index.v1_json"}
    contents = receiver.apply(bundle)
    assert receiver.files() == mirror.files()
    assert (contents.pages, contents.files) == (2, 2)
    assert (contents.removed_pages, contents.removed_files) == (1, 3)


def test_a_bundle_without_changes_can_be_applied(mirror: World, receiver: Receiver) -> None:
    mirror.started()
    receiver.apply(bundle_of(mirror, "first.bundle"))
    bundle = bundle_of(mirror, "second.bundle", 1)
    assert list(members_of(bundle)) == ["bundle.json", "removed.ndjson", "manifest.ndjson"]
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()
    assert receiver.applied().cursor == 2


def test_one_bundle_can_have_the_changes_of_several(mirror: World, receiver: Receiver) -> None:
    mirror.started()
    receiver.apply(bundle_of(mirror, "first.bundle"))
    for version in ("3.0", "4.0"):
        mirror.up.upload("demo", version)
        assert mirror.sync() == DONE
        bundle_of(mirror, f"{version}.bundle", 1)
    receiver.apply(bundle_of(mirror, "both.bundle", 1))
    assert receiver.files() == mirror.files()


def test_a_full_bundle_removes_what_it_does_not_have(mirror: World, receiver: Receiver) -> None:
    mirror.started("demo", "gone")
    receiver.apply(bundle_of(mirror, "first.bundle"))
    mirror.up.remove_project("gone")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "second.bundle"))
    assert receiver.files() == mirror.files()


def test_the_log_of_withdrawals_goes_with_the_mirror(mirror: World, receiver: Receiver) -> None:
    mirror.started()
    mirror.up.yank("demo", "1.0", "broken")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "first.bundle"))
    mirror.up.yank("demo", "2.0", "broken, too")
    assert mirror.sync() == DONE
    bundle = bundle_of(mirror, "second.bundle", 1)
    receiver.apply(bundle)
    assert b"broken, too" in receiver.files()["withdrawals/log/000001.ndjson"]
    assert receiver.files() == mirror.files()
    others = [path for path in members_of(bundle) if path.startswith("withdrawals/")]
    assert others and not any("/assets/" in path for path in others)  # the receiver has them
    mirror.configure(withdrawals_publish=False)
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "third.bundle", 2))
    assert receiver.files() == mirror.files()
    assert not (receiver.output / "withdrawals").exists()


def test_a_bundle_out_of_order_changes_nothing(mirror: World, receiver: Receiver) -> None:
    mirror.started()
    first = bundle_of(mirror, "first.bundle")
    bundle_of(mirror, "second.bundle", 1)
    third = bundle_of(mirror, "third.bundle", 2)
    with pytest.raises(BundleError, match="begin with one that was made without --since"):
        receiver.apply(third)
    assert receiver.files() == {}
    receiver.apply(first)
    with pytest.raises(BundleError, match="the last one applied here is 1; apply the ones between"):
        receiver.apply(third)
    assert receiver.applied().cursor == 1


def test_an_older_bundle_changes_nothing(mirror: World, receiver: Receiver) -> None:
    mirror.started()
    first = bundle_of(mirror, "first.bundle")
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "second.bundle"))
    before = receiver.files()
    with pytest.raises(BundleError, match="its cursor is 1, and 2 was applied already"):
        receiver.apply(first)
    assert receiver.files() == before


def test_a_mirror_that_was_put_back_needs_a_full_bundle(mirror: World, receiver: Receiver) -> None:
    mirror.started()
    receiver.apply(bundle_of(mirror, "first.bundle"))
    state = mirror.where / "state.db"
    backup = state.read_bytes()
    receiver.apply(bundle_of(mirror, "second.bundle", 1))
    state.write_bytes(backup)
    bundle_of(mirror, "lost.bundle", 1)
    with pytest.raises(BundleError, match="put back to a backup since bundle 2"):
        receiver.apply(bundle_of(mirror, "third.bundle", 2))
    receiver.apply(bundle_of(mirror, "full.bundle"))
    assert receiver.files() == mirror.files()


def test_a_bundle_of_another_mirror_is_refused(
    mirror: World, receiver: Receiver, served: Served, where: Path
) -> None:
    mirror.started()
    receiver.apply(bundle_of(mirror, "first.bundle"))
    (where / "other").mkdir()
    other = World(served, where / "other", disk=True).started("other")
    with pytest.raises(BundleError, match="of another mirror"):
        receiver.apply(bundle_of(other, "other.bundle"))


def test_the_output_of_a_mirror_takes_no_bundle(mirror: World, served: Served) -> None:
    mirror.started()
    bundle = bundle_of(mirror, "first.bundle")
    itself = Receiver(mirror.where)
    with pytest.raises(BundleError, match="that 'yanksync sync' made"):
        itself.apply(bundle)


def test_an_unknown_cursor_says_what_to_do(mirror: World) -> None:
    mirror.started()
    with pytest.raises(BundleError, match="leave --since out: the first one has everything"):
        bundle_of(mirror, "first.bundle", 3)
    bundle_of(mirror, "first.bundle")
    with pytest.raises(BundleError, match="no such bundle, the newest is 1"):
        bundle_of(mirror, "second.bundle", 3)
    assert [path.name for path in mirror.where.glob("*bundle*")] == ["first.bundle"]


def test_no_bundle_is_made_of_an_altered_output(mirror: World) -> None:
    mirror.started()
    (copy,) = mirror.where.glob("out/packages/*/*/*/demo-1.0.tar.gz")
    whole = copy.read_bytes()
    copy.write_bytes(whole + b"more")
    with pytest.raises(BundleError, match=r"demo-1\.0\.tar\.gz: is not what the state knows"):
        bundle_of(mirror, "first.bundle")
    copy.write_bytes(whole)
    page = mirror.where / "out/simple/demo/index.v1_json"
    page.unlink()
    with pytest.raises(BundleError, match=r"demo/index\.v1_json: is not what the state knows"):
        bundle_of(mirror, "first.bundle")
    assert list(mirror.where.glob("*bundle*")) == []


def test_an_altered_file_of_the_same_size_is_repaired_as_the_message_says(mirror: World) -> None:
    mirror.started()
    (copy,) = mirror.where.glob("out/packages/*/*/*/demo-1.0.tar.gz")
    copy.write_bytes(copy.read_bytes().replace(b"1", b"2"))
    with pytest.raises(
        BundleError, match=r"demo-1\.0\.tar\.gz: .*'yanksync verify --hash --repair'"
    ):
        bundle_of(mirror, "first.bundle")
    read = FileCheck(read=True)
    assert mirror.work(lambda one: repair_output(one, lambda *_: None, read)[1]) == DONE
    assert bundle_of(mirror, "first.bundle").exists()


def test_too_little_room_is_noticed_before_anything_changes(
    mirror: World, receiver: Receiver
) -> None:
    mirror.started()
    bundle = bundle_of(mirror, "first.bundle")
    with pytest.raises(PublishError, match="too little room: 1 MiB are needed"):
        receiver.apply(bundle, room=1000)
    assert receiver.files() == {}
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()


def test_a_kill_at_any_step_is_made_up_for(mirror: World, receiver: Receiver) -> None:
    mirror.started("demo", "gone")
    first = bundle_of(mirror, "first.bundle")
    receiver.apply(first)
    before = receiver.files()
    mirror.up.remove_release("demo", "1.0")
    mirror.up.remove_project("gone")
    mirror.up.upload("added", "1.0")
    assert mirror.sync() == DONE
    second = bundle_of(mirror, "second.bundle", 1)
    steps = 0
    while True:
        try:
            receiver.apply(second, steps=Steps(steps))
            break
        except Killed:
            steps += 1
        assert missing_copies(receiver.files()) == []
        with pytest.raises(BundleError, match="was begun and is not finished"):
            receiver.apply(bundle_of(mirror, f"other-{steps}.bundle", 1))
    assert steps > 8
    assert receiver.files() == mirror.files() != before
    receiver.apply(second)
    assert receiver.files() == mirror.files()


def missing_copies(files: dict[str, bytes]) -> list[str]:
    """Return the copies that pages name and that are not there."""
    return [
        name
        for path, body in files.items()
        if path.startswith("simple/") and path.endswith("v1_json") and path.count("/") == 2
        for name in (file["url"].removeprefix("../../") for file in json.loads(body)["files"])
        if name not in files
    ]


def test_the_index_of_deleted_files_goes_along(mirror: World, receiver: Receiver) -> None:
    mirror.configure(files_deleted_index="yes")
    mirror.started("demo", "other", upload_time="2020-01-01T00:00:00Z")
    receiver.apply(bundle_of(mirror, "first.bundle"))
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "second.bundle", 1))
    assert receiver.files() == mirror.files()
    assert "deleted/simple/demo/index.v1_html" in receiver.files()
    mirror.up.quarantine_project("demo")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "third.bundle", 2))
    assert receiver.files() == mirror.files()
    mirror.configure(files_deleted_index="no")
    assert mirror.sync() == DONE
    for since in (0, 4):
        receiver.apply(bundle_of(mirror, f"after-{since}.bundle", since))
        assert receiver.files() == mirror.files()
