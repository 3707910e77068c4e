"""``verify``: what it finds, mends, prints and comes to, as a process."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.cli_runner import HOURS, Cli
from tests.support.fake_index.index import FakeUpstream


def test_a_mirror_that_is_as_it_should_be_is_silent(synced: Cli, upstream: FakeUpstream) -> None:
    content, tree = synced.content(), synced.tree()
    upstream.clear_log()
    assert synced("verify").silent
    assert (synced.content(), synced.tree(), upstream.requests) == (content, tree, [])
    found = synced("verify", "--json")
    assert found.code == 0
    assert found.json == {
        "findings": [], "projects": 2, "files": 0, "differences": 0, "unchecked": 0,
        "unpublished": 0, "held": 0, "pending": 0, "foreign": 0,
        "corrected": 0, "uncorrected": 0,
    }  # fmt: skip
    code, out, _ = synced.on_terminal("verify")
    assert (code, out.strip()) == (0, "2 projects checked: 0 differences, 0 could not be checked")


def test_what_waits_to_be_published_is_a_warning(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "1.0", "broken")
    assert synced("sync").code == 0
    done = synced("verify", YANKSYNC_MIRROR_YANKED="omit")
    assert (done.code, done.out) == (0, "")
    which = "simple/demo/, simple/other/, simple/"
    told = f"yanksync: 3 not published yet: {which}; 'yanksync sync' publishes them\n"
    assert done.err == told
    assert synced("-q", "verify", YANKSYNC_MIRROR_YANKED="omit").silent


@pytest.mark.parametrize("yanked", ["mark", "omit"])
def test_what_differs_is_named_and_mended(
    yanksync: Cli, upstream: FakeUpstream, yanked: str
) -> None:
    yanksync.config.write_text(yanksync.config.read_text() + f'[mirror]\nyanked = "{yanked}"\n')
    upstream.yank("demo", "1.0", "broken")
    assert yanksync("sync").code == 0
    simple = yanksync.output / "simple"
    (simple / "demo/index.html").unlink()
    (simple / "demo/index.html").write_text("<a href='evil'>")
    (simple / "other/index.v1_json.gz").unlink()
    (simple / "other/notes.txt").write_text("mine")
    shutil.copytree(simple / "demo", simple / "ghost")
    tree, content = yanksync.tree(), yanksync.content()
    done = yanksync("verify")
    assert done.code == 1
    assert re.fullmatch(r"yanksync: \d+ differences; 'yanksync verify --repair' .*\n", done.err)
    assert yanksync("-q", "verify").err == ""
    assert done.out.splitlines() == [
        "different  simple/demo/index.html",
        "missing  simple/other/index.v1_json.gz",
        "extra  simple/ghost/",
        "2 projects checked: 3 differences, 0 could not be checked",
    ]
    rows = yanksync("verify", "--json").json["findings"]
    assert set(rows[0]) == {"kind", "project", "path", "detail", "corrected", "why"}
    assert {"kind": "foreign", "project": "other", "path": "simple/other/notes.txt",
            "detail": None, "corrected": None, "why": None} in rows  # fmt: skip
    assert "foreign  simple/other/notes.txt" in yanksync("-v", "verify").out
    assert (yanksync.tree(), yanksync.content()) == (tree, content)
    done = yanksync("verify", "--repair")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "different  simple/demo/index.html  corrected",
        "missing  simple/other/index.v1_json.gz  corrected",
        "extra  simple/ghost/  corrected",
        "2 projects checked: 3 differences, 0 could not be checked; 3 corrected, 0 not corrected",
    ]
    assert yanksync("verify").silent
    assert not (simple / "ghost").exists()
    assert yanksync.leftovers() == []


def test_removals_beyond_the_guard_are_held(synced: Cli) -> None:
    simple = synced.output / "simple"
    for number in range(4):
        shutil.copytree(simple / "demo", simple / f"ghost{number}")
    done = synced("verify", "--repair")
    assert done.code == 4
    assert "held: 4 unexplained removals" in done.err
    assert synced("approve").code == 0
    assert synced("sync").code == 0
    assert synced("verify").silent


def test_upstream_is_asked_when_told_to(synced: Cli, upstream: FakeUpstream) -> None:
    assert synced("verify", "--upstream").silent
    upstream.archive("demo")
    done = synced("verify", "--upstream")
    assert (done.code, done.out.splitlines()[0].split()[0]) == (1, "upstream")
    assert synced("verify", "--upstream", "--repair").code == 0
    assert synced("verify", "--upstream").silent


def test_another_run_is_told_of(synced: Cli) -> None:
    with synced.locked():
        done = synced("verify")
        assert (done.code, done.err.count("\n")) == (75, 1) and "holds the lock" in done.err
    with synced.locked(age=2 * HOURS):
        assert "lock" in synced("verify", "--repair").err


def test_verify_before_the_first_run_makes_no_file(yanksync: Cli) -> None:
    before = sorted(yanksync.home.iterdir())
    for arguments in ((), ("--repair",)):
        done = yanksync("verify", *arguments)
        assert (done.code, done.out) == (1, "")
        assert "there is no such state database; run 'yanksync sync' first" in done.err
    assert sorted(yanksync.home.iterdir()) == before
