"""``sync`` and ``full-resync``: what they do, their exit codes, and what a rehearsal leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault, Served


def page(yanksync: Cli, name: str) -> dict[str, object]:
    text = (yanksync.output / "simple" / name / "index.v1_json").read_text()
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_yank_arrives_with_one_page_request(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "broken")
    upstream.clear_log()
    assert synced("sync").code == 0
    assert [request.project for request in upstream.page_requests()] == ["demo"]
    assert "broken" in json.dumps(page(synced, "demo"))


def test_a_pass_with_nothing_new(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.clear_log()
    tree = synced.tree()
    assert synced("sync").silent
    assert len(upstream.requests) == len(upstream.journal_calls()) == 1
    assert synced.tree() == tree


def test_a_rehearsal_on_nothing_makes_no_file(yanksync: Cli, upstream: FakeUpstream) -> None:
    before = sorted(yanksync.home.rglob("*"))
    done = yanksync("sync", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "+ fetch demo  until serial 6",
        "+ fetch other  until serial 12",
        "2 to fetch (journal read up to serial 12); nothing was changed",
    ]
    assert sorted(yanksync.home.rglob("*")) == before
    assert upstream.page_requests() == []


@pytest.mark.parametrize("command", ["sync", "full-resync"])
def test_a_rehearsal_changes_nothing(synced: Cli, upstream: FakeUpstream, command: str) -> None:
    upstream.remove_project("other")
    upstream.yank("demo", "2.0")
    content, tree = synced.content(), synced.tree()
    done = synced(command, "--dry-run")
    assert done.code == 0
    assert done.out.startswith("- remove other  upstream says that it was removed\n")
    assert "+ fetch demo  until serial 14  (a withdrawal)\n" in done.out
    assert (synced.content(), synced.tree()) == (content, tree)


def test_a_rehearsal_as_json(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.quarantine_project("other")
    upstream.yank("demo", "2.0")
    plan = synced("sync", "--dry-run", "--json").json
    assert plan["cursor"] == upstream.last_serial
    assert plan["quarantines"] == ["other"]
    assert plan["removals"] == []
    looks = {look["name"]: look for look in plan["looks"]}
    assert looks["demo"]["reach"] == upstream.last_serial
    assert looks["demo"]["urgent"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", looks["demo"]["since"])
    assert looks["demo"]["doubt_since"] is None


def test_a_rehearsal_that_has_nothing_to_do(synced: Cli) -> None:
    nothing = "nothing to do (journal read up to serial 12); nothing was changed\n"
    assert synced("sync", "--dry-run").out == nothing


def test_full_resync_asks_for_every_page(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.clear_log()
    assert synced("full-resync").silent
    assert sorted(str(r.project) for r in upstream.page_requests()) == ["demo", "other"]
    assert all("if-none-match" not in r.headers for r in upstream.page_requests())


def test_full_resync_of_named_projects(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.clear_log()
    assert synced("full-resync", "DEMO").silent
    assert [request.project for request in upstream.page_requests()] == ["demo"]
    assert upstream.list_requests() == []


def test_full_resync_of_what_is_not_mirrored_is_2(yanksync: Cli, upstream: FakeUpstream) -> None:
    done = yanksync("full-resync", "other", YANKSYNC_MIRROR_PROJECTS="demo")
    assert done.code == 2
    assert "other is not mirrored" in done.err
    assert upstream.requests == []


def test_full_resync_of_what_upstream_does_not_have(synced: Cli) -> None:
    code, _, err = synced.on_terminal("full-resync", "typo")
    assert (code, err) == (0, "yanksync: warning: typo: upstream does not have it\r\n")
    assert synced("status", "--json").json["unknown"] == ["typo"]


def test_a_name_that_upstream_never_had_is_told_once(yanksync: Cli, served: Served) -> None:
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror='projects = ["demo", "Ty_po"]')
    code, _, err = yanksync.on_terminal("sync")
    why = "upstream does not have it; is that its name in mirror.projects?"
    assert code == 0
    assert err.count(f"yanksync: warning: ty-po: {why}\r\n") == 1
    assert yanksync.on_terminal("sync")[2] == ""
    assert yanksync("status", "--json").json["unknown"] == ["ty-po"]


def test_a_rehearsal_without_a_journal(yanksync: Cli, served: Served) -> None:
    upstream = f'simple_url = "{served.simple_url}"\njournal = "none"'
    yanksync.configure(upstream, mirror='projects = ["demo"]')
    assert yanksync("sync", "--dry-run").out.startswith("+ fetch demo\n")


def test_a_state_that_is_lost(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "broken")
    assert synced("sync").code == 0
    before = page(synced, "demo")
    synced.state.unlink()
    done = synced("sync")
    assert (done.code, done.out, done.err.count("\n")) == (0, "", 1)
    assert f"warning: {synced.state} is missing, though {synced.output} has pages; " in done.err
    assert synced("sync").silent, "it was reported once; from here on there is a state"
    assert page(synced, "demo") == before
    assert synced("status", "--json").json["yanked_releases"] == 1
    assert synced("history", "--json").json == []  # only a backup keeps that


def test_a_stale_page_is_3_and_cron_hears_nothing(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.status(304), times=None)
    done = synced("sync", "--cron")
    assert done.code == 3
    assert done.silent
    done = synced("sync", "--now")
    assert (done.code, done.out) == (3, "")
    assert "demo: the page is still at serial" in done.err
    assert "not everything could be brought up to date: 1 project pending; " in done.err
    done = synced("-q", "sync", "--now")
    assert done.code == 3 and done.silent
    assert synced("status", "--json").json["pending"] == 1


def test_now_does_not_wait_for_the_back_off(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.status(304), times=4)
    assert [synced("sync").code for _ in range(2)] == [3, 3]
    upstream.clear_log()
    assert synced("sync").code == 3  # a minute is to pass first
    assert upstream.page_requests() == []
    assert synced("sync", "--now").code == 0
    assert len(upstream.page_requests("demo")) == 1


def test_an_upstream_that_is_away_is_1(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/pypi", Fault.maintenance(), times=None)
    tree = synced.tree()
    done = synced("sync")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("yanksync: error: ")
    assert done.err.count("\n") == 1
    assert synced.tree() == tree
    found = synced("status", "--json").json
    assert found["last_error"] in done.err
    upstream.heal()
    assert synced("sync").silent


def test_a_rate_limit_is_3(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/pypi", Fault.rate_limit(3542), times=None)
    for arguments in (("sync",), ("sync", "--dry-run")):
        assert synced(*arguments).code == 3


def test_an_output_that_cannot_be_written_is_1(yanksync: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = yanksync("sync", YANKSYNC_MIRROR_OUTPUT=str(tmp_path / "file" / "mirror"))
    assert (done.code, done.out) == (1, "")
    why = f"{tmp_path}/file is in the way: move it away, or change mirror.output"
    assert done.err == f"yanksync: {tmp_path}/file/mirror: Not a directory; {why}\n"
    assert yanksync("sync").silent  # with the output mended


def test_a_project_that_cannot_be_written_is_tried_again(
    synced: Cli, upstream: FakeUpstream
) -> None:
    upstream.upload("new", "1.0")
    blocked = synced.output / "simple" / "new"
    blocked.write_text("in the way")
    done = synced("sync")
    assert done.code in (1, 3)
    assert synced("status", "--json").json["unpublished"] == 1
    blocked.unlink()
    assert synced("sync").silent
    assert page(synced, "new")["name"] == "new"
