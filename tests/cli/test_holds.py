"""Every kind of hold: what is told of it, and that ``approve`` does what it says, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cli.runner import Cli
from tests.fake_upstream import FakeUpstream

MANY = 102
NAMES = [f"p{number:03}" for number in range(MANY)]


def remove(upstream: FakeUpstream, turn: int) -> None:
    for name in NAMES:
        upstream.remove_project(name)


def lose_files(upstream: FakeUpstream, turn: int) -> None:
    """Four projects lose a file, and nothing says so."""

    def doctor(page: dict[str, Any]) -> dict[str, Any]:
        lost = page["name"] in NAMES[:4]
        return {**page, "files": page["files"][turn if lost else 0 :]}

    upstream.doctor = doctor
    for name in NAMES[:4]:
        upstream.raw_row(name, None, "frobnicate")


def change_hash(upstream: FakeUpstream, turn: int) -> None:
    def doctor(page: dict[str, Any]) -> dict[str, Any]:
        other = {"sha256": f"{turn:064x}"}
        changed = page["name"] == NAMES[0]
        return {**page, "files": [{**one, "hashes": other} for one in page["files"]]} if (
            changed
        ) else page  # fmt: skip

    upstream.doctor = doctor
    upstream.raw_row(NAMES[0], None, "frobnicate")


def go_back(upstream: FakeUpstream, turn: int) -> None:
    upstream.replace_journal(upstream.journal[:-1])


@dataclass(frozen=True)
class Kind:
    """What brings a hold about, and what is to be told of it."""

    happens: Callable[[FakeUpstream, int], None]
    projects: list[str | None]
    what: str
    why: str
    effect: str
    passes: int = 1  # until it is held
    journal: str = "auto"


KINDS = {
    "removal": Kind(
        remove,
        [*NAMES],
        "removal",
        f"{MANY} explained removals in one pass, more than 100",
        "the next run removes the project from the mirror",
    ),
    "left-list": Kind(
        remove,
        [*NAMES],
        "left-list",
        f"{MANY} projects left the list of projects at once, more than 100",
        "the next run asks for its page and removes the project if it is gone",
        journal="listing",
    ),
    "files": Kind(
        lose_files,
        [*NAMES[:4]],
        "files",
        "4 unexplained removals in one pass, more than 3",
        "the next run publishes the page as upstream shows it, without the files that are missing",
        passes=2,
    ),
    "hash": Kind(
        change_hash,
        [NAMES[0]],
        "hash",
        "a file keeps its name and has another hash than before",
        "the next run publishes the page with the new hash",
    ),
    "journal": Kind(
        go_back,
        [None],
        "journal",
        "upstream's journal is not the one followed so far: ",
        "the next run follows the new journal and asks for every project again",
    ),
}


@pytest.fixture
def upstream() -> FakeUpstream:
    upstream = FakeUpstream()
    for name in (*NAMES, "last"):
        for version in ("1.0", "2.0", "3.0", "4.0"):
            upstream.upload(name, version)
    return upstream


def begun(yanksync: Cli, kind: Kind) -> Cli:
    config = yanksync.config.read_text().replace(
        "[upstream]", f'[upstream]\njournal = "{kind.journal}"'
    )
    yanksync.config.write_text(config)
    assert yanksync("sync").code == 0
    return yanksync


def held(yanksync: Cli, upstream: FakeUpstream, kind: Kind, turn: int) -> list[dict[str, Any]]:
    kind.happens(upstream, turn)
    for _ in range(kind.passes - 1):
        assert yanksync("sync", "--now").code == 3
    done = yanksync("sync", "--now")
    assert done.code == 4
    assert "see 'yanksync holds'" in done.err or "run 'yanksync approve'" in done.err
    found = yanksync("holds", "--json").json
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_held_is_told_and_stays(yanksync: Cli, upstream: FakeUpstream, kind: Kind) -> None:
    begun(yanksync, kind)
    before = yanksync.tree()
    rows = held(yanksync, upstream, kind, 1)
    assert [row["project"] for row in rows] == kind.projects
    for row in rows:
        assert row["what"] == kind.what
        assert row["why"].startswith(kind.why)
        assert row["approve"] == kind.effect
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["since"])
    lines = yanksync("holds").out.splitlines()
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        subject = row["project"] or "the journal"
        assert line.startswith(f"{subject}  {kind.what} held since {row['since']}: {kind.why}")
        assert line.endswith(f". If approved, {kind.effect}.")
    assert yanksync("status", "--json").json["held"] == len(rows)
    again = yanksync("sync")  # cron is told each time, for a person must look
    assert (again.code, again.out, again.err.count("\n")) == (4, "", 1)
    assert "see 'yanksync holds'" in again.err or "run 'yanksync approve'" in again.err
    assert yanksync("holds", "--json").json == rows  # since then, and for the same reason
    pages = {path: digest for path, (digest, _) in yanksync.tree().items() if path.count("/") == 2}
    assert pages.items() <= {path: digest for path, (digest, _) in before.items()}.items()
    assert len([path for path in pages if "/p" in path]) == 3 * 2 * MANY


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_approved_is_done_once(yanksync: Cli, upstream: FakeUpstream, kind: Kind) -> None:
    begun(yanksync, kind)
    held(yanksync, upstream, kind, 1)
    names = [name or "the journal" for name in kind.projects]
    assert yanksync("approve").out == "".join(f"approved: {name}\n" for name in names)
    assert yanksync("holds", "--json").json == []
    assert yanksync("sync").code == 0
    assert yanksync("status", "--json").json["held"] == 0
    if kind.what in ("removal", "left-list"):
        assert {path.name for path in (yanksync.output / "simple").iterdir() if path.is_dir()} == {
            "last"
        }
        for name in NAMES:  # the same once more
            upstream.upload(name, "1.0", f"{name}-1.0.zip")
        assert yanksync("sync").code == 0
    if kind.what == "files":
        assert b"p000-1.0.tar.gz" not in (yanksync.output / "simple/p000/index.html").read_bytes()
    assert len(held(yanksync, upstream, kind, 2)) == len(kind.projects)  # not let through again


def test_F11_a_held_hash_is_published_once_approved(yanksync: Cli, upstream: FakeUpstream) -> None:
    kind = KINDS["hash"]
    begun(yanksync, kind)
    page = yanksync.output / "simple/p000/index.v1_json"
    held(yanksync, upstream, kind, 1)
    assert f"{1:064x}".encode() not in page.read_bytes()
    assert yanksync("approve", "p000").out == "approved: p000\n"
    assert yanksync("sync").code == 0
    assert page.read_bytes().count(f"{1:064x}".encode()) == 4
    held(yanksync, upstream, kind, 2)
    assert f"{2:064x}".encode() not in page.read_bytes()


def test_one_is_approved_and_the_others_stay_held(yanksync: Cli, upstream: FakeUpstream) -> None:
    kind = KINDS["removal"]
    begun(yanksync, kind)
    held(yanksync, upstream, kind, 1)
    assert yanksync("approve", NAMES[0]).out == f"approved: {NAMES[0]}\n"
    assert not yanksync("approve", NAMES[0]).out
    assert yanksync("sync").code == 4
    assert not (yanksync.output / "simple" / NAMES[0]).exists()
    assert {row["project"] for row in yanksync("holds", "--json").json} == {*NAMES[1:]}
