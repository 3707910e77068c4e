"""A run died with some files of a project replaced, and what it knew is lost: none goes back."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable

import pytest

from tests.support.bucket_mirrors import Fleet
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.s3_proxy import Mishap, puts_of
from yanksync.core import layout

FILES = [
    form + suffix
    for form in ("index.html", "index.v1_html", "index.v1_json", "index.legacy_json")
    for suffix in ("", ".gz")
]
OUTAGE = Fault.status(502)


def marks(read: Callable[[str], bytes | None]) -> dict[str, bool]:
    """Return which files of a page say why a release was yanked."""
    found = {filename: read(filename) for filename in FILES}
    assert None not in found.values()
    return {
        name: b"exploit" in (gzip.decompress(body) if name.endswith(".gz") else body)
        for name, body in found.items()
        if body is not None
    }


@pytest.mark.parametrize("done", [0, 1, 3, 6])
def test_a_lease_is_taken_over_from_a_run_that_was_killed(
    fleet: Fleet, upstream: FakeUpstream, done: int
) -> None:
    for machine in (fleet.first, fleet.second):
        machine.settle("legacy_json = true")
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "exploit")
    rule = fleet.first.gate.when(Mishap.PAUSE, puts_of("demo"), times=1, skip=done)
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    process.kill()
    process.communicate()
    rule.go.set()  # the put under way arrives

    def seen() -> dict[str, bool]:
        return marks(lambda filename: fleet.store.read("demo", filename))

    while sum(seen().values()) <= done:
        pass
    before = seen()
    upstream.fail("", OUTAGE, times=None)
    for _ in range(2):  # the second finds no trace of the killed run in the lease
        told = fleet.second.after_the_lease("sync")
        assert told.code == 1 and "502" in told.err
        assert seen() == before
    upstream.heal()
    assert fleet.second("sync", "--now").code == 0
    assert set(seen().values()) == {True}
    assert fleet.first("verify").silent and fleet.second("sync").silent


@pytest.mark.parametrize("newer", [[name] for name in FILES] + [["index.v1_json.gz", "index.html"]])
def test_a_state_from_a_backup_beside_a_page_of_two_ages(
    yanksync: Cli, upstream: FakeUpstream, newer: list[str]
) -> None:
    where = yanksync.output / "simple/demo"
    yanksync.configure(
        yanksync.config.read_text().splitlines()[-1],
        mirror="legacy_json = true\nlist_interval = 0",
    )
    assert yanksync("sync").silent
    shutil.copytree(where, yanksync.home / "kept")
    assert yanksync("backup", "kept.db").silent
    upstream.yank("demo", "1.0", "exploit")
    assert yanksync("sync").silent
    for path in yanksync.home.glob("yanksync.db*"):
        path.unlink()
    (yanksync.home / "kept.db").rename(yanksync.state)
    for filename in set(FILES) - set(newer):
        shutil.copy(yanksync.home / "kept" / filename, yanksync.home / "old")
        (yanksync.home / "old").replace(where / filename)

    def seen() -> dict[str, bool]:
        return marks(lambda filename: (where / filename).read_bytes())

    before = seen()
    assert before == {name: name in newer for name in FILES}
    upstream.fail("", OUTAGE, times=None)
    for _ in range(2):
        assert yanksync("sync").code == 1
        assert seen() == before
    upstream.heal()
    assert yanksync("sync", "--now").code == 0
    assert set(seen().values()) == {True}
    assert yanksync("verify").silent and yanksync("sync").silent


def test_a_sibling_that_cannot_be_read_is_not_taken_for_old(
    synced: Cli, upstream: FakeUpstream
) -> None:
    where = synced.output / "simple/demo"
    synced.configure(synced.config.read_text().splitlines()[-1], mirror="list_interval = 0")
    assert synced("backup", "kept.db").silent
    upstream.yank("demo", "1.0", "exploit")
    upstream.yank("other", "1.0", "exploit")
    assert synced("sync").silent
    for path in synced.home.glob("yanksync.db*"):
        path.unlink()
    (synced.home / "kept.db").rename(synced.state)
    for form in layout.FORMS[:3]:  # all but the siblings are lost, and these cannot be read
        (where / form.filename).unlink()
        (where / f"{form.filename}.gz").unlink()
        (where / f"{form.filename}.gz").symlink_to(f"{form.filename}.gz")
    upstream.fail("", OUTAGE, times=None)
    for _ in range(2):
        done = synced("sync")
        assert done.code == 1 and "demo: not published: " in done.err
        assert "Too many levels of symbolic links" in done.err
        assert not (where / "index.html").exists()
    upstream.heal()
    for form in layout.FORMS[:3]:
        (where / f"{form.filename}.gz").unlink()
    assert synced("sync", "--now").code in (0, 3)
    assert synced("sync").silent and synced("verify").silent
    assert b"exploit" in (where / "index.html").read_bytes()
