"""A bundle is refused where it would make the output worse."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.bundles import (
    Receiver,
    Steps,
    bundle_of,
    members_of,
    with_manifest,
    write_members,
)
from tests.support.dying_store import Killed
from tests.support.fake_index.http_server import Served
from tests.support.world import DONE, World
from yanksync.core.errors import BundleError, PublishError


@pytest.fixture
def mirror(served: Served, where: Path) -> World:
    (where / "mirror").mkdir()
    world = World(served, where / "mirror", disk=True, mirror_files="copy")
    return world.started("demo", "other")


@pytest.fixture
def receiver(mirror: World, where: Path) -> Receiver:
    """An output that has the first bundle."""
    (where / "receiver").mkdir()
    receiver = Receiver(where / "receiver")
    receiver.apply(bundle_of(mirror, "first.bundle"))
    return receiver


def quarantined(mirror: World, since: int) -> Path:
    """Quarantine a project, and make the next bundle."""
    mirror.up.quarantine_project("other")
    assert mirror.sync() == DONE
    return bundle_of(mirror, f"after-{since}.bundle", since)


@pytest.mark.parametrize("away", ["", "packages", "simple"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_changes_do_not_go_into_an_output_that_is_not_mounted(
    mirror: World, receiver: Receiver, where: Path, away: str, dry_run: bool
) -> None:
    bundle = quarantined(mirror, 1)
    place = receiver.output / away
    shutil.move(place, where / "disk")
    place.mkdir()  # as the place of a mount
    with pytest.raises(BundleError, match="is not as the last bundle left it") as refusal:
        receiver.apply(bundle, dry_run=dry_run)
    assert "Nothing was changed" in str(refusal.value)
    assert list(place.iterdir()) == []
    place.rmdir()
    shutil.move(where / "disk", place)
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()


def test_changes_do_not_go_into_an_older_copy_of_the_output(
    mirror: World, receiver: Receiver, where: Path
) -> None:
    shutil.copytree(receiver.output, where / "backup", symlinks=True)
    mirror.up.upload("added", "1.0")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "second.bundle", 1))
    bundle = quarantined(mirror, 2)
    shutil.rmtree(receiver.output)
    shutil.move(where / "backup", receiver.output)
    with pytest.raises(BundleError, match="its list of projects is another one"):
        receiver.apply(bundle)


def test_a_full_bundle_fills_an_output_that_was_deleted(
    mirror: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(receiver.output)
    bundle = bundle_of(mirror, "full.bundle")
    receiver.apply(bundle)
    assert "If a file system is not mounted, mount it and apply this bundle again" in caplog.text
    assert receiver.files() == mirror.files()
    caplog.clear()
    receiver.apply(bundle)
    assert caplog.text == ""


def test_one_file_out_of_service_hinders_no_bundle(mirror: World, receiver: Receiver) -> None:
    min(receiver.output.rglob("*.tar.gz")).unlink()
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "second.bundle", 1))
    assert len(receiver.files()) == len(mirror.files()) - 1


def test_a_full_bundle_needs_no_room_for_files_that_are_there(
    mirror: World, receiver: Receiver
) -> None:
    bundle = bundle_of(mirror, "full.bundle")
    copies = sorted(receiver.output.rglob("*.tar.gz"))
    there = sum(copy.stat().st_size for copy in copies)
    before = [os.stat(copy).st_ino for copy in copies]
    receiver.apply(bundle, room=bundle.stat().st_size - there)
    assert [os.stat(copy).st_ino for copy in copies] == before, "they are not written again"
    copies[0].write_bytes(bytes(copies[0].stat().st_size))
    copies[1].chmod(0o600)
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()
    assert len({copy.stat().st_mode for copy in copies}) == 1
    with pytest.raises(PublishError, match="too little room"):
        receiver.apply(bundle, room=bundle.stat().st_size - there - 1)


def test_a_begun_bundle_needs_no_more_room(mirror: World, receiver: Receiver) -> None:
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    bundle = bundle_of(mirror, "second.bundle", 1)
    with pytest.raises(Killed):
        receiver.apply(bundle, steps=Steps(2))
    receiver.apply(bundle, dry_run=True, room=0)
    receiver.apply(bundle, room=0)
    assert receiver.files() == mirror.files()


def test_the_first_bundle_and_a_dry_run_look_at_the_room(mirror: World, where: Path) -> None:
    bundle, fresh = mirror.where / "first.bundle", Receiver(where / "fresh")
    bundle_of(mirror, bundle.name)
    for dry_run in (True, False):
        with pytest.raises(PublishError, match="too little room: 1 MiB are needed"):
            fresh.apply(bundle, dry_run=dry_run, room=0)
    assert not fresh.output.exists()


def test_a_mirror_put_back_needs_a_full_bundle_and_that_is_accepted(
    mirror: World, receiver: Receiver
) -> None:
    state = mirror.where / "state.db"
    backup = state.read_bytes()
    for since in (1, 2):
        receiver.apply(bundle_of(mirror, f"before-{since}.bundle", since))
    old = bundle_of(mirror, "old.bundle")
    state.write_bytes(backup)
    mirror.clock.time += 60
    with pytest.raises(BundleError, match=r"put back to a backup .* make one without --since"):
        receiver.apply(bundle_of(mirror, "next.bundle", 1))
    full = bundle_of(mirror, "full.bundle")
    receiver.apply(full)
    assert receiver.applied().cursor == 3
    receiver.apply(bundle_of(mirror, "then.bundle", 3))
    with pytest.raises(BundleError, match="its cursor is 4, and 4 was applied already"):
        receiver.apply(old)


def test_an_older_bundle_with_a_larger_number_is_refused(mirror: World, receiver: Receiver) -> None:
    state = mirror.where / "state.db"
    backup = state.read_bytes()
    for since in (1, 2, 3):
        old = bundle_of(mirror, f"before-{since}.bundle")
    state.write_bytes(backup)
    mirror.clock.time += 60
    mirror.up.remove_project("demo")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "full.bundle"))
    before = receiver.files()
    assert receiver.applied().cursor == 2
    with pytest.raises(BundleError, match="it would bring back what was withdrawn since"):
        receiver.apply(old)
    assert receiver.files() == before


def test_a_clock_that_goes_back_brings_no_older_bundle_back(
    mirror: World, receiver: Receiver
) -> None:
    older = bundle_of(mirror, "older.bundle")
    mirror.clock.time -= 7200
    receiver.apply(quarantined(mirror, 1))
    with pytest.raises(BundleError, match="it would bring back what was withdrawn since"):
        receiver.apply(older)
    shutil.rmtree(receiver.output)
    receiver.apply(bundle_of(mirror, "full.bundle"))
    assert receiver.files() == mirror.files()


def test_a_lost_state_takes_no_older_bundle(mirror: World, receiver: Receiver) -> None:
    older = bundle_of(mirror, "older.bundle")
    receiver.apply(quarantined(mirror, 1))
    receiver.state.unlink()
    with pytest.raises(BundleError, match="it would bring back what was withdrawn since"):
        receiver.apply(older)
    receiver.apply(bundle_of(mirror, "full.bundle"))
    assert receiver.files() == mirror.files()


def test_an_upstream_that_was_put_back_needs_what_the_refusal_says(
    mirror: World, receiver: Receiver
) -> None:
    members = members_of(bundle_of(mirror, "full.bundle"))
    del members["manifest.ndjson"]
    header = {**json.loads(members["bundle.json"]), "serial": 1}
    members = with_manifest({**members, "bundle.json": _json(header)})
    bundle = write_members(mirror.where / "lower.bundle", members)
    with pytest.raises(BundleError, match=r"delete simple/index\.v1_json in the output first"):
        receiver.apply(bundle)
    (receiver.output / "simple/index.v1_json").unlink()
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()


def test_the_same_number_after_a_backup_is_another_bundle(
    mirror: World, receiver: Receiver
) -> None:
    state = mirror.where / "state.db"
    backup = state.read_bytes()
    receiver.apply(bundle_of(mirror, "second.bundle", 1))
    state.write_bytes(backup)
    mirror.clock.time += 60
    with pytest.raises(BundleError, match="put back to a backup"):
        receiver.apply(bundle_of(mirror, "other.bundle", 1))


def test_a_mirror_with_a_new_state_can_replace_the_old_one(
    mirror: World, receiver: Receiver
) -> None:
    (mirror.where / "state.db").unlink()
    assert mirror.sync() == DONE
    bundle = bundle_of(mirror, "anew.bundle")
    with pytest.raises(BundleError, match=f"move {receiver.state} away"):
        receiver.apply(bundle)
    receiver.state.unlink()
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()


def test_a_begun_bundle_is_newer_than_the_ones_before(mirror: World, receiver: Receiver) -> None:
    older = bundle_of(mirror, "second.bundle")
    mirror.clock.time += 60
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    newer = bundle_of(mirror, "third.bundle", 1)
    with pytest.raises(Killed):
        receiver.apply(newer, steps=Steps(3))
    with pytest.raises(BundleError, match="its cursor is 2, and 3 was begun already"):
        receiver.apply(older)
    receiver.apply(bundle_of(mirror, "fourth.bundle"))
    assert receiver.files() == mirror.files()


def test_a_failure_says_that_the_same_bundle_is_to_be_applied(
    mirror: World, receiver: Receiver, where: Path
) -> None:
    bundle = quarantined(mirror, 1)
    page = receiver.output / "simple/other"
    shutil.move(page, where / "page")
    page.symlink_to(where / "page")
    with pytest.raises(PublishError, match=r"applied in part.* apply the same bundle again"):
        receiver.apply(bundle)
    page.unlink()
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cursor", 10**30),
        ("cursor", 2**63),
        ("cursor", 0),
        ("since", -1),
        ("made", 1e300),
        ("made", -1.0),
        ("complete", 1e300),
    ],
)
def test_numbers_that_no_bundle_has_are_refused(where: Path, name: str, value: float) -> None:
    header = {"format": 1, "mirror": "m", "since": 0, "cursor": 1, "token": "t", name: value}
    refused(where, {"bundle.json": _json(header), "removed.ndjson": b""})


def test_a_name_that_is_no_text_is_refused(where: Path) -> None:
    header = {"format": 1, "mirror": "m", "since": 0, "cursor": 1, "token": "t"}
    path = f"packages/ab/cd/{'0' * 60}/demo-\udcff1.0.tar.gz"
    refused(where, {"bundle.json": _json(header), "removed.ndjson": b"", path: b"x"})


def refused(where: Path, members: dict[str, bytes]) -> None:
    fresh = Receiver(where / "fresh")
    bundle = write_members(where / "wrong.bundle", with_manifest(members))
    with pytest.raises(BundleError, match="is damaged"):
        fresh.apply(bundle)
    assert fresh.applied().begun is None


def _json(header: dict[str, object]) -> bytes:

    return json.dumps(header).encode()


def test_a_failure_before_the_first_file_says_that_nothing_was_changed(
    mirror: World, receiver: Receiver
) -> None:
    before = receiver.files()
    obstacle = receiver.output / "simple/.index.html.tmp"
    obstacle.mkdir()
    bundle = quarantined(mirror, 1)
    with pytest.raises(PublishError, match=r"nothing was changed\. Correct the cause"):
        receiver.apply(bundle)
    assert receiver.files() == before and receiver.applied().begun is None
    obstacle.rmdir()
    receiver.apply(bundle)
    assert receiver.files() == mirror.files()
