"""Checks reports of something in the way.

It stands in the place of a file or a directory of ours. The reports say what, where, and what to
do.
"""

from __future__ import annotations

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream


def test_a_file_where_the_output_belongs(yanksync: Cli) -> None:
    yanksync.output.write_text("precious")
    done = yanksync("sync")
    assert (done.code, done.out) == (1, "")
    why = "is there and no directory: move it away, or change mirror.output"
    assert done.err == f"yanksync: {yanksync.output}: {why}\n"
    for command in (("verify",), ("verify", "--repair"), ("doctor",)):
        done = yanksync(*command)
        assert done.code == 1
        assert "move it away, or change mirror.output" in done.out + done.err
    assert yanksync.output.read_text() == "precious"


def test_a_directory_where_a_page_belongs(synced: Cli, upstream: FakeUpstream) -> None:
    page = synced.output / "simple/demo/index.html"
    page.unlink()
    page.mkdir()
    upstream.yank("demo", "2.0")
    done = synced("sync")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert f"demo: not published: Is a directory: {page};" in done.err  # not a temporary file
    page.rmdir()
    assert synced("sync").silent
    assert synced("verify").silent


def test_a_directory_where_the_state_belongs(yanksync: Cli) -> None:
    yanksync.state.mkdir()
    for command in ("sync", "status", "history", "holds", "approve", "verify"):
        done = yanksync(command)
        assert (done.code, done.out) == (1, "")
        why = "is a directory; mirror.state must name a file"
        assert done.err == f"yanksync: {yanksync.state}: {why}\n"
