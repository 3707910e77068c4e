"""``forget`` as a user runs it."""

from __future__ import annotations

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream
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
    shown = synced("forget", "--undo", "--dry-run", "demo").out
    assert shown == "would be mirrored again: demo\n"
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


def test_why_says_that_a_forgotten_project_had_the_same_file(
    synced: Cli, upstream: FakeUpstream
) -> None:
    project = upstream.project("demo")
    assert project is not None
    content = project.files["demo-2.0.tar.gz"].content
    assert synced("forget", "demo").code == 0
    upstream.upload("other", "9.0", content=content)
    assert synced("sync").silent
    answer = " ".join(synced("why", "other", "9.0").out.split())
    assert answer.startswith("No: other 9.0 is hidden by yanksync forget (a forgotten project had")
