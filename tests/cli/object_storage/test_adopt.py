"""A tree in a bucket is taken over, with the state beside it and without."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.bucket_mirrors import LOCKED, Fleet, Machine
from tests.support.cli_runner import ended
from tests.support.fake_index.index import FakeUpstream
from tests.support.foreign_trees import Tree
from tests.support.http_receiver import receiver
from tests.support.s3_proxy import Mishap, puts_of
from yanksync.mirror.lease import read_record
from yanksync.output.object_storage.bucket import ObjectHeaders

FAILED, PARTIAL = 1, 3


def copied(fleet: Fleet, upstream: FakeUpstream, home: Path, root: str | None = None) -> None:
    """Put a tree of bandersnatch's into the bucket, as somebody does who copies directories."""
    tree = Tree(upstream, home, root=root)
    tree.make()
    for path in sorted(home.rglob("index*")):
        fleet.objects.put(path.relative_to(home).as_posix(), path.read_bytes(), ObjectHeaders())


def lost(fleet: Fleet, *, lease: bool = True) -> None:
    """Lose the state, and the lease with it."""
    names = ["state/yanksync.db", *(["state/yanksync.db.lease"] if lease else [])]
    fleet.objects.delete(names)


def page_puts(machine: Machine) -> list[str]:
    return [key for key in machine.gate.asked("PUT") if "/simple/" in key]


def test_a_look_changes_nothing(fleet: Fleet, upstream: FakeUpstream, tmp_path: Path) -> None:
    copied(fleet, upstream, tmp_path / "tree")
    before = fleet.etags()
    said = fleet.first("adopt", "--dry-run", "--json").json
    assert (said["rewritten"], said["fetch"], said["missing"]) == (2, 0, 0)
    assert fleet.etags() == before and page_puts(fleet.first) == []
    assert fleet.first.state_puts() == 0
    assert fleet.first("status", "--json").json["journal_serial"] is None
    assert fleet.second("adopt", "--dry-run", "--json").json == said  # nobody is kept out
    assert fleet.first.scratch() == fleet.second.scratch() == []


@pytest.mark.parametrize("root", [None, "../.."])
def test_one_machine_adopts_and_another_goes_on(
    fleet: Fleet, upstream: FakeUpstream, tmp_path: Path, root: str | None
) -> None:
    upstream.yank("demo", "2.0", "broken")
    upstream.upload("gone", "1.0")
    copied(fleet, upstream, tmp_path / "tree", root)
    upstream.yank("other", "1.0", "late")
    upstream.remove_project("gone")
    done = fleet.first("adopt", "--json")
    assert done.code == 0
    assert (done.json["fetch"], done.json["gone"]) == (2, 1)
    told = fleet.second("status", "--json").json
    assert told["journal_serial"] == upstream.last_serial and told["pending"] == 3
    upstream.clear_log()
    assert fleet.second("sync").silent
    assert {request.project for request in upstream.page_requests()} == {"demo", "other", "gone"}
    assert fleet.yanked("demo")["demo-2.0.tar.gz"] == "broken"
    assert fleet.yanked("other")["other-1.0.tar.gz"] == "late"
    assert sorted(fleet.store.names()) == ["demo", "other"]
    assert fleet.first("verify").silent and fleet.first("sync").silent
    done = fleet.second("adopt")
    assert done.code == FAILED and done.err.count("\n") == 1
    assert f"{fleet.place.root}/{fleet.first.key}: it belongs to a mirror already" in done.err


@pytest.mark.parametrize("lease", [True, False])
def test_a_lost_state_is_made_of_what_is_in_the_bucket(
    fleet: Fleet, upstream: FakeUpstream, lease: bool
) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "2.0", "broken")
    assert fleet.first("sync").silent
    before, names = fleet.etags(), fleet.store.read(None, "index.html")
    lost(fleet, lease=lease)
    fleet.second.gate.forget()
    said = fleet.second("adopt", "--json").json
    assert (said["kept"], said["rewritten"], said["fetch"]) == (2, 0, 0)
    assert page_puts(fleet.second) == []
    assert fleet.first("sync").silent
    pages = {key: etag for key, etag in before.items() if key.count("/") == 2}
    assert fleet.etags().items() >= pages.items() and len(pages) == 12
    assert fleet.store.read(None, "index.html") == names
    assert fleet.yanked("demo")["demo-2.0.tar.gz"] == "broken"
    assert fleet.second("verify").silent


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_adoption_that_is_ended_goes_on_elsewhere(
    fleet: Fleet, upstream: FakeUpstream, tmp_path: Path, number: signal.Signals
) -> None:
    copied(fleet, upstream, tmp_path / "tree")
    rule = fleet.first.gate.when(Mishap.PAUSE, puts_of("other"), times=1)
    process = fleet.first.start("adopt")
    assert rule.caught.wait(60)
    process.send_signal(number)
    if number == signal.SIGTERM:
        rule.go.set()
        assert ended(process).code == 128 + number
    else:
        process.communicate()
    upstream.yank("demo", "2.0", "broken")
    said = fleet.second.after_the_lease("adopt", "--json")
    assert said.code == 0, said.err
    assert fleet.second("sync").code == 0
    assert fleet.yanked("demo")["demo-2.0.tar.gz"] == "broken"
    assert fleet.second("verify").silent


def test_nobody_adopts_beside_another(fleet: Fleet, upstream: FakeUpstream, tmp_path: Path) -> None:
    copied(fleet, upstream, tmp_path / "tree")
    rule = fleet.first.gate.when(Mishap.PAUSE, puts_of("other"), times=1)
    process = fleet.first.start("adopt")
    assert rule.caught.wait(60)
    for command in ("adopt", "sync"):
        assert fleet.second(command).code == LOCKED
    rule.go.set()
    assert ended(process).code == 0
    note = read_record(fleet.objects, "state/yanksync.db.lease")
    assert note is not None and not note.held and not note.unclean
    assert fleet.second("sync").silent and fleet.second("verify").silent


def test_what_it_wrote_anew_is_told_by_the_next(
    fleet: Fleet, upstream: FakeUpstream, tmp_path: Path
) -> None:
    copied(fleet, upstream, tmp_path / "tree")
    with receiver() as inbox:
        for machine in (fleet.first, fleet.second):
            machine.settle(hooks=f'webhook = "{inbox.url}"')
        assert fleet.first("adopt").code == 0
        assert fleet.second("sync").silent
        (told,) = [one.json for one in inbox.taken]
        assert (sorted(told["projects"]), told["list"]) == (["demo", "other"], True)
