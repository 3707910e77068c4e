"""The archive of OSV records, which continues the archive before it."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from tests.support.fake_index.index import Refused
from tests.support.osv_reader import read_archive, withdrawn_by
from tests.support.verification import opened
from tests.support.world import DONE, World
from yanksync.core.errors import PublishError
from yanksync.output.digests import digest
from yanksync.state.facts import EventLogPosition
from yanksync.sync.withdrawals.archive import archive_file
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
    world.memory.files[ARCHIVE] = with_other_records(archive(world))
    with world.state() as state:
        known = digest(world.memory.files[ARCHIVE]).hex()
        state.facts.change(EventLogPosition, archive_digest=known)
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
        archive_file(mirror.state, mirror.store).body  # noqa: B018  # it is made at access


def test_a_forgotten_project_leaves_the_archive(world: World) -> None:
    begun(world, "demo", "other")
    world.up.yank("demo", "1.0")
    world.up.yank("other", "1.0")
    assert world.sync() == DONE
    with world.state() as state, state.transaction():
        state.event_log.forget_project("demo")
    assert world.sync() == DONE
    records = read_archive(archive(world))
    assert [one["id"] for one in records] == ["x_YANKSYNC-other@1.0"]
    assert withdrawn_by(records, "other", "1.0")
