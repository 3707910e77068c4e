"""What the commands say of package files: a pass, status, check, metrics, a signal."""

from __future__ import annotations

import signal
import time

import pytest

from tests.support.cli_runner import Cli, ended, wait_for
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import FakeUpstream, Fault

FILE = "demo-1.0.tar.gz"


@pytest.fixture
def copying(yanksync: Cli, served: Served, upstream: FakeUpstream) -> Cli:
    """Make a mirror that is to copy files.

    One of them cannot be had.
    """
    yanksync.configure(
        f'simple_url = "{served.simple_url}"',
        mirror='files = "copy"',
        health='metrics = "yanksync.prom"',
    )
    upstream.fail(FILE, Fault.status(404), times=None)
    return yanksync


def test_files_that_cannot_be_had_are_shown(copying: Cli, upstream: FakeUpstream) -> None:
    done = copying("sync", "--json")
    assert done.code == 3
    assert f"demo: {FILE}: not copied: " in done.err
    copied = done.json["files_copied"]
    assert (copied > 0, done.json["bytes_copied"] > 0) == (True, True)
    assert (done.json["files_failed"], done.json["files_waiting"]) == (1, 1)

    status = copying("status", "--json").json
    assert status["package_files"]["served"] == copied
    assert (status["package_files"]["wanted"], status["package_files"]["failing"]) == (1, 1)
    (failing,) = status["failing_files"]
    assert (failing["project"], failing["filename"]) == ("demo", FILE)
    assert failing["next_try"].endswith("Z")
    text = copying("status").out
    assert f"package files     {copied} copied (" in text
    assert f"not copied: demo: {FILE}: " in text

    check = copying("check")
    assert check.code == 1
    assert check.out.startswith(f"WARNING: {FILE} not copied: ")

    metrics = (copying.home / "yanksync.prom").read_text()
    assert "yanksync_package_files_failing 1\n" in metrics
    assert f"yanksync_package_files_copied_total {copied}\n" in metrics


def test_a_terminal_is_told_how_much_was_copied(copying: Cli, upstream: FakeUpstream) -> None:
    upstream.heal()
    code, out, _ = copying.on_terminal("sync")
    assert code == 0
    assert "files copied (" in out


def test_a_signal_ends_a_pass_that_waits_for_a_file(copying: Cli, upstream: FakeUpstream) -> None:
    upstream.heal()
    upstream.fail(FILE, Fault.hang(60), times=None)
    process = copying.start("sync")
    while process.poll() is None and not any(
        request.path.endswith(FILE) for request in upstream.requests
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert ended(process).code == 143
    upstream.heal()
    assert copying("sync").code == 0


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [("sync", signal.SIGKILL, -signal.SIGKILL), ("run", signal.SIGTERM, 0)],
)
def test_a_download_that_a_signal_ends_is_continued(
    copying: Cli, upstream: FakeUpstream, command: str, number: signal.Signals, code: int
) -> None:
    upstream.heal()
    large, received = bytes(12 << 20), copying.output / "packages/.incoming"
    upstream.upload("large", "1.0", content=large)
    upstream.fail("large-1.0", Fault.drip(30), times=None)  # 768 KiB at a time
    process = copying.start(command)
    wait_for(
        lambda: (
            process.poll() is not None
            or any(path.read_text().endswith("]") for path in received.glob("*.part"))
        )
    )
    process.send_signal(number)
    assert process.wait(60) == code
    process.communicate(timeout=60)
    assert not list(copying.output.glob("packages/*/*/*/large*"))
    upstream.heal()
    upstream.clear_log()
    assert copying("sync").silent
    (request,) = [one for one in upstream.requests if one.path.endswith("large-1.0.tar.gz")]
    start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert (request.status, start >= 1 << 20) == (206, True)
    (copy,) = copying.output.glob("packages/*/*/*/large-1.0.tar.gz")
    assert copy.read_bytes() == large
    assert not received.exists()


def test_a_bundle_that_a_kill_cut_off_is_made_and_applied_again(
    copying: Cli, upstream: FakeUpstream
) -> None:
    upstream.heal()
    upstream.upload("large", "1.0", content=bytes(30 << 20))
    assert copying("sync").silent
    half = copying.home / ".all.bundle.tmp"
    process = copying.start("bundle", "create", "all.bundle")
    wait_for(
        lambda: process.poll() is not None or (half.exists() and half.stat().st_size > 1 << 20)
    )
    process.kill()
    process.communicate(timeout=60)
    assert (process.wait(60), (copying.home / "all.bundle").exists()) == (-9, False)
    assert copying("bundle", "create", "all.bundle").code == 0
    assert not half.exists()
    receiver = copying.home / "receiver"
    where = {"YANKSYNC_MIRROR_OUTPUT": str(receiver), "YANKSYNC_MIRROR_STATE": f"{receiver}.db"}
    process = copying.start("bundle", "apply", "all.bundle", **where)
    wait_for(lambda: process.poll() is not None or list(receiver.glob("packages/.incoming/*")))
    process.kill()
    process.communicate(timeout=60)
    assert process.wait(60) == -9
    assert copying("bundle", "apply", "all.bundle", **where).code == 0
    assert not list(receiver.glob("packages/.incoming/*"))
    names = [{path.name for path in one.rglob("*.tar.gz")} for one in (receiver, copying.output)]
    assert "large-1.0.tar.gz" in names[0] and names[0] == names[1]
