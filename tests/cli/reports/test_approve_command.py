"""``holds`` and ``approve``: what a person sees, is asked, and has to run next."""

from __future__ import annotations

import re

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream
from tests.support.terminal import typed

NAMES = [f"many-{number}" for number in range(102)]


@pytest.fixture
def held(yanksync: Cli, upstream: FakeUpstream) -> Cli:
    """A mirror with 102 held removals, and two projects with other hashes."""
    for name in NAMES:
        upstream.upload(name, "1.0")
    assert yanksync("sync").code == 0
    for name in NAMES:
        upstream.remove_project(name)
    change_hashes(upstream, 1)
    assert yanksync("sync").code == 4
    return yanksync


def change_hashes(upstream: FakeUpstream, turn: int) -> None:
    other = {"sha256": f"{turn:064x}"}
    upstream.doctor = lambda page: (
        {**page, "files": [{**file, "hashes": other} for file in page["files"]]}
        if page["name"] in ("demo", "other")
        else page
    )
    for name in ("demo", "other"):
        upstream.raw_row(name, None, "frobnicate")


def remaining(yanksync: Cli) -> dict[str, int]:
    found = yanksync("status", "--json").json["held_kinds"]
    assert isinstance(found, dict)
    return found


BOTH = {"removal": 102, "hash": 2}


def test_holds_are_grouped_by_reason_with_names_in_columns(held: Cli) -> None:
    text = held("holds").out
    first, second = (part.splitlines() for part in text.split("\n\n")[:2])
    assert re.fullmatch(
        r"102 explained removals, held since \d\d:\d\d: "
        r"in one pass, of 104 published projects; 100 may go",
        first[0],
    )
    names = [name for line in first[1:-1] for name in line.split()]
    assert sorted(names) == sorted(NAMES)
    assert 10 < len(first) < 40 and max(map(len, first[1:-1])) <= 80
    wide = held("holds", COLUMNS="200").out.split("\n\n")[0].splitlines()
    assert len(wide) < len(first) - 5
    assert second[0].startswith("2 projects with another hash, held since ")
    assert text.endswith("\nnext: yanksync approve (or with the names of projects)\n")


def test_holds_of_a_kind(held: Cli) -> None:
    assert "many-0" not in held("holds", "--kind", "hash").out
    assert {row["what"] for row in held("holds", "--kind", "hash", "--json").json} == {"hash"}
    assert len(held("holds", "--kind", "hash", "--kind", "removal", "--json").json) == 104
    assert held("holds", "--kind", "files").out == "nothing of this kind is held\n"
    assert held("holds", "--kind", "nope").code == 2


def test_a_dry_run_releases_nothing(held: Cli) -> None:
    content = held.content()
    done = held("approve", "--dry-run")
    assert done.code == 0
    assert {*NAMES, "demo", "other"} <= set(done.out.split())
    assert done.out.endswith("104 would be released\nnext: yanksync approve\n")
    assert held.content() == content
    found = held("approve", "--dry-run", "--json", "demo", "nobody")
    assert found.code == 1
    assert [row["project"] for row in found.json["approved"]] == ["demo"]
    assert (found.json["missing"], found.json["dry_run"]) == (["nobody"], True)
    with held.locked():  # it is only a look
        assert held("approve", "--dry-run").code == 0


def test_approve_a_kind(held: Cli) -> None:
    done = held("approve", "--kind", "hash")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "next: yanksync sync"
    assert "approved: demo\n  hash: demo-1.0.tar.gz\n" in done.out
    assert remaining(held) == {"removal": 102}
    done = held("approve", "--kind", "hash")
    assert (done.code, done.out, done.err) == (0, "nothing of this kind is held\n", "")
    assert held("approve", "--kind", "hash", "--json").json["approved"] == []


def test_approve_as_json(held: Cli) -> None:
    found = held("approve", "--json", "many-7")
    assert found.code == 0
    assert [row["project"] for row in found.json["approved"]] == ["many-7"]
    assert set(found.json["approved"][0]) == {
        "project", "what", "why", "since", "approve", "files",
    }  # fmt: skip
    assert remaining(held) == {"removal": 101, "hash": 2}


def test_it_asks_on_a_terminal(held: Cli) -> None:
    shown = typed(held, "approve", answer="n\n", when="[y/N]")
    assert shown.code == 1
    assert {*NAMES, "demo"} <= set(shown.text.split())  # before the question
    assert "Release these 104? [y/N]" in shown.text
    assert "nothing was approved" in shown.text
    assert remaining(held) == BOTH
    assert typed(held, "approve", answer="\x04", when="[y/N]").code == 1  # the end of the input
    assert remaining(held) == BOTH
    shown = typed(held, "approve", "many-7", answer="y\n", when="[y/N]")
    assert shown.code == 0
    assert shown.text.endswith("approved: 1\nnext: yanksync sync\n")
    assert remaining(held) == {"removal": 101, "hash": 2}


def test_yes_skips_the_question(held: Cli) -> None:
    shown = typed(held, "approve", "--yes")
    assert shown.code == 0 and "[y/N]" not in shown.text
    assert shown.text.endswith("next: yanksync sync\n")
    assert remaining(held) == {}
    assert held("sync").code == 0
    assert sorted(path.name for path in held.output.glob("simple/*/")) == ["demo", "other"]


def test_only_what_was_shown_is_released(held: Cli, upstream: FakeUpstream) -> None:
    """While the person thinks, a run sees other hashes: these were not agreed to."""

    def meanwhile() -> None:
        change_hashes(upstream, 2)
        assert held("sync").code == 4

    shown = typed(held, "approve", answer="y\n", when="[y/N]", before=meanwhile)
    assert shown.code == 1
    assert "2 held changes are not those that were shown and stay held" in shown.text
    assert remaining(held) == {"hash": 2}
