"""A mirror that yanksync made and nginx serves is followed by another yanksync."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.mirror import LiveMirror, running
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import Served

pytestmark = pytest.mark.e2e


@pytest.fixture
def first(served: Served, tmp_path: Path) -> Iterator[LiveMirror]:
    """The mirror that is followed, with some history behind it."""
    home = tmp_path / "first"
    home.mkdir()
    for mirror in running(served, home):
        mirror.upload("demo", "1.0", "2.0")
        mirror.upload("other", "1.0")
        mirror.upload("gone", "1.0")
        mirror.upstream.upload(
            "bare", "1.0", requires_python=">=3.8", core_metadata=b"Name: bare\n"
        )
        mirror.upstream.yank("demo", "1.0", 'broken "<b>&amp;</b>" \U0001f600')
        mirror.upstream.yank("other", "1.0")
        mirror.upstream.archive("bare")
        sync(mirror)
        yield mirror


def sync(mirror: LiveMirror) -> None:
    """Make a pass; its list of projects is never kept back."""
    mirror.sync(mirror_list_interval="0")


@pytest.fixture
def second(first: LiveMirror, tmp_path: Path) -> Cli:
    """The one that follows."""
    home = tmp_path / "second"
    home.mkdir()
    return Cli(home, f"{first.nginx.root_url}simple/")


def pages(output: Path) -> dict[str, bytes]:
    """Return every page, by its path; the compressed siblings aside."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in output.rglob("index.*")
        if path.suffix != ".gz"
    }


def test_it_is_followed_by_its_list(first: LiveMirror, second: Cli) -> None:
    assert second("sync").silent
    assert second("status", "--json").json["journal"] == "listing"
    assert pages(second.output) == pages(first.output)
    demo = json.loads(pages(second.output)["simple/demo/index.v1_json"])
    assert demo["meta"]["_last-serial"] and len(demo["files"]) == 2
    before = second.tree()
    assert second("sync").silent
    assert second.tree() == before


def test_withdrawals_and_returns_pass_through(first: LiveMirror, second: Cli) -> None:
    assert second("sync").silent
    first.upstream.yank("demo", "2.0", "worse")
    first.upstream.unyank("demo", "1.0")
    first.upstream.remove_project("gone")
    first.upstream.quarantine_project("other")
    first.upload("new", "1.0")
    sync(first)
    assert second("sync").silent
    assert pages(second.output) == pages(first.output)
    told = {(row["project"], row["action"]) for row in second("history", "--json").json}
    assert told == {
        ("demo", "yank"),
        ("demo", "unyank"),
        ("gone", "remove"),
        ("other", "quarantine"),
    }
    first.upstream.clear_project_quarantine("other")
    sync(first)
    assert second("sync").silent
    assert pages(second.output) == pages(first.output)


def test_what_it_made_can_be_adopted_by_another(first: LiveMirror, second: Cli) -> None:
    before = pages(first.output)
    assert second("sync").silent
    for path in second.home.glob("yanksync.db*"):
        path.unlink()
    stamps = second.tree()
    said = second("adopt", "--json").json
    assert (said["kept"], said["rewritten"], said["fetch"]) == (4, 0, 0)
    assert second("sync").silent
    assert {p: at for p, at in second.tree().items() if p.count("/") == 2} == {
        p: at for p, at in stamps.items() if p.count("/") == 2
    }
    assert pages(second.output) == before


def test_a_file_that_becomes_old_enough_passes_through(first: LiveMirror, second: Cli) -> None:
    """Its page changes without a new serial: the list has a revision for that."""
    first.upstream.clock = int(time.time()) - 7200
    first.upload("demo", "3.0")
    first.sync(mirror_list_interval="0", cooldown_age="1d")
    assert second("sync").silent

    def offered() -> list[str]:
        page = json.loads(pages(second.output)["simple/demo/index.v1_json"])
        return [file["filename"] for file in page["files"]]

    assert len(offered()) == 2
    serial = first.upstream.last_serial
    first.sync(mirror_list_interval="0", cooldown_age="1h")
    assert first.upstream.last_serial == serial
    assert second("sync").silent
    assert offered()[-1] == "demo-3.0-py3-none-any.whl"
