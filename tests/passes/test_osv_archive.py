"""The archive of OSV records, which continues the archive before it."""

from __future__ import annotations

import errno
import random
from contextlib import suppress

import pytest

from tests.support.fake_index.index import Refused
from tests.support.osv_reader import read_archive, withdrawn_by
from tests.support.system.audited_calls import audited
from tests.support.verification import opened
from tests.support.world import DONE, World
from yanksync.core.errors import PublishError
from yanksync.output.digests import digest
from yanksync.state.facts import EventLogPosition
from yanksync.sync.withdrawals.archive import archive_file, has_all_records
from yanksync.system.zip_stream import compressed, read_entries, zip_chunks

ARCHIVE = "withdrawals/osv/all.zip"
NAMES = ("a", "a-b", "a1", "ab", "b", "b-10", "b-9", "z")
VERSIONS = ("1.0", "2.0")


def begun(world: World, *projects: str) -> World:
    world.configure(withdrawals_publish="true")
    return world.started(*projects)


def archive(world: World) -> bytes:
    return world.files()[ARCHIVE]


def made_again(world: World) -> bytes:
    with opened(world) as mirror:
        return archive_file(mirror.state).body


def with_other_records(body: bytes) -> bytes:
    """Return an archive with the same names whose records are empty."""
    names = (one.name.decode() for one in read_entries([body]))
    return b"".join(zip_chunks(compressed(name, b"{}") for name in names))


def put_archive(world: World, body: bytes) -> None:
    """Have an archive that counts as written by a pass."""
    world.memory.files[ARCHIVE] = body
    with world.state() as state:
        state.facts.change(EventLogPosition, archive_digest=digest(body).hex())


@pytest.mark.parametrize("seed", range(12))
def test_a_continued_archive_equals_one_of_all_events(world: World, seed: int) -> None:
    begun(world, *NAMES)
    chance = random.Random(seed)
    for _ in range(8):
        for name in chance.sample(NAMES, chance.randint(0, 3)):
            act = chance.choice((world.up.yank, world.up.unyank, world.up.remove_release))
            with suppress(Refused):  # it has no such release
                act(name, chance.choice(VERSIONS))
        assert world.sync() == DONE
        assert archive(world) == made_again(world)


def test_only_projects_with_new_events_are_made_again(world: World) -> None:
    begun(world, "demo", "other", "third")
    world.up.yank("demo", "1.0")
    world.up.yank("third", "1.0")
    assert world.sync() == DONE
    put_archive(world, with_other_records(archive(world)))
    world.up.yank("other", "1.0")
    assert world.sync() == DONE
    records = read_archive(archive(world))
    assert [one.get("id") for one in records] == [None, "x_YANKSYNC-other@1.0", None]
    world.up.yank("demo", "2.0")
    assert world.sync() == DONE
    records = read_archive(archive(world))
    found = [one.get("id", "").removeprefix("x_YANKSYNC-") for one in records]
    assert found == ["demo@1.0", "demo@2.0", "other@1.0", ""]


@pytest.mark.parametrize("damage", [b"", b"foreign", "short", "other", "missing", "earlier"])
def test_an_archive_that_is_not_ours_is_made_again(world: World, damage: bytes | str) -> None:
    begun(world, "demo", "other")
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    earlier = archive(world)
    world.up.yank("demo", "2.0")
    assert world.sync() == DONE
    files = world.memory.files
    if isinstance(damage, bytes):
        files[ARCHIVE] = damage
    elif damage == "missing":
        del files[ARCHIVE]
    else:
        half = earlier[: len(earlier) // 2]
        changed = {"short": half, "other": with_other_records(earlier), "earlier": earlier}
        files[ARCHIVE] = changed[damage]
    world.up.yank("other", "1.0")
    assert world.sync() == DONE
    assert archive(world) == made_again(world)
    assert len(read_archive(archive(world))) == 3


def test_an_archive_that_changes_under_the_reader_is_an_error(world: World) -> None:
    begun(world, "demo")
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    world.memory.files[ARCHIVE] = archive(world)[:50]
    with opened(world) as mirror, pytest.raises(PublishError, match="another program has"):
        has_all_records(mirror.state, mirror.store)


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
def test_an_archive_that_cannot_be_read_is_made_again(disk: World, error: int) -> None:
    begun(disk, "demo", "other")
    disk.up.yank("demo", "1.0")
    assert disk.sync() == DONE
    disk.up.yank("other", "1.0")
    with audited(disk.where) as audit:
        audit.refuse("open", "all.zip", error)
        assert disk.sync() == DONE
    assert archive(disk) == made_again(disk)
    assert len(read_archive(archive(disk))) == 2


def test_records_of_an_earlier_form_are_not_copied(world: World) -> None:
    begun(world, "demo", "other")
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    put_archive(world, with_other_records(archive(world)))
    world.configure(withdrawals_title="Gone")  # as a later yanksync does: all files are written
    assert world.sync() == DONE
    assert archive(world) == made_again(world)


def test_a_forgotten_project_leaves_the_archive_in_the_next_pass(world: World) -> None:
    begun(world, "demo", "other")
    world.up.yank("demo", "1.0")
    world.up.yank("other", "1.0")
    assert world.sync() == DONE
    with world.state() as state, state.transaction():
        state.event_log.forget_project("demo")
    assert world.sync(later=20.0) == DONE
    records = read_archive(archive(world))
    assert [one["id"] for one in records] == ["x_YANKSYNC-other@1.0"]
    assert withdrawn_by(records, "other", "1.0")
