"""The log: with -v a line an event, with -vv what a bug report needs, and never a secret."""

from __future__ import annotations

import re

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault, Served

SECRET = "s3cret-t0ken"


def test_each_kind_of_event_has_a_line(synced: Cli, upstream: FakeUpstream) -> None:
    for name in ("old-lib", "bad", "late", "locked"):
        upstream.upload(name, "1.0")
    assert synced("sync").code == 0
    upstream.yank("demo", "2.0", "broken")
    upstream.yank("demo", "1.0")
    upstream.remove_release("late", "1.0")
    upstream.remove_project("old-lib")
    upstream.quarantine_project("bad")
    upstream.quarantine_release("locked", "1.0")
    err = synced("-v", "sync").err
    for line in (
        "demo 2.0: yanked: broken",
        "demo 1.0: yanked",
        "late 1.0: removed",
        "old-lib: removed",
        "old-lib: not offered any more: upstream says that it was removed",
        "bad: quarantined",
        "locked 1.0: quarantined",
    ):
        assert f"yanksync: info: {line}\n" in err
    upstream.unyank("demo", "2.0")
    upstream.upload("old-lib", "2.0")
    upstream.clear_project_quarantine("bad")
    upstream.clear_release_quarantine("locked", "1.0")
    err = synced("-v", "sync").err
    for line in (
        "demo 2.0: unyanked",
        "old-lib: back",
        "bad: released from quarantine",
        "locked 1.0: released from quarantine",
    ):
        assert f"yanksync: info: {line}\n" in err


def test_files_are_named_where_a_release_keeps_others(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.upload("demo", "1.0")
    assert synced("sync").code == 0
    upstream.yank_file("demo", "demo-1.0.tar.gz", "old", row=True)
    assert "demo 1.0 (demo-1.0.tar.gz): yanked: old\n" in synced("-v", "sync").err
    upstream.remove_file("demo", "demo-1.0.tar.gz")
    assert "demo 1.0 (demo-1.0.tar.gz): removed\n" in synced("-v", "sync").err


def test_a_reason_that_comes_later_has_its_line(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "broken")
    upstream.fail("^/simple/demo/", Fault.status(500), times=None)
    done = synced("-v", "sync")
    assert done.code == 3
    assert "warning: demo: " in done.err and "answered 500" in done.err
    assert "info: demo 2.0: yanked: the reason is not known yet\n" in done.err
    upstream.heal()
    done = synced("sync", "-v", "--now", "--json")
    assert "info: demo 2.0: the reason of its yank is known now: broken\n" in done.err
    assert [(one["project"], one["reason"]) for one in done.json["reasons"]] == [("demo", "broken")]


def test_a_project_that_is_not_selected_any_more_is_named(synced: Cli) -> None:
    done = synced("-v", "sync", YANKSYNC_MIRROR_EXCLUDE="other")
    assert done.code == 0
    why = "mirror.projects and mirror.exclude leave it out"
    assert f"info: other: not offered any more: {why}\n" in done.err


def test_vv_is_enough_for_a_bug_report(
    yanksync: Cli, served: Served, upstream: FakeUpstream
) -> None:
    url = served.simple_url
    upstream.fail("^/simple/demo/", Fault.status(503), times=1)
    done = yanksync("-vv", "sync")
    assert done.code == 0
    said = re.sub(r"\d+\.\d{3} s", "T s", done.err)
    for line in (
        r"yanksync [\d.]+, Python 3\.\S+, \S+",
        f"configuration: {re.escape(str(yanksync.config))}",
        rf'upstream\.simple_url = "{url}"  # {re.escape(str(yanksync.config))}',
        rf"upstream {url}, journal {served.root_url}pypi",
        rf"output {yanksync.output}, state {yanksync.state}",
        r"reading the journal \(0 steps\), T s after the start",
        rf"POST {served.root_url}pypi changelog_last_serial\(\): 200, \d+ bytes in T s",
        rf"GET {url}demo/: 503 in T s",
        rf"demo: {url}demo/: answered 503 Service Unavailable; asked for again in 0 s",
        rf"GET {url}demo/: 200, serial \d+, \d+ bytes in T s",
        r"demo: published, serial \d+",
    ):
        assert re.search(f"^yanksync: debug: {line}$", said, re.MULTILINE), line


def test_vv_says_how_a_command_was_configured(synced: Cli) -> None:
    err = synced("status", "-vv", YANKSYNC_MIRROR_LIST_INTERVAL="1h").err
    assert f"yanksync: debug: configuration: {synced.config}\n" in err
    assert 'debug: mirror.list_interval = "1h"  # YANKSYNC_MIRROR_LIST_INTERVAL\n' in err


def test_vv_shows_no_secret(synced: Cli, served: Served, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "broken")
    synced.configure(
        f'simple_url = "{served.simple_url.replace("//", f"//me:{SECRET}@")}"',
        hooks=f'webhook = "http://127.0.0.1:9/{SECRET}"\nwebhook_header = "X-Key: {SECRET}"',
    )
    done = synced("-vv", "sync")
    assert "simple_url = " in done.err and "//***@127.0.0.1" in done.err
    assert "webhook = " in done.err
    assert "a notice by POST: the connection fails; sent again in 1 s" in done.err
    assert SECRET not in done.err
