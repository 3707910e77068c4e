"""The log of withdrawals in object storage, of a mirror that two machines share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.bucket_mirrors import Fleet
from tests.support.fake_index.index import FakeUpstream
from tests.support.osv_reader import read_archive, withdrawn_by
from tests.support.s3_proxy import Mishap
from tests.support.verification import opened
from tests.support.world import DONE, World
from yanksync.sync.withdrawals.archive import archive_file

PROJECT_FILES = ("feed.atom", "events.json", "index.html", "withdrawn.json")
PUBLISH = "[withdrawals]\npublish = true"


@pytest.fixture
def logged(fleet: Fleet) -> Fleet:
    for machine in (fleet.first, fleet.second):
        machine.settle(hooks=PUBLISH)
    assert fleet.first("sync").silent
    return fleet


def read(fleet: Fleet, path: str) -> bytes:
    body = fleet.store.read_file(f"withdrawals/{path}")
    assert body is not None, path
    return body


def events(fleet: Fleet) -> list[dict[str, Any]]:
    index = json.loads(read(fleet, "log/index.json"))
    pages = [read(fleet, f"log/{page['name']}") for page in index["pages"]]
    found = [json.loads(line) for page in pages for line in page.splitlines()]
    assert index["newest"] == len(found)
    return found


def test_two_machines_go_on_with_one_log(logged: Fleet, upstream: FakeUpstream) -> None:
    assert events(logged) == []
    upstream.yank("demo", "1.0", "bad")
    assert logged.second("sync").silent
    epoch = json.loads(read(logged, "log/index.json"))["epoch"]
    upstream.unyank("demo", "1.0")
    upstream.yank("demo", "2.0")
    assert logged.first("sync").silent
    assert [one["action"] for one in events(logged)] == ["yank", "unyank", "yank"]
    assert json.loads(read(logged, "log/index.json"))["epoch"] == epoch
    types = {
        path: (found.headers.type, found.headers.cache)
        for path in ("log/000001.ndjson", "feed.atom", "feed.json", "osv/all.zip")
        if (found := logged.objects.get(f"withdrawals/{path}")) is not None
    }
    assert types == {
        "log/000001.ndjson": ("application/x-ndjson", "no-cache"),
        "feed.atom": ("application/atom+xml; charset=utf-8", "no-cache"),
        "feed.json": ("application/feed+json", "no-cache"),
        "osv/all.zip": ("application/zip", "no-cache"),
    }
    done = logged.first("verify")
    assert done.code == 0, done.out
    for machine in (logged.first, logged.second):
        machine.settle()
    assert logged.second("sync").silent
    assert list(logged.store.list_files("withdrawals")) == []


def test_a_pass_puts_what_its_events_change_and_looks_at_nothing_else(
    logged: Fleet, upstream: FakeUpstream
) -> None:
    upstream.yank("demo", "1.0")
    assert logged.first("sync").silent
    upstream.yank("demo", "2.0")
    gate = logged.first.gate
    gate.forget()
    assert logged.first("sync").silent
    base = f"{logged.place.prefix}/withdrawals/"
    changed = {
        "log/000001.ndjson",
        "log/index.json",
        "feed.atom",
        "feed.json",
        "index.html",
        "osv/demo/x_YANKSYNC-demo@2.0.json",
        *(f"project/demo/{name}" for name in PROJECT_FILES),
    }
    for method, looked in (("PUT", changed), ("HEAD", changed), ("GET", {"log/index.json"})):
        asked = [key for key in gate.asked(method) if base in key]
        assert sorted(key.partition(base)[2] for key in asked) == sorted(looked), method


def test_another_machine_makes_up_for_a_run_that_was_killed(
    logged: Fleet, upstream: FakeUpstream
) -> None:
    upstream.yank("demo", "1.0", "bad")
    rule = logged.first.gate.when(
        Mishap.PAUSE,
        lambda method, key: method == "PUT" and key.endswith("withdrawals/feed.json"),
        times=1,
    )
    process = logged.first.start("sync")
    assert rule.caught.wait(60)
    process.kill()
    process.communicate()
    rule.go.set()
    assert logged.second.after_the_lease("sync").code == 0
    assert [one["action"] for one in events(logged)] == ["yank"]
    upstream.unyank("demo", "1.0")
    assert logged.second("sync").silent
    assert [one["action"] for one in events(logged)] == ["yank", "unyank"]
    assert withdrawn_by(read_archive(read(logged, "osv/all.zip")), "demo", "2.0") == []


def test_the_archive_continues_in_a_bucket(fleet: Fleet, world: World) -> None:
    world.kills.store = fleet.store
    world.configure(withdrawals_publish="true")
    world.started("demo", "other", "third")
    for name in ("third", "demo", "other"):
        world.up.yank(name, "1.0")
        assert world.sync() == DONE
        with opened(world) as mirror:
            assert read(fleet, "osv/all.zip") == archive_file(mirror.state).body
    assert len(read_archive(read(fleet, "osv/all.zip"))) == 3
