"""Cooldown, overrides and advisories as cron sees them: exit codes, and what stderr says."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream
from tests.support.fake_index.values import iso_time

AGE = '[cooldown]\nage = "1d"\n'
HELD = 4


def add(cli: Cli, text: str) -> None:
    cli.config.write_text(f"{cli.config.read_text()}\n{text}\n")


def undated(page: dict[str, Any]) -> dict[str, Any]:
    return {
        **page,
        "files": [
            {key: value for key, value in file.items() if key != "upload-time"}
            for file in page["files"]
        ],
    }


def offered(cli: Cli) -> list[str]:
    page = json.loads((cli.output / "simple/demo/index.v1_json").read_text())
    return [file["filename"] for file in page["files"]]


def test_a_first_build_without_upload_times_names_the_key(
    yanksync: Cli, upstream: FakeUpstream
) -> None:
    upstream.doctor = undated
    add(yanksync, AGE)
    done = yanksync("sync")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert "cooldown.missing" in line and str(yanksync.config) in line
    assert not list(yanksync.output.rglob("index*"))


def test_pages_that_lose_their_upload_times_are_held(synced: Cli, upstream: FakeUpstream) -> None:
    add(synced, AGE)
    assert synced("sync").silent
    before = synced.tree()
    upstream.doctor = undated
    upstream.upload("demo", "3.0")
    done = synced("sync")
    assert done.code == HELD
    assert "upload-time" in done.err
    assert synced.tree() == before


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_advisories_that_cannot_be_read_change_nothing(
    synced: Cli, upstream: FakeUpstream, content: str | None
) -> None:
    upstream.yank("demo", "1.0")
    if content is not None:
        (synced.home / "osv.json").write_text(content)
    add(synced, '[mirror]\nadvisories = ["osv.json"]')
    before = synced.tree()
    done = synced("sync")
    assert (done.code, done.out) == (2, "")
    assert "mirror.advisories" in done.err and "osv.json" in done.err
    assert synced.tree() == before


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('match = "demo"\naction = "allow"', "override[1].until"),
        ('match = "demo"\naction = "block"', "override[1].action"),
    ],
)
@pytest.mark.parametrize("separate", [False, True])
def test_a_wrong_override_names_its_file_and_key(
    synced: Cli, table: str, key: str, separate: bool
) -> None:
    text, where = f"[[override]]\n{table}\n", synced.config
    if separate:
        where = synced.home / "ours.toml"
        where.write_text(text)
        add(synced, '[mirror]\noverrides = "ours.toml"')
    else:
        add(synced, text)
    done = synced("sync")
    assert (done.code, done.out) == (2, "")
    assert f"{where}: {key}: " in done.err


def test_why_names_each_rule_of_cooldown(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.clock = now = int(time.time())
    upstream.upload("demo", "3.0")
    upstream.upload("fresh", "1.0")
    upstream.upload("bare", "1.0", upload_time="")
    upstream.upload("bare", "2.0", upload_time=iso_time(now - 9 * 86400))
    limit = iso_time(now - 86400)
    for text, project, version, rule in (
        (AGE, "demo", "3.0", "cooldown.age"),
        (f'{AGE}new_projects = "5d"', "fresh", "1.0", "cooldown.new_projects"),
        (f'{AGE}not_after = "{limit}"', "demo", "3.0", "cooldown.not_after"),
        (AGE, "bare", "1.0", "cooldown.missing"),
    ):
        before = yanksync.config.read_text()
        add(yanksync, text)
        assert yanksync("sync").code == 0
        found = yanksync("why", project, version, "--json").json
        assert [row["rule"] for row in found["rules"]] == [rule]
        assert (found["rules"][0]["until"] is None) == rule.endswith(("not_after", "missing"))
        yanksync.config.write_text(before)


def test_a_changed_age_is_not_held_and_cron_hears_nothing_of_it(
    synced: Cli, upstream: FakeUpstream
) -> None:
    upstream.clock = int(time.time())
    for version in ("3.0", "4.0"):
        upstream.upload("demo", version)
    assert synced("sync").silent
    assert len(offered(synced)) == 4
    add(synced, AGE)
    done = synced("sync", "-v")
    assert done.code == 0
    assert "changed rules: - 2 files, + 0 files" in done.err
    assert len(offered(synced)) == 2
    upstream.date = lambda: time.time() - 3600.0  # a wrong clock, which is a warning elsewhere
    assert synced("sync", "--cron").silent
