"""Runs ``verify_output`` on a world, and looks that looking changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.support.world import World
from yanksync.config.load import load
from yanksync.mirror.context import Mirror
from yanksync.mirror.open_mirror import open_package_store
from yanksync.output.comparison import Finding
from yanksync.upstream.client import UpstreamClient
from yanksync.verify.check import verify_output
from yanksync.verify.repair import repair_output
from yanksync.verify.summary import CheckSummary


@contextmanager
def opened(world: World) -> Iterator[Mirror]:
    settings = load(None, {}, **world.flags)
    world.up.clear_log()
    with world.state() as state, closing(UpstreamClient(settings)) as upstream:
        yield Mirror(
            settings,
            state,
            upstream,
            world.kills,
            open_package_store(settings, has_copies=bool(state.facts.config.has_copies)),
            now=world.clock.now,
            monotonic=world.clock.monotonic,
            sleep=world.clock.sleep,
        )


def check(world: World, *, upstream: bool = False) -> tuple[list[Finding], int, CheckSummary]:
    found: list[Finding] = []
    before = tree(world), content(world)
    with opened(world) as mirror:
        checked, code = verify_output(mirror, found.append, upstream=upstream)
    assert (tree(world), content(world)) == before, "looking changes nothing"
    return found, code, checked


def repair(world: World, *, upstream: bool = False) -> tuple[list[Finding], int]:
    found: list[Finding] = []
    with opened(world) as mirror:
        _, code = repair_output(mirror, lambda one, _: found.append(one), upstream=upstream)
    return found, code


def names(found: list[Finding]) -> list[tuple[str, str]]:
    return sorted((str(finding.kind), finding.path) for finding in found)


def tree(world: World) -> dict[str, tuple[int, int, int, bytes]]:
    out = world.where / "out"
    return {
        str(path): (
            path.lstat().st_mode,
            path.lstat().st_ino,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(out.rglob("*"))
    }


def content(world: World) -> list[str]:
    with closing(sqlite3.connect(world.where / "state.db")) as connection:
        return list(connection.iterdump())
