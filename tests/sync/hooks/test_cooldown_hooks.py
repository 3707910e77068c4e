"""Hooks are told of a file that becomes visible, although its project gets no new serial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dated_uploads import names, upload
from tests.support.fake_index.index import Served
from tests.support.http_receiver import Receiver, receiver
from tests.support.world import DAY, DONE, HOUR, World


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


def test_all_hooks_are_told(served: Served, where: Path, inbox: Receiver) -> None:
    purged, manifests = where / "purged", where / "manifests"
    world = World(
        *(served, where),
        cooldown_age="1d",
        hooks_command=["sh", "-c", f"cat >> {purged}"],
        hooks_webhook=inbox.url,
        hooks_manifest=str(manifests),
        mirror_compress=[],
    )
    world.up.upload("demo", "1.0")
    world.up.upload("other", "1.0")
    assert world.sync() == DONE
    upload(world, "demo", "2.0")
    assert world.sync(later=HOUR) == DONE
    assert names(world) == ["demo-1.0.tar.gz"]
    purged.write_text("")
    inbox.taken.clear()
    known = {*manifests.iterdir()}
    serial = world.up.last_serial
    assert world.sync(later=DAY) == DONE
    assert names(world) == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    assert world.asked == []
    forms = [f"simple/demo/{form}" for form in ("index.html", "index.v1_html", "index.v1_json")]
    assert {*forms} <= {*purged.read_text().split()}
    (told,) = (told.json for told in inbox.taken)
    assert (told["projects"], told["serial"]) == (["demo"], serial)
    assert {*forms} <= {*told["paths"]}
    (fresh,) = {*manifests.iterdir()} - known
    put = {line.removeprefix("put ") for line in fresh.read_text().splitlines()}
    assert {*forms} <= put
    assert not any("other" in path for path in (*put, *told["paths"]))
    assert world.sync() == DONE
    assert len(inbox.taken) == 1
