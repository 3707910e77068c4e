"""Whole passes with ``withdrawals.publish``: the log, the feeds and the OSV records."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from tests.support.world import DONE, World

PUBLISHED = {"withdrawals_publish": "true"}


def log_of(world: World) -> list[dict[str, Any]]:
    """Return the events of the published log, as its index names them."""
    found = []
    files = world.files()
    index = json.loads(files["withdrawals/log/index.json"])
    for page in index["pages"]:
        body = files[f"withdrawals/log/{page['name']}"]
        assert sha256(body).hexdigest() == page["sha256"]
        found += [json.loads(line) for line in body.splitlines()]
    assert index["newest"] == len(found)
    return found


def test_each_withdrawal_is_an_event(world: World) -> None:
    world.configure(**PUBLISHED)
    world.started("demo", "other")
    assert log_of(world) == []
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    (event,) = log_of(world)
    print(event)
    world.up.unyank("demo", "1.0")
    world.up.remove_release("demo", "2.0")
    world.up.quarantine_project("other")
    assert world.sync() == DONE
    world.up.clear_project_quarantine("other")
    world.up.remove_project("demo")
    assert world.sync() == DONE
    for e in log_of(world):
        print(e)
    for p, b in sorted(world.files().items()):
        if p.startswith("withd"):
            print(p, b.decode("utf8", "replace"))
    assert 0
