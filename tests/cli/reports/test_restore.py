"""``restore``, and what ``why`` says of files that upstream removed, as a user sees them."""

from __future__ import annotations

import json

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream

DAY = 86400
FILE = "demo-1.0.tar.gz"


def copying(yanksync: Cli, more: str = "") -> Cli:
    """Let package files be copied, and make a mirror of them."""
    text = yanksync.config.read_text()
    yanksync.config.write_text(f'{text}[mirror]\nfiles = "copy"\n{more}')
    assert yanksync("sync").silent
    return yanksync


def files(yanksync: Cli) -> list[str]:
    page = json.loads((yanksync.output / "simple/demo/index.v1_json").read_bytes())
    return [file["filename"] for file in page["files"]]


def test_a_removed_file_is_restored(yanksync: Cli, upstream: FakeUpstream) -> None:
    copying(yanksync)
    upstream.clock += 30 * DAY
    upstream.remove_release("demo", "1.0")
    assert yanksync("sync").silent
    listed = yanksync("restore")
    assert listed.out.startswith(f"can be restored: {FILE} (demo, 16 bytes, removed, deleted after")
    assert (yanksync("restore", "demo", "--dry-run").out, listed.code) == (listed.out, 0)
    wrong = yanksync("restore", "other")
    assert (wrong.code, wrong.out) == (1, "")
    assert "other: no file of it is out of service; see 'yanksync restore'" in wrong.err
    upstream.quarantine_project("other")
    assert yanksync("sync").silent
    listed = yanksync("restore")
    assert "other-1.0.tar.gz: cannot be restored: it is under quarantine" in listed.err
    done = yanksync("restore", FILE)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1:] == ["next: yanksync sync"]
    assert yanksync("sync").silent
    assert files(yanksync) == [FILE, "demo-2.0.tar.gz"]
    assert FILE not in yanksync("restore").out


def test_why_says_that_a_removed_release_is_kept(yanksync: Cli, upstream: FakeUpstream) -> None:
    copying(yanksync, 'deleted = "yank"\n')
    upstream.clock += 30 * DAY
    upstream.remove_release("demo", "1.0")
    assert yanksync("sync").silent
    answer = " ".join(yanksync("why", "demo", "1.0").out.split())
    assert answer.startswith("Only if it is pinned exactly: demo 1.0 is yanked")
    assert "removed upstream on 2023-12-14" in answer


def test_why_says_why_a_removed_release_is_not_kept(yanksync: Cli, upstream: FakeUpstream) -> None:
    copying(yanksync, 'deleted = "yank"\n')
    upstream.remove_release("demo", "1.0")
    upstream.remove_project("other")
    assert yanksync("sync").silent
    for subject in (("demo", "1.0"), ("other",)):
        answer = " ".join(yanksync("why", *subject).out.split())
        assert "its copy is not kept: it was removed within 14 days of its upload" in answer


def test_without_copies_nothing_can_be_restored(synced: Cli) -> None:
    done = synced("restore")
    assert (done.code, 'mirror.files is "link"' in done.err) == (2, True)
