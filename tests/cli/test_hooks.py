"""Hooks as a process has them: what dies and what cron hears, and what nobody may see."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, wait_for
from tests.support.fake_index.index import FakeUpstream
from tests.support.http_receiver import Receiver, receiver

SECRET = "0f8c-secret"


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


def tell(yanksync: Cli, *lines: str) -> None:
    """Configure ``[hooks]``."""
    with yanksync.config.open("a") as file:
        file.write("[hooks]\n" + "\n".join(lines) + "\n")


def webhook(inbox: Receiver) -> tuple[str, str]:
    return f'webhook = "{inbox.url}{SECRET}"', f'webhook_header = "X-Key: {SECRET}"'


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f'command = ["{path}"]'


def undelivered(yanksync: Cli) -> int:
    return int(yanksync("status", "--json").json["undelivered"])


def test_cron_hears_of_a_broken_hook_after_an_hour(
    synced: Cli, upstream: FakeUpstream, inbox: Receiver
) -> None:
    tell(synced, *webhook(inbox))
    inbox.always = 404
    upstream.yank("demo", "2.0", "broken")
    done = synced("sync", "--cron")
    assert (done.code, done.out, done.err) == (3, "", "")
    found = synced("status").out.splitlines()
    assert "undelivered       1 (webhook 1)" in found
    assert "hook webhook: answered 404" in found
    synced.let_pass(3700)
    done = synced("sync", "--cron")
    assert done.code == 3
    assert "1 change not delivered to a hook; the next run tries again" in done.err
    inbox.always = None
    assert synced("sync", "--cron").silent
    found = synced("status").out.splitlines()
    assert not [line for line in found if "hook" in line or "undelivered" in line]


def test_nobody_sees_the_secrets(synced: Cli, upstream: FakeUpstream, inbox: Receiver) -> None:
    tell(synced, *webhook(inbox))
    for mood in (500, "reset", 404):
        inbox.always = mood
        upstream.yank("demo", "2.0", str(mood))
        done = synced("-vv", "sync")
        assert done.code == 3 and "hooks.webhook: " in done.err
        assert SECRET not in done.out + done.err
    assert SECRET not in "".join(synced.content())
    assert SECRET not in synced("status", "--json").out


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_while_it_tells(
    synced: Cli, upstream: FakeUpstream, number: signal.Signals
) -> None:
    begun, told = synced.home / "begun", synced.home / "told"
    hook = synced.home / "hook"
    tell(synced, script(hook, f"echo $$ > {begun}.part; mv {begun}.part {begun}; sleep 600"))
    upstream.yank("demo", "2.0", "broken")
    process = synced.start("sync", YANKSYNC_HOOKS_TIMEOUT="300")
    wait_for(begun.exists)
    process.send_signal(number)
    process.communicate(timeout=300)
    pid = begun.read_text().strip()
    if number == signal.SIGTERM:
        assert process.returncode == 128 + number
        wait_for(lambda: not Path(f"/proc/{pid}").exists())  # it ends with the run
    else:
        subprocess.run(["sh", "-c", f"kill -9 -{pid}"], check=True)
    script(hook, f"cat >> {told}")
    assert synced("sync").silent
    assert told.read_text().splitlines()[0] == "simple/demo/"
    assert undelivered(synced) == 0


def test_the_service_tells(synced: Cli, upstream: FakeUpstream, inbox: Receiver) -> None:
    tell(synced, *webhook(inbox))
    process = synced.start("run", YANKSYNC_SCHEDULE_EVERY="1s")
    upstream.yank("demo", "2.0", "broken")
    wait_for(lambda: inbox.taken)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0 and SECRET not in err
    assert inbox.taken[0].json["projects"] == ["demo"]


def test_what_verify_mends_is_told(synced: Cli, inbox: Receiver) -> None:
    tell(synced, *webhook(inbox))
    (synced.output / "simple" / "demo" / "index.html").write_text("damaged")
    assert synced("verify", "--repair").code == 0
    assert inbox.taken[0].json["projects"] == ["demo"]
    (synced.output / "simple" / "demo" / "index.html").write_text("damaged")
    inbox.always = 404
    assert synced("verify", "--repair").code == 3
    inbox.always = None
    assert synced("sync").silent
    assert len(inbox.taken) == 2


def test_a_rehearsal_tells_nobody(synced: Cli, upstream: FakeUpstream, inbox: Receiver) -> None:
    tell(synced, *webhook(inbox))
    upstream.yank("demo", "2.0")
    assert synced("sync", "--dry-run").code == 0
    assert inbox.told == [] and undelivered(synced) == 0


def test_a_manifest_and_the_metrics(synced: Cli, upstream: FakeUpstream) -> None:
    tell(synced, 'manifest = "manifests"', 'command = ["false"]')
    upstream.yank("demo", "2.0")
    assert synced("sync", "--metrics", "yanksync.prom").code == 3
    (found,) = (synced.home / "manifests").iterdir()
    assert "put simple/demo/index.html.gz" in found.read_text().splitlines()
    metrics = (synced.home / "yanksync.prom").read_text().splitlines()
    assert 'yanksync_undelivered{hook="command"} 1' in metrics
    assert 'yanksync_undelivered{hook="manifest"} 0' in metrics
    assert 'yanksync_failures_total{cause="undelivered"} 1' in metrics


def imported(synced: Cli) -> set[str]:
    """Return the names of the modules that a pass imports."""
    # Coverage imports some of these itself.
    environ = {name: text for name, text in synced.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "yanksync", "sync"],
        cwd=synced.home,
        env={**environ, "HOME": str(synced.home)},  # no .netrc
        capture_output=True,
        text=True,
        check=True,
    )
    assert "yanksync.sync.pipeline" in done.stderr  # threads may write into one line
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_an_empty_pass_imports_what_it_needs(synced: Cli) -> None:
    ours = {"sync.hooks.deliver", "sync.hooks.manifest", "system.child_process"} | {
        "system.http_post", "service.pass_reports", "service.metrics", "core.withdrawals",
        "state.withdrawals", "state.queues.notifications", "state.views.timeline"
    }  # fmt: skip
    names = imported(synced)
    assert names.isdisjoint(f"yanksync.{name}" for name in ours)
    # OpenSSL, the tables of Unicode, threads, and the library that asks for pages.
    assert names.isdisjoint({"hashlib", "stringprep", "concurrent.futures", "requests"})


def test_a_pass_with_changes_imports_no_requests(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    names = imported(synced)
    assert "yanksync.upstream.http.multiplexer" in names
    assert names.isdisjoint({"requests", "urllib3", "ssl", "email", "stringprep"})
