"""Every failure is logged once in a pass, with its project and what happens next."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.raw_server import reply, wire

NAMES = (
    *("missing", "hanging", "garbage", "refused", "stale", "doubted", "rehashed", "blocked"),
    *("stuck", "fine", "gone"),
)
# What is said of each, and what happens next.
TOLD = {
    "missing": ("warning", "404, but the newest entry of the journal is yank", "asked for again"),
    "hanging": ("warning", "no answer in time", "asked for again"),
    "garbage": ("warning", "it is no JSON", "asked for again"),
    "refused": ("warning", "answered Forbidden (403)", "asked for again"),
    "stale": ("warning", "the page is still at serial", "asked for again"),
    "doubted": ("warning", "doubted-2.0.tar.gz: missing on", "asked for again in a later pass"),
    "rehashed": ("error", "rehashed-1.0.tar.gz and 1 more: ", "see 'yanksync holds'"),
    "blocked": ("error", "not published: is there and no directory", "the next run tries again"),
    "stuck": ("error", "not published: is there and no directory", "the next run tries again"),
}


@pytest.fixture
def upstream() -> FakeUpstream:
    upstream = FakeUpstream()
    for name in NAMES:
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")
    return upstream


@pytest.fixture
def troubled(yanksync: Cli, upstream: FakeUpstream) -> Cli:
    """A mirror of which one project each fails in its own way."""

    def doctor(page: dict[str, Any]) -> dict[str, Any]:
        if page["name"] == "rehashed":
            other = {"sha256": "ab" * 32}
            return {**page, "files": [{**file, "hashes": other} for file in page["files"]]}
        return {**page, "files": page["files"][: 1 if page["name"] == "doubted" else None]}

    assert yanksync("sync").code == 0
    for name in NAMES:
        upstream.yank(name, "1.0", "bad")
    upstream.remove_project("gone")
    for name, fault in (
        ("missing", Fault.status(404)),
        ("hanging", Fault.hang(30)),
        ("garbage", Fault.garbage()),
        ("refused", Fault.status(403)),
    ):
        upstream.fail(f"^/simple/{name}/", fault, times=None)
    upstream.serve_stale("stale", None)
    upstream.doctor = doctor
    for name in ("blocked", "stuck"):
        directory = yanksync.output / "simple" / name
        directory.rename(yanksync.home / name)
        directory.write_text("in the way")
    config = yanksync.config.read_text()
    yanksync.config.write_text(config.replace("timeout = 20", "timeout = 1"))
    return yanksync


def test_each_failure_is_one_line_of_text(troubled: Cli) -> None:
    done = troubled("sync")
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    for name, (level, why, then) in TOLD.items():
        (line,) = [line for line in lines if line.startswith(f"yanksync: {level}: {name}: ")]
        assert why in line and line.endswith(then)
    assert len(lines) == len(TOLD)


def test_each_failure_is_one_line_of_json(troubled: Cli, upstream: FakeUpstream) -> None:
    done = troubled("-v", "--log-format", "json", "sync")
    assert (done.code, done.out) == (1, "")
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert all({*line} <= {"time", "level", "message", "project"} for line in lines)
    lines = [line for line in lines if line["level"] != "info" or "project" not in line]  # events
    assert Counter(line["project"] for line in lines if "project" in line) == Counter({*TOLD})
    for line in lines:
        if "project" in line:
            level, why, then = TOLD[line["project"]]
            assert line["level"] == level
            assert line["message"].startswith(f"{line['project']}: ")
            assert why in line["message"] and line["message"].endswith(then)
    assert [line["level"] for line in lines if "project" not in line] == ["info"]
    # In the next pass, what cannot be written is met twice: at the start, and with its news.
    for name in ("blocked", "fine"):
        upstream.yank(name, "2.0", "as well")
    done = troubled("--log-format", "json", "sync", "--now")
    told = Counter(json.loads(line).get("project") for line in done.err.splitlines())
    assert told["blocked"] == told["stuck"] == 1 and None not in told
    assert max(told.values()) == 1
    # One that cannot be written keeps the others going, even if it is the only one left.
    fine = json.loads((troubled.output / "simple/fine/index.v1_json").read_bytes())
    assert [file["yanked"] for file in fine["files"]] == ["bad", "as well"]


def test_status_tells_what_failed_and_why(troubled: Cli) -> None:
    assert troubled("sync").code == 1
    status = troubled("status", "--json").json
    assert status["last_error"].startswith("simple/blocked: is there and no directory")
    blocked = {row["name"]: row["problem"] for row in status["blocked"]}
    assert {*blocked} == {"blocked", "stuck"} and status["unpublished"] == 2
    assert {row["name"] for row in status["problems"]} == {*TOLD} - {*blocked, "rehashed"}
    text = troubled("status").out
    assert "withdrawn: stuck 1.0 was yanked by upstream at 20" in text
    assert f"; its page cannot be changed: {blocked['stuck']}\n" in text
    assert "pending: garbage: project garbage: it is no JSON\n" in text
    for name in blocked:
        (troubled.output / "simple" / name).unlink()
    assert troubled("sync").code == 4
    assert troubled("status", "--json").json["blocked"] == []


def test_what_upstream_says_cannot_forge_a_line_of_the_log(yanksync: Cli) -> None:
    """Upstream's words are told with every control character spelled out, in either form."""
    evil = "x\x1b[2J\x9b31m\x07\x7f"
    answers = {
        "status": reply(status=f"418 {evil}"),
        "type": reply(b"x", Content_Type=f"text/{evil}"),
        "coding": reply(b"x", Content_Encoding=evil),
        "moved": reply(status="302 Found", Location=f"//{evil}/"),
        "version": reply(
            json.dumps({"meta": {"api-version": f"9\n{evil}"}, "name": "version", "files": []})
            .encode(), Content_Type="application/vnd.pypi.simple.v1+json",
        ),
    }  # fmt: skip
    answers["name"] = answers["version"].replace(b'"9\\n', b'"1.0", "x": "9\\n')

    def answer(head: str) -> bytes:
        return answers.get(head.split("/")[2], reply(status="405 no"))

    with wire(answer) as running:
        yanksync.configure(
            f'simple_url = "{running.url()}"\njournal = "none"',
            mirror=f"projects = {sorted(answers)}",
        )
        text = yanksync("sync")
        in_json = yanksync("--log-format", "json", "full-resync")
    assert text.code == in_json.code == 1
    lines = text.err.splitlines()
    assert {line.split(": ")[2] for line in lines} >= {*answers}
    assert len(lines) == len(answers) + 1
    assert all(line.startswith("yanksync: ") and line.isprintable() for line in lines)
    told = [json.loads(line) for line in in_json.err.splitlines()]
    assert {line.get("project") for line in told} == {*answers, None}
    assert in_json.err.replace("\n", "").isprintable()


def test_each_error_of_the_configuration_is_a_line(yanksync: Cli) -> None:
    yanksync.configure("workers = 0\nworker = 1", mirror="yanked = 'hide'")
    done = yanksync("status")
    file = f"yanksync: {yanksync.config}: "
    assert (done.code, done.err.splitlines()) == (2, [
        f"{file}upstream.workers: must be from 1 to 256, not 0",
        f"{file}upstream.worker: no such key; did you mean workers?",
        f"{file}mirror.yanked: must be one of \"mark\", \"omit\", not 'hide'",
    ])  # fmt: skip
