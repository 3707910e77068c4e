"""Package files in object storage, with the state on a disk and in the bucket."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.bucket_mirrors import Fleet, Mirror
from tests.support.fake_index.index import FakeUpstream
from yanksync.output.object_storage.bucket import BucketClient
from yanksync.output.object_storage.store import ObjectStore

FILES = ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


def links(store: ObjectStore, name: str = "demo") -> dict[str, str]:
    """Return the addresses on a published page, by file name."""
    body = store.read(name, "index.v1_json")
    assert body is not None
    return {file["filename"]: file["url"] for file in json.loads(body)["files"]}


def copies(objects: BucketClient, directory: str = "packages") -> dict[str, bytes]:
    """Return the objects below a directory whose names begin with demo, by file name."""
    names = [one.key for one in objects.list(directory) if "/demo-" in one.key]
    found = {name: objects.get(name) for name in names}
    return {name.rpartition("/")[2]: one.body() for name, one in found.items() if one is not None}


def assert_copied(store: ObjectStore, objects: BucketClient, names: Sequence[str]) -> None:
    assert copies(objects) == {name: f"{name}\n".encode() for name in names}
    found = links(store)
    assert sorted(found) == list(names)
    assert all(url.startswith("../../packages/") for url in found.values())


def test_copies_come_go_and_come_back(mirror: Mirror, upstream: FakeUpstream) -> None:
    mirror.settle('files = "copy"')
    assert mirror("sync").silent
    assert_copied(mirror.store, mirror.objects, FILES)
    upstream.quarantine_project("demo")
    assert mirror("sync").silent
    assert_copied(mirror.store, mirror.objects, [])
    upstream.clear_project_quarantine("demo")
    assert mirror("sync").silent
    assert_copied(mirror.store, mirror.objects, FILES)
    assert not list(mirror.home.rglob("*.incoming/*"))
    assert not (mirror.home / "mirror").exists()


def test_a_state_in_the_bucket(fleet: Fleet, upstream: FakeUpstream) -> None:
    for machine in (fleet.first, fleet.second):
        machine.settle('files = "copy"')
    assert fleet.first("sync").silent
    assert_copied(fleet.store, fleet.objects, FILES)
    upstream.remove_release("demo", "1.0")
    assert fleet.second("sync").silent
    assert_copied(fleet.store, fleet.objects, FILES[1:])
    assert fleet.first.scratch() == fleet.second.scratch() == []


def test_the_index_of_deleted_files(mirror: Mirror, upstream: FakeUpstream) -> None:
    upstream.upload("demo", "3.0", upload_time="2020-01-01T00:00:00Z")
    index = 'files = "copy"\n[files]\ndeleted_index = '
    mirror.settle(f"{index}true")
    assert mirror("sync").silent
    upstream.remove_release("demo", "3.0")
    assert mirror("sync").silent
    assert sorted(links(mirror.store)) == FILES
    page = mirror.objects.get("deleted/simple/demo/index.v1_json")
    assert page is not None
    (file,) = json.loads(page.body())["files"]
    assert file["filename"] == "demo-3.0.tar.gz"
    copy = mirror.objects.get(file["url"].removeprefix("../../../"))
    assert copy is not None and copy.body() == b"demo-3.0.tar.gz\n"
    assert mirror("verify", "--hash").silent
    mirror.settle(f"{index}false")
    assert mirror("sync").silent
    assert not list(mirror.objects.list("deleted"))
    assert_copied(mirror.store, mirror.objects, FILES)


def test_a_project_is_forgotten_with_the_state_in_the_bucket(
    fleet: Fleet, upstream: FakeUpstream
) -> None:
    fleet.first.settle('files = "copy"')
    assert fleet.first("sync").silent
    upstream.remove_release("demo", "1.0")
    assert fleet.first("sync").silent
    done = fleet.first("forget", "demo")
    assert (done.code, done.err) == (0, "")
    assert copies(fleet.objects) == {}
