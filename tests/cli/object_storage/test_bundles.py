"""Bundles of a mirror in object storage, and for one."""

from __future__ import annotations

from pathlib import Path

from tests.support.bucket_mirrors import Mirror
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.s3_proxy import Gate
from tests.support.s3_servers import Server


def objects_of(mirror: Mirror) -> dict[str, bytes]:
    """Return all objects of a mirror, by name."""
    found = {one.key: mirror.objects.get(one.key) for one in mirror.objects.list("")}
    return {key: one.body() for key, one in found.items() if one is not None}


def test_a_bucket_makes_bundles_for_another_one(
    mirror: Mirror,
    upstream: FakeUpstream,
    served: Served,
    seaweed: Server,
    s3_gate: Gate,
    tmp_path: Path,
) -> None:
    (tmp_path / "receiver").mkdir()
    receiver = Mirror(tmp_path / "receiver", served, seaweed, s3_gate)
    mirror.settle('files = "copy"')
    assert mirror("sync").silent
    assert mirror("bundle", "create", "first.bundle").code == 0
    applied = receiver("bundle", "apply", str(mirror.home / "first.bundle"))
    assert applied.code == 0, applied.err
    assert objects_of(receiver) == objects_of(mirror)
    upstream.remove_release("demo", "1.0")
    assert mirror("sync").silent
    assert mirror("bundle", "create", "--since", "1", "second.bundle").code == 0
    applied = receiver("bundle", "apply", str(mirror.home / "second.bundle"))
    assert applied.code == 0, applied.err
    assert objects_of(receiver) == objects_of(mirror)
    receiver.store.close()
