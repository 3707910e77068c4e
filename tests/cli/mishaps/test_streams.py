"""Standard streams that are closed or full: nothing is lost, and the exit code says the truth."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.cli_runner import Cli, Done, ended
from tests.support.fake_index.index import FakeUpstream, Served


def shell(yanksync: Cli, command: str) -> Done:
    """Run what a shell makes of ``command``, to the end."""
    return ended(
        subprocess.Popen(
            f"{sys.executable} -m yanksync {command}",
            shell=True,
            cwd=yanksync.home,
            env=yanksync.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


@pytest.mark.parametrize("command", ["history --json", "status", "--help", "show nginx"])
def test_a_standard_output_that_is_full(synced: Cli, command: str) -> None:
    why = "yanksync: standard output: cannot be written: No space left on device\n"
    assert shell(synced, f"{command} > /dev/full") == Done(1, "", why)


@pytest.mark.parametrize("command", ["history", "holds --json", "--help", "verify"])
def test_streams_that_are_closed(synced: Cli, command: str) -> None:
    assert shell(synced, f"{command} >&-") == Done(0, "", "")
    assert shell(synced, f"{command} 2>&-") == Done(0, synced(*command.split()).out, "")


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_failure_that_nobody_can_be_told_of(yanksync: Cli, streams: str) -> None:
    yanksync.configure('simple_url = "http://127.0.0.1:9/simple/"')
    done = shell(yanksync, f"sync {streams}")
    assert (done.code, done.out) == (1, "")
    assert ("127.0.0.1:9" in done.err) == (streams == ">&-")
    assert shell(yanksync, f"nonsense {streams}").code == 2


def test_no_file_of_ours_becomes_a_standard_stream(
    synced: Cli, upstream: FakeUpstream, served: Served
) -> None:
    upstream.yank("demo", "2.0", "broken")
    hooks = "command = ['sh', '-c', 'cat; cat >&2; echo told >&2; echo told']"
    synced.configure(f'simple_url = "{served.simple_url}"', hooks=hooks)
    assert shell(synced, "-vv sync <&- >&- 2>&-") == Done(0, "", "")
    assert synced("verify").silent
    assert "broken" in (synced.output / "simple/demo/index.html").read_text()
