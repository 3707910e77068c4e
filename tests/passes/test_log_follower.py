"""A stranger's follower keeps up with the log over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.builders.state_rows import event
from tests.support.log_follower import Follower
from tests.support.world import DONE, World

PAGE = 500
VERSIONS = 7


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def follower(disk: World) -> Iterator[Follower]:
    disk.configure(withdrawals_publish="true")
    disk.started()
    handler = partial(_Quiet, directory=str(disk.where / "out/withdrawals/log"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Follower(f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()


def add_yanks(world: World, first: int, count: int) -> None:
    """Put yanks of a project that the mirror does not have into the history."""
    with world.state() as state:
        state.history.add(
            event("yank release", f"{number % VERSIONS}.0", 10_000 + number, "many")
            for number in range(first, first + count)
        )


def expected(count: int) -> dict[tuple[str, str], str]:
    return {("many", f"{number}.0"): "yank" for number in range(min(count, VERSIONS))}


def test_it_reads_each_full_page_once(disk: World, follower: Follower) -> None:
    follower.follow()
    assert (follower.cursor, follower.withdrawn) == (0, {})
    done = 0
    for count, pages in ((PAGE - 1, [1]), (1, [1]), (1, [2]), (2 * PAGE, [2, 3, 4]), (0, [])):
        add_yanks(disk, done, count)
        assert disk.sync() == DONE
        done += count
        follower.fetched.clear()
        follower.follow()
        assert follower.fetched == ["index.json", *(f"{page:06}.ndjson" for page in pages)]
        assert (follower.cursor, follower.withdrawn) == (done, expected(done))


def test_a_full_page_never_changes(disk: World, follower: Follower) -> None:
    log = disk.where / "out/withdrawals/log"
    add_yanks(disk, 0, PAGE + 1)
    assert disk.sync() == DONE
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in log.iterdir()}
    add_yanks(disk, PAGE + 1, PAGE)
    assert disk.sync() == DONE
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in log.iterdir()}
    assert after["000001.ndjson"] == before["000001.ndjson"]
    assert after["000002.ndjson"][0].startswith(before["000002.ndjson"][0])
    assert json.loads(after["index.json"][0])["newest"] == 2 * PAGE + 1


def test_it_begins_again_with_another_epoch(disk: World, follower: Follower) -> None:
    disk.up.yank("demo", "1.0")
    assert disk.sync() == DONE
    follower.follow()
    assert follower.withdrawn == {("demo", "1.0"): "yank"}
    for path in disk.where.glob("state.db*"):
        path.unlink()  # the history is lost with it
    disk.up.yank("demo", "2.0")
    assert disk.settle() == DONE
    disk.up.unyank("demo", "2.0")
    assert disk.settle() == DONE
    epoch = follower.epoch
    follower.follow()
    assert follower.epoch != epoch
    assert ("demo", "2.0") not in follower.withdrawn


def test_a_page_that_grew_since_the_index_is_no_trouble(disk: World, follower: Follower) -> None:
    add_yanks(disk, 0, 3)
    assert disk.sync() == DONE
    index = disk.where / "out/withdrawals/log/index.json"
    old = index.read_bytes()
    add_yanks(disk, 3, 3)
    assert disk.sync() == DONE
    new = index.read_bytes()
    index.write_bytes(old)  # as a cache may give it
    follower.follow()
    assert follower.withdrawn == expected(3)
    index.write_bytes(new)
    follower.follow()
    assert follower.withdrawn == expected(6)
