"""``forget`` as a user runs it."""

from __future__ import annotations

from tests.support.cli_runner import Cli
from tests.support.terminal import typed


def test_a_project_is_forgotten_and_mirrored_again(synced: Cli) -> None:
    planned = synced("forget", "--dry-run", "demo")
    assert planned.out.splitlines()[-1] == "would be forgotten: 1"
    assert (synced.output / "simple/demo").is_dir()
    assert synced("forget", "Demo").out.splitlines()[-1] == "forgotten: 1"
    assert not (synced.output / "simple/demo").exists()
    assert b"demo" not in (synced.output / "simple/index.html").read_bytes()
    assert synced("sync").silent
    assert not (synced.output / "simple/demo").exists()
    assert "demo: it was forgotten, so it is not mirrored" in synced("why", "demo").err
    assert synced("forget", "--list").out.startswith("demo  since ")
    assert synced("forget", "--undo", "demo").out.splitlines()[-1] == "next: yanksync sync"
    assert synced("sync").silent
    assert (synced.output / "simple/demo").is_dir()


def test_a_slip_forgets_nothing(synced: Cli) -> None:
    before = synced.tree()
    refused = synced("forget", "demo", "othre")
    assert refused.code == 1
    assert "othre: the mirror has nothing of it; nothing was forgotten" in refused.err
    assert "did you mean 'other'?" in refused.err
    assert synced("forget").code == 2
    assert synced("forget", "--undo", "demo").code == 1
    assert synced.tree() == before


def test_a_terminal_is_asked(synced: Cli) -> None:
    before = synced.tree()
    shown = typed(synced, "forget", "demo", answer="n\n", when="[y/N]")
    assert shown.code == 1
    assert "Remove this project for good?" in shown.text
    assert synced.tree() == before
