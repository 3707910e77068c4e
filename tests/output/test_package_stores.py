"""What every store of package files must do: one contract, held against each."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.s3_proxy import Gate, Mishap, puts
from tests.support.s3_servers import Server
from yanksync.core.errors import PublishError
from yanksync.output.disk.incoming import IncomingDirectory, incoming_name
from yanksync.output.disk.package_files import DiskPackages
from yanksync.output.object_storage import bucket
from yanksync.output.object_storage.package_objects import ObjectPackages
from yanksync.output.package_store import PackageEntry, PackageStore

PATH = f"packages/aa/bb/{'c' * 60}/demo-1.0+local~x.tar.gz"
METADATA = f"{PATH}.metadata"
BODY, SAID = b"all of it", b"Name: demo\n"


@pytest.fixture(params=["disk", "seaweed", "motor"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PackageStore:
    """Return a store that keeps what is out of service."""
    if request.param == "disk":
        return DiskPackages(tmp_path / "mirror", tmp_path / "withheld")
    server: Server = request.getfixturevalue(request.param)
    incoming = IncomingDirectory(str(tmp_path / "incoming"))
    return ObjectPackages(server.objects(), incoming, server.objects())


@pytest.fixture
def without_withheld(seaweed: Server, s3_gate: Gate, tmp_path: Path) -> Iterator[ObjectPackages]:
    """Yield a store behind the gate that deletes what is out of service."""
    objects = seaweed.behind(s3_gate.url).objects(timeout="20s", max_retries="0")
    yield ObjectPackages(objects, IncomingDirectory(str(tmp_path / "incoming")))
    s3_gate.heal()


def receive(store: PackageStore, path: str = PATH, body: bytes = BODY) -> None:
    with store.receive(path) as incoming:
        incoming.write(body)


def published(store: PackageStore) -> None:
    receive(store)
    receive(store, METADATA, SAID)
    store.publish_packages([METADATA, PATH])


def read(store: PackageStore, path: str = PATH) -> bytes:
    return b"".join(store.package_chunks(path))


def test_a_file_is_visible_once_it_is_published(store: PackageStore, tmp_path: Path) -> None:
    receive(store)
    assert list(store.packages()) == []
    assert store.package_entries([PATH]) == {}
    with pytest.raises(FileNotFoundError):
        read(store)
    receive(store, METADATA, SAID)
    store.publish_packages([METADATA, PATH])
    found = store.package_entries([PATH, METADATA, "packages/none"])
    assert found == {PATH: PackageEntry(PATH, 9), METADATA: PackageEntry(METADATA, 11)}
    assert (read(store), read(store, METADATA)) == (BODY, SAID)
    assert set(store.packages()) == {PATH, METADATA}
    assert not list(tmp_path.rglob(incoming_name(PATH)))


def test_what_was_received_before_is_continued(store: PackageStore) -> None:
    receive(store, body=b"all ")
    with store.receive(PATH) as incoming:
        assert incoming.size == 4
        found: list[bytes] = []
        incoming.feed(found.append)
        assert b"".join(found) == b"all "
        incoming.write(b"of it")
    store.publish_packages([PATH])
    assert read(store) == BODY


def test_what_is_not_wanted_any_more_is_dropped(store: PackageStore, tmp_path: Path) -> None:
    for path in (PATH, METADATA):
        with store.receive(path) as incoming:
            incoming.write(BODY)
            incoming.note('"etag"')
    assert sorted(store.incoming()) == [PATH, METADATA]
    store.keep_incoming([PATH])
    assert store.incoming() == [PATH]
    assert [path.read_bytes() for path in tmp_path.rglob(incoming_name(PATH))] == [BODY]
    assert not list(tmp_path.rglob(incoming_name(METADATA)))


def test_a_withheld_copy_can_be_read(store: PackageStore) -> None:
    published(store)
    store.withhold([PATH])
    assert b"".join(store.withheld_chunks(PATH)) == BODY
    with pytest.raises(FileNotFoundError):
        list(store.withheld_chunks("packages/none"))


def test_a_copy_leaves_the_output_and_comes_back(store: PackageStore) -> None:
    published(store)
    for _ in range(2):  # a run that died does it again
        store.withhold([PATH])
        assert list(store.packages()) == []
    for _ in range(2):
        store.put_back([PATH])
        assert (read(store), read(store, METADATA)) == (BODY, SAID)
    store.withhold([PATH])
    for _ in range(2):
        store.delete_withheld([PATH])
    store.put_back([PATH])
    assert list(store.packages()) == []


def test_a_copy_that_is_nowhere_is_lacking(store: PackageStore) -> None:
    assert store.lacking([PATH]) == {PATH}
    published(store)
    assert store.lacking([PATH, "packages/none"]) == {"packages/none"}
    store.withhold([PATH])
    assert store.lacking([PATH]) == set()
    store.delete_withheld([PATH])
    assert store.lacking([PATH]) == {PATH}


def test_an_altered_copy_is_set_aside(store: PackageStore) -> None:
    published(store)
    for _ in range(2):
        assert store.set_aside([PATH, METADATA]).endswith("/altered")
        assert list(store.packages()) == []
    store.put_back([PATH])  # it is not what a page may name again
    assert list(store.packages()) == []


def test_files_that_no_page_names_are_deleted(store: PackageStore) -> None:
    published(store)
    store.reset_package_modes([PATH])
    store.delete_packages([PATH, "packages/none"])
    assert list(store.packages()) == [METADATA]


def test_other_bytes_take_the_place_of_a_copy(store: PackageStore) -> None:
    published(store)
    receive(store, body=b"")
    store.publish_packages([PATH])
    assert read(store) == b""


def test_objects_have_their_types_and_may_be_cached_for_ever(motor: Server, tmp_path: Path) -> None:
    objects = motor.objects()
    store = ObjectPackages(objects, IncomingDirectory(str(tmp_path)), objects)
    published(store)
    store.withhold([PATH])
    store.put_back([PATH])
    for path, kind in (
        (PATH, "application/octet-stream"),
        (METADATA, "text/plain; charset=utf-8"),
    ):
        url = f"{motor.url}/mirror/{objects.location.prefix}/{path}"
        with urllib.request.urlopen(url) as answer:
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["Content-Encoding"] is None
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_large_file_is_sent_part_by_part(without_withheld: ObjectPackages, s3_gate: Gate) -> None:
    body = bytes(range(256)) * ((2 * bucket._PART + 1000) // 256)
    receive(without_withheld, body=body)
    without_withheld.publish_packages([PATH])
    assert read(without_withheld) == body
    puts = [
        int(headers["content-length"])
        for (method, _), headers in zip(s3_gate.requests, s3_gate.headers, strict=True)
        if method == "PUT"
    ]
    parts = [bucket._PART, bucket._PART, len(body) - 2 * bucket._PART]
    assert sorted(puts[:3], reverse=True) == parts and len(puts) <= 4  # Azure lists them at the end


def test_without_a_place_for_it_a_copy_is_deleted(without_withheld: ObjectPackages) -> None:
    published(without_withheld)
    without_withheld.withhold([PATH])
    with pytest.raises(FileNotFoundError):
        list(without_withheld.withheld_chunks(PATH))
    without_withheld.put_back([PATH])
    without_withheld.delete_withheld([PATH])
    published(without_withheld)
    assert without_withheld.set_aside([PATH, METADATA]) == ""
    assert list(without_withheld.packages()) == []


def test_a_refused_upload_leaves_the_received_file(
    without_withheld: ObjectPackages, s3_gate: Gate
) -> None:
    receive(without_withheld)
    s3_gate.when(Mishap.DENIED, puts)
    with pytest.raises(PublishError, match="403"):
        without_withheld.publish_packages([PATH])
    s3_gate.heal()
    without_withheld.publish_packages([PATH])
    assert read(without_withheld) == BODY
