"""Every kind of hold: what is told of it, and that ``approve`` does what it says, once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream

MANY = 102
NEXT = "next: yanksync sync\n"
NAMES = [f"p{number:03}" for number in range(MANY)]


def remove(upstream: FakeUpstream, turn: int) -> None:
    for name in NAMES:
        upstream.remove_project(name)


def lose_files(upstream: FakeUpstream, turn: int) -> None:
    """Four projects lose a file, and nothing says so: more than may go."""

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
    journal: str = "auto"


KINDS = {
    "removal": Kind(
        remove,
        [*NAMES],
        "removal",
        f"{MANY} explained removals in one pass, of {MANY + 1} published projects; 100 may go",
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
        f"4 unexplained removals in one pass, of {MANY + 1} published projects; 3 may go",
        "the next run removes these files from the project's page",
    ),
    "hash": Kind(
        change_hash,
        [NAMES[0]],
        "hash",
        "its file has another hash than the one that is published",
        "the next run publishes these files with the new hash",
    ),
    "journal": Kind(
        go_back,
        [None],
        "journal",
        "upstream is not the one followed so far: ",
        "the next run follows upstream from now on and asks for every project again",
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
    done = yanksync("sync", "--now")
    assert done.code == 4
    assert "see 'yanksync holds'" in done.err or "run 'yanksync approve'" in done.err
    found = yanksync("holds", "--json").json
    assert isinstance(found, list)
    return found


def offered(yanksync: Cli) -> dict[str, list[Any]]:
    """Return the files on each published page, as they are published."""
    return {
        page.parent.name: json.loads(page.read_bytes())["files"]
        for page in yanksync.output.glob("simple/*/index.v1_json")
    }


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_held_is_told_and_stays(yanksync: Cli, upstream: FakeUpstream, kind: Kind) -> None:
    begun(yanksync, kind)
    before = offered(yanksync)
    rows = held(yanksync, upstream, kind, 1)
    assert [row["project"] for row in rows] == kind.projects
    for row in rows:
        assert row["what"] == kind.what
        assert row["why"].startswith(kind.why)
        assert row["approve"] == kind.effect
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["since"])
    text = yanksync("holds").out
    (heading,) = [line for line in text.splitlines() if ", held since " in line]
    reason = kind.why.removeprefix(f"{MANY} explained removals ")
    assert re.search(rf", held since \d\d:\d\d: {re.escape(reason)}", heading)
    assert heading.startswith("the journal" if kind.what == "journal" else f"{len(rows)} ")
    assert f"\n  If approved, {kind.effect}.\n" in text
    assert {name for name in kind.projects if name is not None} <= set(text.split())
    assert yanksync("status", "--json").json["held"] == len(rows)
    again = yanksync("sync")  # cron is told each time, for a person must look
    assert (again.code, again.out, again.err.count("\n")) == (4, "", 1)
    assert "see 'yanksync holds'" in again.err or "run 'yanksync approve'" in again.err
    assert yanksync("holds", "--json").json == rows  # since then, and for the same reason
    assert offered(yanksync) == before and len(before) == MANY + 1


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_approved_is_done_once(yanksync: Cli, upstream: FakeUpstream, kind: Kind) -> None:
    begun(yanksync, kind)
    held(yanksync, upstream, kind, 1)
    names = [name or "the journal" for name in kind.projects]
    *lines, last = yanksync("approve").out.splitlines()
    assert last == "next: yanksync sync"
    assert [line for line in lines if not line.startswith("  ")] == [
        f"approved: {n}" for n in names
    ]
    for line in lines:  # which files, with that
        assert not line.startswith("  ") or line.startswith(f"  {kind.what}: p0")
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


def test_a_held_hash_is_published_once_approved(yanksync: Cli, upstream: FakeUpstream) -> None:
    kind = KINDS["hash"]
    begun(yanksync, kind)
    page = yanksync.output / "simple/p000/index.v1_json"
    held(yanksync, upstream, kind, 1)
    assert f"{1:064x}".encode() not in page.read_bytes()
    files = "".join(f"  hash: p000-{number}.0.tar.gz\n" for number in (1, 2, 3, 4))
    assert yanksync("approve", "p000").out == f"approved: p000\n{files}{NEXT}"
    assert yanksync("sync").code == 0
    assert page.read_bytes().count(f"{1:064x}".encode()) == 4
    held(yanksync, upstream, kind, 2)
    assert f"{2:064x}".encode() not in page.read_bytes()


def test_one_is_approved_and_the_others_stay_held(yanksync: Cli, upstream: FakeUpstream) -> None:
    kind = KINDS["removal"]
    begun(yanksync, kind)
    held(yanksync, upstream, kind, 1)
    assert yanksync("approve", NAMES[0]).out == f"approved: {NAMES[0]}\n{NEXT}"
    assert not yanksync("approve", NAMES[0]).out
    assert yanksync("sync").code == 4
    assert not (yanksync.output / "simple" / NAMES[0]).exists()
    assert {row["project"] for row in yanksync("holds", "--json").json} == {*NAMES[1:]}


@pytest.mark.parametrize("kind", ["files", "hash"])
def test_the_files_are_named_with_both_hashes(
    yanksync: Cli, upstream: FakeUpstream, kind: str
) -> None:
    begun(yanksync, KINDS[kind])
    before = {file["filename"]: file["hashes"] for file in offered(yanksync)["p000"]}
    row, *_ = held(yanksync, upstream, KINDS[kind], 1)
    names = [*before] if kind == "hash" else ["p000-1.0.tar.gz"]
    new = {"sha256": f"{1:064x}"} if kind == "hash" else None
    assert row["files"] == [{"filename": name, "old": before[name], "new": new} for name in names]
    text = yanksync("holds").out
    for name in names:
        old = before[name]["sha256"]
        told = f"published sha256={old}, upstream sha256={1:064x}"
        assert f"\n    {name}  {told if new else 'missing upstream'}\n" in text


def test_only_what_a_person_saw_is_let_through(yanksync: Cli, upstream: FakeUpstream) -> None:
    """An approval belongs to the hash that was held: another one is judged again."""
    kind = KINDS["hash"]
    begun(yanksync, kind)
    before = offered(yanksync)
    held(yanksync, upstream, kind, 1)
    kind.happens(upstream, 2)
    assert yanksync("sync").code == 4
    (row,) = yanksync("holds", "--json").json
    assert {file["new"]["sha256"] for file in row["files"]} == {f"{2:064x}"}
    assert yanksync("approve").code == 0
    kind.happens(upstream, 3)
    assert yanksync("sync").code == 4
    digests = {file["hashes"]["sha256"] for file in offered(yanksync)["p000"]}
    assert digests == {f"{2:064x}"}
    (row,) = yanksync("holds", "--json").json
    assert {file["new"]["sha256"] for file in row["files"]} == {f"{3:064x}"}
    assert {file["old"]["sha256"] for file in row["files"]} == {f"{2:064x}"}
    assert {name for name, files in offered(yanksync).items() if files != before[name]} == {"p000"}


def test_names_are_offered_only_where_projects_are_held(yanksync: Cli) -> None:
    assert yanksync("sync").code == 0
    environ = {"YANKSYNC_MIRROR_PROJECTS": "never-there"}
    assert yanksync("sync", **environ).code == 4
    assert yanksync("holds", **environ).out.endswith("\nnext: yanksync approve\n")
