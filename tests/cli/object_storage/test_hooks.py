"""Hooks of a mirror in object storage: they are told what is there, whatever went wrong before."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bucket_mirrors import Fleet, Mirror
from tests.support.cli_runner import wait_for
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.http_receiver import Receiver, receiver
from tests.support.lease_clock import LeaseClock
from tests.support.s3_proxy import Mishap, gate, puts, puts_of
from tests.support.s3_servers import Server
from yanksync.core.errors import LeaseLost

PARTIAL = 3


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


def news(inbox: Receiver) -> list[Any]:
    """Return what was taken since the last call."""
    found = [told.json for told in inbox.taken]
    inbox.taken.clear()
    return found


def hooks(mirror: Mirror, inbox: Receiver) -> str:
    return f'webhook = "{inbox.url}"\nmanifest = "{mirror.home}/manifests"'


def manifests(mirror: Mirror) -> list[Path]:
    return sorted((mirror.home / "manifests").glob("*.txt"))


def keys(mirror: Mirror) -> dict[str, bytes]:
    """Return all that is published, by its path below the output; not what ``slash_keys`` adds."""
    found = {}
    for listed in mirror.objects.list(""):
        if listed.key.rpartition("/")[2].startswith("index."):
            stored = mirror.objects.get(listed.key)
            assert stored is not None
            found[listed.key] = stored.body()
    return found


class Copy:
    """Somebody with a copy of the bucket, who is told nothing but manifests."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._seen: set[Path] = set()
        self.files: dict[str, bytes] = {}

    def follow(self) -> dict[str, bytes]:
        """Do what the manifests say that were not seen before."""
        there = keys(self._mirror)
        for path in manifests(self._mirror):
            for line in path.read_text().splitlines() if path not in self._seen else ():
                verb, _, name = line.partition(" ")
                if verb == "put" and name in there:  # else a later one deletes it
                    self.files[name] = there[name]
                elif verb == "delete":
                    self.files.pop(name, None)
            self._seen.add(path)
        return self.files


def test_they_are_told_what_is_there(
    mirror: Mirror, upstream: FakeUpstream, inbox: Receiver
) -> None:
    told = mirror.home / "told"
    script = mirror.home / "purge"
    script.write_text(f"#!/bin/sh\ncat >> {told}\n")
    script.chmod(0o755)
    mirror.settle(hooks=f'{hooks(mirror, inbox)}\ncommand = ["{script}"]')
    assert mirror("sync").silent
    (first,) = news(inbox)
    assert first["projects"] == ["demo", "other"] and first["list"]
    assert told.read_text().splitlines() == first["paths"]
    there = keys(mirror)
    assert {path for path in first["paths"] if not path.endswith("/")} <= {*there}
    (built,) = manifests(mirror)
    lines = built.read_text().splitlines()
    assert sorted(line.removeprefix("put ") for line in lines) == sorted(there)
    upstream.yank("demo", "2.0", "broken")
    upstream.remove_project("other")
    assert mirror("sync").silent
    (second,) = news(inbox)
    assert sorted(second["projects"]) == ["demo", "other"] and second["list"]
    assert "delete simple/other/index.html.gz\n" in manifests(mirror)[-1].read_text()
    assert mirror("sync").silent
    assert news(inbox) == [] and len(manifests(mirror)) == 2


def _partly(mirror: Mirror) -> None:
    """Two puts of a project go well, the others do not."""
    mirror.gate.when(Mishap.DENIED, puts_of("demo"), skip=2)


def _list(mirror: Mirror) -> None:
    mirror.gate.when(Mishap.DENIED, lambda method, key: key.endswith("/simple/index.html"))


def _deletions(mirror: Mirror) -> None:
    mirror.gate.when(Mishap.DENIED, lambda method, key: method in ("POST", "DELETE"))


def _answers(mirror: Mirror) -> None:
    mirror.gate.when(Mishap.ANSWER_LOST, puts)


@pytest.mark.parametrize("mishap", [_partly, _list, _deletions, _answers])
def test_what_fails_is_told_when_it_is_mended(
    mirror: Mirror, upstream: FakeUpstream, inbox: Receiver, mishap: Callable[[Mirror], None]
) -> None:
    told = hooks(mirror, inbox)
    mirror.settle(hooks=told, timeout="1s")
    copy = Copy(mirror)
    assert mirror("sync").silent
    assert copy.follow() == keys(mirror)
    mishap(mirror)
    upstream.yank("demo", "2.0", "broken")
    upstream.remove_project("other")
    upstream.upload("new", "1.0")
    assert mirror("sync").code == 1
    copy.follow()
    mirror.gate.heal()
    upstream.unyank("demo", "2.0")  # the page has the bytes again that the state last published
    assert mirror("sync").silent
    assert copy.follow() == keys(mirror)
    found = news(inbox)
    assert {name for one in found for name in one["projects"]} == {"demo", "other", "new"}
    assert found[-1]["list"] or any(one["list"] for one in found[1:])


def test_who_follows_manifests_has_the_same_through_every_change(
    tmp_path: Path, served: Served, upstream: FakeUpstream, inbox: Receiver, motor: Server
) -> None:
    """The server is the one that keeps keys with a slash at their end."""
    with gate(motor.url) as standing:
        mirror = Mirror(tmp_path, served, motor, standing)
        follow_through_every_change(mirror, upstream, inbox)
        mirror.store.close()


def follow_through_every_change(mirror: Mirror, upstream: FakeUpstream, inbox: Receiver) -> None:
    copy = Copy(mirror)
    changes: list[tuple[str, Callable[[], object]]] = [
        ("", lambda: None),
        ("legacy_json = true", lambda: upstream.yank("demo", "2.0", "broken")),
        ("compress = []", lambda: upstream.quarantine_project("other")),
        ('slash_keys = "html"', lambda: upstream.upload("new", "1.0")),
        ('exclude = ["new"]', lambda: upstream.remove_project("other")),
    ]
    for what, change in changes:
        change()
        mirror.settle(f"{what}\nlist_interval = 0", hooks=hooks(mirror, inbox))
        assert mirror("sync").code == 0, what
        assert mirror("verify").silent, what
        assert copy.follow() == keys(mirror), what


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_ends_between_a_put_and_the_hooks(
    mirror: Mirror, upstream: FakeUpstream, inbox: Receiver, number: signal.Signals
) -> None:
    mirror.settle(hooks=hooks(mirror, inbox))
    copy = Copy(mirror)
    assert mirror("sync").silent
    news(inbox)
    upstream.yank("demo", "2.0", "broken")
    upstream.upload("new", "1.0")
    rule = mirror.gate.when(Mishap.PAUSE, puts_of("new"), times=1)
    process = mirror.start("sync")
    assert rule.caught.wait(60)
    process.send_signal(number)
    rule.go.set()
    process.communicate(timeout=300)
    assert mirror("sync").silent
    (told,) = news(inbox)
    assert told["projects"] == ["demo", "new"] and told["list"]
    assert copy.follow() == keys(mirror)


def test_a_hook_that_is_down_keeps_no_page_back(
    mirror: Mirror, upstream: FakeUpstream, inbox: Receiver
) -> None:
    mirror.settle(hooks=hooks(mirror, inbox))
    assert mirror("sync").silent
    news(inbox)
    inbox.always = 404
    upstream.yank("demo", "2.0", "broken")
    assert mirror("sync").code == PARTIAL
    assert mirror.reasons("demo") == {True}
    inbox.always = None
    assert mirror("sync").silent
    assert [told["projects"] for told in news(inbox)] == [["demo"]]


def test_a_manifest_is_a_directory_here(mirror: Mirror) -> None:
    mirror.settle(hooks='manifest = "s3://mirror/manifests"')
    done = mirror("sync")
    assert done.code == 2
    assert "hooks.manifest: must be a path on this machine, not s3://" in done.err


def test_another_machine_tells_what_one_could_not(
    fleet: Fleet, upstream: FakeUpstream, inbox: Receiver
) -> None:
    for machine in (fleet.first, fleet.second):
        machine.settle(hooks=f'webhook = "{inbox.url}"')
    assert fleet.first("sync").silent
    news(inbox)
    inbox.always = 404
    upstream.yank("demo", "2.0", "broken")
    assert fleet.first("sync").code == PARTIAL
    told = fleet.second("status", "--json").json
    assert (told["undelivered"], told["hook_problems"]) == (1, ["webhook: answered 404"])
    inbox.always = None
    assert fleet.second("sync").silent
    assert [told["projects"] for told in news(inbox)] == [["demo"]]
    assert fleet.first("sync").silent
    assert news(inbox) == []
    assert fleet.first("status", "--json").json["undelivered"] == 0


@pytest.mark.parametrize("where", ["demo/index.v1_json", "new/index.v1_json", "yanksync.db"])
def test_what_a_dead_machine_put_is_told_by_the_next(
    fleet: Fleet, upstream: FakeUpstream, inbox: Receiver, where: str
) -> None:
    for machine in (fleet.first, fleet.second):
        machine.settle(hooks=f'webhook = "{inbox.url}"')
    assert fleet.first("sync").silent
    upstream.yank("demo", "2.0", "broken")
    upstream.upload("new", "1.0")
    upstream.remove_project("other")
    rule = fleet.first.gate.when(
        Mishap.PAUSE, lambda method, key: method == "PUT" and key.endswith(f"/{where}"), times=1
    )
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    process.kill()  # the put arrives when all is over, and is refused
    process.communicate()
    news(inbox)  # perhaps it told of something before it died
    assert fleet.second.after_the_lease("sync").code in (0, PARTIAL)
    fleet.second("sync")
    told = news(inbox)
    assert {name for one in told for name in one["projects"]} == {"demo", "new", "other"}
    assert any(one["list"] for one in told)
    assert fleet.second("verify").silent


def test_a_machine_that_lost_its_lease_tells_nothing_wrong(
    fleet: Fleet, upstream: FakeUpstream, inbox: Receiver, tmp_path: Path
) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    script = tmp_path / "hook"
    script.write_text(
        f"#!/bin/sh\ntouch {begun}\n"
        f"for n in $(seq 3000); do [ -e {go} ] && exit; sleep 0.02; done\n"
    )
    script.chmod(0o755)
    fleet.first.settle(hooks=f'command = ["{script}"]\nwebhook = "{inbox.url}"')
    fleet.second.settle(hooks=f'webhook = "{inbox.url}"')
    assert fleet.second("sync").silent
    news(inbox)
    upstream.yank("demo", "2.0", "broken")
    with fleet.first.passing_here(clock := LeaseClock()) as passing:
        wait_for(begun.exists)
        clock.time += 3600
        done = fleet.second.after_the_lease("sync")
        assert done.code == 0 and "the last run did not end as it should" in done.err
        assert [one["projects"] for one in news(inbox)] == [["demo"]]
        go.touch()
        with pytest.raises(LeaseLost):
            passing.result()
    assert fleet.second("status", "--json").json["undelivered"] == 0
    assert fleet.second("verify").silent
