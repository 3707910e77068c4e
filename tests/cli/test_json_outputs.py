"""Each JSON output is as its schema says, and has no key that the schema lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault, Served
from tests.support.http_receiver import receiver
from tests.support.source_copy import ROOT

SCHEMAS = ROOT / "docs/reference/schemas"


def valid(name: str, value: object) -> None:
    """Check ``value`` against a schema.

    Unlike a reader, this accepts only keys of the schema.
    """
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for one in schema["$defs"].values():
        if "properties" in one:
            one["additionalProperties"] = False
    jsonschema.Draft202012Validator(schema).validate(value)


def with_another_hash(page: dict[str, Any]) -> dict[str, Any]:
    if page["name"] != "other":
        return page
    return {**page, "files": [{**one, "hashes": {"sha256": "0" * 64}} for one in page["files"]]}


def printed(cli: Cli, *command: str, code: int = 0) -> Any:
    done = cli(*command, "--json")
    assert done.code == code, done.err
    return done.json


@pytest.fixture
def busy(synced: Cli, upstream: FakeUpstream) -> Cli:
    """A mirror with a yank, a removal, a held hash and a pending page."""
    upstream.yank("demo", "1.0", "a reason")
    upstream.remove_release("demo", "2.0")
    upstream.doctor = with_another_hash
    upstream.raw_row("other", None, "frobnicate")
    upstream.upload("late", "1.0")
    upstream.fail("^/simple/late/", Fault.status(500), times=None)
    return synced


def test_a_pass_and_its_plan(busy: Cli) -> None:
    plan = printed(busy, "sync", "--dry-run")
    assert {look["name"] for look in plan["looks"]} == {"demo", "late", "other"}
    valid("plan", plan)
    summary = printed(busy, "sync", code=4)
    assert [change["action"] for change in summary["changes"]] == ["yank", "remove"]
    valid("sync", summary)


def test_what_is_asked_of_a_mirror(busy: Cli) -> None:
    busy("sync")
    status = printed(busy, "status")
    assert status["problems"] and status["held"] == 1
    valid("status", status)
    history, holds = printed(busy, "history"), printed(busy, "holds")
    assert len(history) == 2 and holds[0]["files"]
    valid("history", history)
    valid("holds", holds)
    for subject in (("demo",), ("demo", "1.0"), ("other",), ("late",)):
        valid("why", printed(busy, "why", *subject))
    valid("check", printed(busy, "check", code=2))
    approved = printed(busy, "approve")
    assert approved["approved"]
    valid("approve", approved)
    (busy.output / "simple/demo/index.html").unlink()
    verified = printed(busy, "verify", code=1)
    assert "missing" in {finding["kind"] for finding in verified["findings"]}
    valid("verify", verified)
    valid("doctor", json.loads(busy("doctor", "--json").out))
    valid("version", printed(busy, "version"))


def test_what_can_be_restored(yanksync: Cli, upstream: FakeUpstream) -> None:
    yanksync.config.write_text(yanksync.config.read_text() + '[mirror]\nfiles = "copy"\n')
    yanksync("sync")
    upstream.remove_release("demo", "1.0")
    upstream.quarantine_project("other")
    yanksync("sync")
    report = printed(yanksync, "restore")
    assert [file["refused"] is None for file in report["files"]] == [True, False, False]
    valid("restore", report)


def test_what_init_has_done(yanksync: Cli, served: Served) -> None:
    done = yanksync("init", "new", "--upstream", served.simple_url, "--json")
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    valid("init", report)
    assert report["file"] == str(yanksync.home / "new/yanksync.toml")
    assert report["next"][0].endswith("yanksync.toml sync")
    bad = yanksync("init", "bad", "--upstream", "http://127.0.0.1:9/simple/", "--json")
    assert bad.code == 1
    report = json.loads(bad.out)
    valid("init", report)
    assert not report["ok"] and "failure" in {check["level"] for check in report["checks"]}


def test_the_configuration(yanksync: Cli) -> None:
    valid("config-check", printed(yanksync, "config", "check"))
    valid("config-show", printed(yanksync, "config", "show"))
    yanksync.configure("workers = 0")
    errors = printed(yanksync, "config", "check", code=2)
    assert errors["errors"][0]["key"] == "upstream.workers"
    valid("config-check", errors)


def test_an_adoption(synced: Cli) -> None:
    synced.state.unlink()
    adopted = printed(synced, "adopt", "--dry-run")
    assert adopted["fates"]
    valid("adopt", adopted)


def test_each_line_of_the_log(busy: Cli) -> None:
    lines = busy("-v", "--log-format", "json", "sync").err.splitlines()
    for line in lines:
        valid("log", json.loads(line))
    assert any("project" in json.loads(line) for line in lines)


def test_a_webhook(busy: Cli) -> None:
    with receiver() as inbox:
        busy("sync", YANKSYNC_HOOKS_WEBHOOK=inbox.url)
    assert inbox.taken
    for message in inbox.taken:
        valid("webhook", message.json)


def test_audit(busy: Cli) -> None:
    (busy.home / "pins.txt").write_text("demo==1.0 --hash=sha256:0\ndemo==2.0\nother==1.0\n")
    done = busy("audit", "pins.txt", "--format", "json")
    assert done.code == 1, done.err
    valid("audit", done.json)


def test_compare(busy: Cli, served: Served) -> None:
    compared = printed(busy, "compare", "--all", served.simple_url)
    valid("compare", compared)
    assert {one["kind"] for one in compared["differences"]} == {"ahead"}


def test_a_rescue(synced: Cli, upstream: FakeUpstream, tmp_path: Path) -> None:
    project = upstream.project("demo")
    assert project is not None
    for directory, more in (("good", b""), ("bad", b"x")):
        (tmp_path / directory).mkdir()
        copy = tmp_path / directory / "demo-1.0.tar.gz"
        copy.write_bytes(project.files[copy.name].content + more)
    caches = {"PIP_CACHE_DIR": str(tmp_path / "none"), "UV_CACHE_DIR": str(tmp_path / "none")}
    places = ("--from", "good", "--from", "bad")
    done = synced("rescue", "demo==1.0", *places, "--json", **caches)
    assert done.code == 0
    assert [one["outcome"] for one in done.json["files"]] == ["verified", "mismatch"]
    valid("rescue", done.json)


def test_an_exposure(busy: Cli) -> None:
    busy("sync")
    line = '192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET /{} HTTP/1.1" 200 9'
    names = ("demo-1.0.tar.gz", "demo-2.0.tar.gz")
    text = "".join(f'{line.format(name)} "-" "pip"\n' for name in names)
    (busy.home / "access.log").write_text(text)
    done = busy("exposure", "access.log", "--json")
    assert [one["action"] for one in done.json["files"]] == ["yank", "remove"]
    valid("exposure", done.json)


def test_a_bundle(synced: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    receiver = Cli(tmp_path_factory.mktemp("receiver"), None)
    receiver.config.write_text('[mirror]\noutput = "mirror"\n')
    bundle = receiver.home / "first.bundle"
    made = printed(synced, "bundle", "create", str(bundle))
    assert made["bytes"] == bundle.stat().st_size
    valid("bundle-create", made)
    applied = printed(receiver, "bundle", "apply", str(bundle))
    assert applied == {**made, "dry_run": False}
    valid("bundle-apply", applied)


def test_a_project_that_is_forgotten(synced: Cli) -> None:
    planned = printed(synced, "forget", "demo", "--dry-run")
    valid("forget", planned)
    done = printed(synced, "forget", "demo")
    assert done == {**planned, "dry_run": False}
    listed = printed(synced, "forget", "--list")
    valid("forget-list", listed)
    undone = printed(synced, "forget", "demo", "--undo")
    assert undone == {"undone": ["demo"], "dry_run": False}
    valid("forget-undo", undone)
