"""More than one machine: the state in object storage, one run at a time, whatever stands still."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.json import encode
from msgspec.structs import replace

from tests.support.bucket_mirrors import LOCKED, Fleet, Machine, stopped
from tests.support.cli_runner import ended
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.http_receiver import Receiver, receiver
from tests.support.lease_clock import LeaseClock
from tests.support.metrics_text import parsed
from tests.support.s3_proxy import Mishap, puts_of
from yanksync.core.errors import LeaseLost
from yanksync.mirror.lease import LeaseRecord, read_record
from yanksync.mirror.remote_state import LARGEST
from yanksync.output.object_storage.bucket import ObjectHeaders

HELD = 4
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
Wanted = Callable[[str, str], bool]  # method, key


def test_either_machine_goes_on_where_the_other_ended(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    assert fleet.yanked("demo") == {"demo-1.0.tar.gz": False, "demo-2.0.tar.gz": False}
    upstream.yank("demo", "2.0", "broken")
    upstream.clear_log()
    assert fleet.second("sync").silent
    assert [request.project for request in upstream.page_requests()] == ["demo"]
    assert fleet.yanked("demo")["demo-2.0.tar.gz"] == "broken"
    upstream.remove_project("other")
    assert fleet.first("sync").silent
    assert list(fleet.store.names()) == ["demo"]
    assert fleet.second("verify").silent
    assert "broken" in fleet.second("history", "demo").out
    told = fleet.second("status", "--json").json
    assert (told["projects"], told["yanked_releases"]) == (1, 1)
    assert fleet.first("holds").code == 0
    assert fleet.second("approve").out == "nothing is held\n"
    copy = fleet.second.home / "copy.db"
    assert fleet.second("backup", str(copy)).silent
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM projects").fetchone() == (2,)
    copy.unlink()
    assert fleet.first.scratch() == fleet.second.scratch() == []


def test_an_empty_pass_puts_no_state_and_is_known_of(fleet: Fleet) -> None:
    assert fleet.first("sync").silent
    before = fleet.second("status", "--json").json
    fleet.first.gate.forget()
    assert fleet.first("sync").silent
    asked = [(method, key.rpartition("/")[2]) for method, key in fleet.first.gate.requests]
    look = [("HEAD", "yanksync.db.lease")] * (fleet.place.scheme == "gs")  # for its generation
    assert asked == [
        ("GET", "yanksync.db.lease"), *look, ("PUT", "yanksync.db.lease"), ("GET", "yanksync.db"),
        ("GET", "index.v1_json"), *look, ("PUT", "yanksync.db.lease"),
    ]  # fmt: skip
    after = fleet.second("status", "--json").json
    assert after["last_success"] >= before["last_success"]
    assert after["lag_seconds"] <= before["lag_seconds"] + 1
    note = read_record(fleet.objects, "state/yanksync.db.lease")
    assert note is not None and not note.held and not note.unclean
    assert fleet.second("status", "--max-lag", "3000").code == 0
    assert fleet.first("sync", "--dry-run").code == 0
    assert fleet.first("verify").silent
    assert fleet.first.state_puts() == 0


def test_nobody_works_beside_another(fleet: Fleet, upstream: FakeUpstream) -> None:
    fleet.first.settle("lease = '1h'")
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    rule = fleet.first.gate.when(Mishap.PAUSE, puts_of("demo"), times=1)
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    fleet.second.gate.forget()
    done = fleet.second("sync")
    assert done.code == LOCKED and "another run holds" in done.err
    assert fleet.second("verify").code == fleet.second("approve").code == LOCKED
    written = {key.rpartition("/")[2] for key in fleet.second.gate.asked("PUT")}
    assert written == {"yanksync.db.lease.now"}  # what time it is for the storage
    told = fleet.second.on_terminal("sync")
    assert told[0] == LOCKED
    assert re.search(
        rf"another run holds the lease \(process {process.pid} on \S+, since {TIME}\) "
        rf"until {TIME}, "
        "or longer if that run renews it; nothing was done; --wait",
        told[2],
    )
    waited = fleet.second("sync", "--wait", "1s")
    assert waited.code == LOCKED and "until 20" in waited.err and "in 1 s it did not" in waited.err
    rule.go.set()
    assert ended(process).code == 0
    assert fleet.second("sync").silent


def test_a_run_that_stood_still_before_a_put_overwrites_nothing(
    fleet: Fleet, upstream: FakeUpstream
) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "the first sees this")
    rule = fleet.first.gate.when(Mishap.PAUSE, _the_first_look_at_the_output, times=1)
    with fleet.first.passing_here(clock := LeaseClock()) as passing:
        assert rule.caught.wait(60)
        clock.time += 3600
        upstream.yank("demo", "2.0", "only the second sees this")
        assert fleet.second.after_the_lease("sync").code == 0
        assert fleet.yanked("demo") == {
            "demo-1.0.tar.gz": "the first sees this",
            "demo-2.0.tar.gz": "only the second sees this",
        }
        before = fleet.etags()
        fleet.first.gate.forget()
        rule.go.set()
        with pytest.raises(LeaseLost, match="could not be renewed in time"):
            passing.result()
    assert fleet.etags() == before
    assert fleet.first.gate.asked("PUT") == []  # it knew by its clock
    assert fleet.second("verify").silent and fleet.first("sync").silent
    assert fleet.etags() == before


def _the_first_look_at_the_output(method: str, key: str) -> bool:
    return method == "GET" and key.endswith("/simple/index.v1_json")


def test_a_put_that_was_under_way_overwrites_nothing(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "the first sees this")
    rule = fleet.first.gate.when(Mishap.PAUSE, puts_of("demo"), times=1)
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    stopped(process)  # its request is on the way, and nobody can call it back
    upstream.yank("demo", "2.0", "only the second sees this")
    assert fleet.second.after_the_lease("sync").code == 0
    before = fleet.etags()
    fleet.first.gate.forget()
    rule.go.set()
    process.send_signal(signal.SIGCONT)
    assert ended(process).code == LOCKED
    assert fleet.etags() == before
    assert fleet.second("verify").silent and fleet.second("sync").silent


@pytest.mark.s3
def test_a_deletion_that_was_under_way_deletes_nothing_of_another(
    fleet: Fleet, upstream: FakeUpstream
) -> None:
    assert fleet.first("sync").silent
    upstream.remove_project("demo")
    rule = fleet.first.gate.when(Mishap.PAUSE, _deletions, times=1)
    with fleet.first.passing_here(clock := LeaseClock()) as passing:
        assert rule.caught.wait(60)
        clock.time += 3600
        upstream.upload("demo", "7.0")  # it comes back meanwhile
        assert fleet.second.after_the_lease("sync").code == 0
        before = fleet.etags()
        assert fleet.yanked("demo") == {"demo-7.0.tar.gz": False}
        fleet.first.gate.forget()
        rule.go.set()
        with pytest.raises(LeaseLost):
            passing.result()
    assert fleet.etags() == before
    assert fleet.first.gate.asked("DELETE") == fleet.first.gate.asked("POST") == []
    assert fleet.second("verify").silent and fleet.second("sync").silent


def _deletions(method: str, key: str) -> bool:
    return method in ("DELETE", "POST")


def test_a_deletion_of_what_somebody_else_changed(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    fleet.objects.put("simple/demo/index.html", b"<p>mine", ObjectHeaders())
    upstream.remove_project("demo")
    assert fleet.first("sync").code == LOCKED
    assert fleet.store.read("demo", "index.html") == b"<p>mine"
    assert fleet.second.after_the_lease("sync").code == 0
    assert list(fleet.store.names()) == ["other"]
    assert fleet.second("verify").silent


@pytest.mark.parametrize(
    "mishap",
    [Mishap.ANSWER_LOST, Mishap.DENIED, pytest.param(Mishap.UNKNOWN, marks=pytest.mark.s3)],
)
def test_a_deletion_that_goes_wrong_on_the_way(
    fleet: Fleet, upstream: FakeUpstream, mishap: Mishap
) -> None:
    fleet.first.settle('legacy_json = true\ncompress = ["gzip"]\nlist_interval = 0')
    fleet.second.settle("compress = []\nlist_interval = 0")  # siblings and forms go
    assert fleet.first("sync").silent
    upstream.remove_project("demo")
    fleet.second.gate.when(mishap, _deletions, times=3)
    done = fleet.second("sync")
    assert done.code == (1 if mishap is Mishap.DENIED else 0)
    assert fleet.second("sync").silent and fleet.second("verify").silent
    assert {key.rpartition("/")[2] for key in fleet.etags()} == {
        "index.html", "index.v1_html", "index.v1_json",
    }  # fmt: skip
    assert list(fleet.store.names()) == ["other"]


@pytest.mark.parametrize("where", ["demo/index.v1_json", "yanksync.db"])
def test_a_run_that_died_is_healed_by_whoever_comes_next(
    fleet: Fleet, upstream: FakeUpstream, where: str
) -> None:
    assert fleet.first("sync").silent
    for name in ("demo", "other", "new"):
        upstream.upload(name, "3.0")
    upstream.yank("demo", "1.0", "broken")
    rule = fleet.first.gate.when(Mishap.PAUSE, _puts_to(where), times=1)
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    process.kill()
    process.communicate()
    rule.go.set()
    upstream.remove_project("other")
    assert fleet.second.after_the_lease("sync").code in (0, 3)
    done = fleet.second("sync")
    assert (done.code, done.err) == (0, "")
    assert sorted(fleet.store.names()) == ["demo", "new"]
    assert fleet.yanked("demo")["demo-1.0.tar.gz"] == "broken"
    assert fleet.second("verify").silent
    assert fleet.second("status", "--json").json["unpublished"] == 0


def _puts_to(name: str) -> Wanted:
    return lambda method, key: method == "PUT" and key.endswith(f"/{name}")


def test_a_state_that_cannot_be_put_is_no_loss(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    fleet.first.gate.when(
        Mishap.DENIED, lambda method, key: method == "PUT" and key.endswith(".db")
    )
    done = fleet.first("sync")
    assert done.code == 1 and "yanksync.db: AccessDenied" in done.err
    assert fleet.yanked("demo")["demo-1.0.tar.gz"] == "broken"
    upstream.yank("demo", "2.0", "as well")
    assert fleet.second.after_the_lease("sync").code == 0
    assert fleet.yanked("demo")["demo-2.0.tar.gz"] == "as well"
    assert [row["version"] for row in fleet.second("history", "--json").json] == ["1.0", "2.0"]
    assert fleet.second("verify").silent


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


def watched(machine: Machine, inbox: Receiver) -> Path:
    """Let somebody be told of a machine's passes; return the file for Prometheus."""
    with machine.config.open("a") as file:
        file.write(f'[health]\nping = "{inbox.url}"\nmetrics = "yanksync.prom"\n')
    return machine.home / "yanksync.prom"


def test_a_pass_whose_state_cannot_be_put_has_failed(
    fleet: Fleet, upstream: FakeUpstream, inbox: Receiver
) -> None:
    path = watched(fleet.first, inbox)
    assert fleet.first("sync").silent
    assert inbox.paths == ["/start", "/"]
    upstream.yank("demo", "1.0", "broken")
    fleet.first.gate.when(Mishap.DENIED, _puts_to("yanksync.db"))
    done = fleet.first("sync")
    assert done.code == 1
    assert inbox.paths[2:] == ["/start", "/fail"]
    assert "AccessDenied" in inbox.told[-1].body.decode()
    assert parsed(path.read_text())["last_run_exit_code"] == 1


def test_a_pass_that_lost_its_lease_at_the_end_has_nothing_to_say(
    fleet: Fleet, upstream: FakeUpstream, inbox: Receiver
) -> None:
    path = watched(fleet.first, inbox)
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    rule = fleet.first.gate.when(Mishap.PAUSE, _puts_to("yanksync.db"), times=1)
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    fleet.objects.put("state/yanksync.db", b"of somebody else", ObjectHeaders())
    rule.go.set()
    assert ended(process).code == LOCKED
    assert inbox.paths[2:] == ["/start"]
    assert parsed(path.read_text())["last_run_exit_code"] == LOCKED


def test_a_lease_that_cannot_be_renewed_for_the_state_keeps_nobody_out(
    fleet: Fleet, upstream: FakeUpstream
) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    fleet.first.gate.when(Mishap.SLOW_DOWN, _puts_to("yanksync.db.lease"), skip=1, times=2)
    done = fleet.first("sync")
    assert done.code == 1 and "yanksync.db.lease: SlowDown" in done.err
    done = fleet.second("sync")
    assert done.code == 0 and "the last run did not end as it should" in done.err
    assert fleet.yanked("demo")["demo-1.0.tar.gz"] == "broken"
    assert fleet.second("verify").silent


def test_a_run_that_is_told_to_end_before_it_began_keeps_nobody_waiting(fleet: Fleet) -> None:
    assert fleet.first("sync").silent
    rule = fleet.first.gate.when(
        Mishap.PAUSE, lambda method, key: method == "GET" and key.endswith(".db"), times=1
    )
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    process.send_signal(signal.SIGTERM)
    rule.go.set()
    done = ended(process)
    assert done.code == 143 and "interrupted" in done.err
    assert fleet.second("sync").silent


def test_the_clock_of_a_machine_was_ahead(fleet: Fleet, upstream: FakeUpstream) -> None:
    """What it left in the lease, and in the state, says nothing of when that was."""
    assert fleet.first("sync").silent
    note = read_record(fleet.objects, "state/yanksync.db.lease")
    assert note is not None
    ahead = replace(note, complete=time.time() + 9e6, success=time.time() + 9e6)
    body = encode(ahead)
    fleet.objects.put("state/yanksync.db.lease", body, ObjectHeaders())
    upstream.yank("demo", "1.0", "broken")
    assert fleet.second("sync").silent  # puts what the lease told into the state
    upstream.fail("^/", Fault.status(500), times=None)
    for _ in range(2):
        assert fleet.second("sync").code == 1
        told = fleet.first("status", "--json").json
        assert 0 < told["lag_seconds"] < 600
        assert fleet.first("status", "--max-lag", "0").code == 1


@pytest.mark.parametrize("name", ["index.v1_json", "yanksync.db", "yanksync.db.lease"])
def test_a_put_whose_answer_got_lost_is_our_own(
    fleet: Fleet, upstream: FakeUpstream, name: str
) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    fleet.first.gate.when(
        Mishap.ANSWER_LOST,
        lambda method, key: method == "PUT" and key.endswith(f"/{name}"),
        times=1,
    )
    assert fleet.first("sync").silent
    assert fleet.yanked("demo")["demo-1.0.tar.gz"] == "broken"
    assert fleet.second("sync").silent and fleet.second("verify").silent


def test_a_put_that_may_have_arrived_is_made_again(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    fleet.first.gate.when(Mishap.ANSWER_LOST, puts_of("demo"))
    fleet.first.gate.when(Mishap.CUT, lambda method, key: "/simple/demo/" in key)
    done = fleet.first("sync")
    assert done.code == 1 and "demo: not published" in done.err
    fleet.first.gate.heal()
    upstream.yank("demo", "2.0", "as well")
    assert fleet.second.after_the_lease("sync").code == 0
    assert fleet.yanked("demo")["demo-2.0.tar.gz"] == "as well"
    assert fleet.second("verify").silent


def test_somebody_else_at_the_output(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    content = ObjectHeaders(type="text/html; charset=utf-8", cache="public, max-age=600")
    fleet.objects.put("simple/demo/index.html", b"<p>evil", content)
    fleet.objects.put("simple/index.html", b"<p>evil", content)
    assert fleet.first("verify").code == 1
    assert fleet.first("verify", "--repair").code == 0
    assert fleet.second("verify").silent
    fleet.objects.put("simple/demo/index.html", b"<p>evil", content)
    upstream.yank("demo", "1.0", "broken")
    assert fleet.first("sync").code == LOCKED  # for all that it can know, another run was here
    assert fleet.store.read("demo", "index.html") == b"<p>evil"
    assert fleet.second.after_the_lease("sync").code == 0
    assert fleet.second("verify").silent
    assert fleet.yanked("demo")["demo-1.0.tar.gz"] == "broken"


def test_a_mirror_whose_state_was_a_file(fleet: Fleet, upstream: FakeUpstream) -> None:
    first = fleet.first
    first.configure(
        f'simple_url = "{first.simple_url}"',
        mirror=f'output = "{first.place}"',
        storage=first.server.toml(),
    )
    assert first("sync").silent
    assert first("backup", str(first.home / "copy.db")).silent
    body = (first.home / "copy.db").read_bytes()
    fleet.objects.put("state/yanksync.db", body, ObjectHeaders())
    upstream.yank("demo", "1.0", "broken")
    upstream.clear_log()
    assert fleet.second("sync").code == 0
    assert [request.project for request in upstream.page_requests()] == ["demo"]
    assert fleet.second("verify").silent


def test_a_lost_state_is_made_anew(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    upstream.remove_project("other")
    fleet.objects.delete(["state/yanksync.db"])
    assert fleet.second("sync").code in (0, 3, 4)
    before = fleet.etags()
    assert any(key.startswith("simple/demo/") for key in before)
    assert fleet.second("sync").code in (0, 4)


def test_what_is_too_large_to_carry(fleet: Fleet) -> None:
    assert fleet.first("sync").silent
    fleet.objects.put("state/yanksync.db", bytes(LARGEST + 1), ObjectHeaders())
    for command in ("sync", "status"):
        done = fleet.first(command)
        assert done.code == 1 and done.err.count("\n") == 1
        assert "is 200 MB, and each run would copy it" in done.err
        assert "name the file in mirror.state" in done.err
    fleet.objects.delete(["state/yanksync.db"])
    assert fleet.second("sync").code != LOCKED  # whoever refused it keeps nobody out


def test_what_grows_too_large_to_carry_is_kept_once(fleet: Fleet, upstream: FakeUpstream) -> None:
    first, filled = fleet.first, fleet.first.home / "filled.db"
    assert first("sync").silent
    found = fleet.objects.get("state/yanksync.db")
    assert found is not None
    filled.write_bytes(found.body())
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("CREATE TABLE filler (room)")
        room = (LARGEST - found.size) // 1000 * 999  # four bytes of a page lead to the next
        connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (room,))
    fleet.objects.put("state/yanksync.db", filled.read_bytes(), ObjectHeaders())
    filled.unlink()
    for number in range(40):
        upstream.upload(f"p{number}", "1.0")
    for _ in range(2):
        done = first("sync")
        assert done.code == 1 and "is 200 MB, and each run would copy it" in done.err
        assert "The object is as it was before this run" in done.err
        (kept,) = first.scratch()
        assert f"Of this run it is in {first.home}/{kept}\n" in done.err
    with closing(sqlite3.connect(first.home / kept)) as connection:
        assert connection.execute("SELECT count(*) FROM projects").fetchone() == (42,)


def test_a_dry_run_that_fails_changes_nothing(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    before = read_record(fleet.objects, "state/yanksync.db.lease")
    fleet.first.gate.forget()
    fleet.first.simple_url = "http://127.0.0.1:9/simple/"
    fleet.first.settle()
    assert fleet.first("sync", "--dry-run").code == 1
    assert fleet.first.state_puts() == 0
    after = read_record(fleet.objects, "state/yanksync.db.lease")
    assert before is not None and after is not None
    assert (after.held, after.unclean) == (before.held, before.unclean) == (False, False)


def test_what_is_no_state_and_no_lease(fleet: Fleet) -> None:
    fleet.objects.put("state/yanksync.db", b"no database" * 100, ObjectHeaders())
    done = fleet.first("status")
    assert done.code == 1
    assert done.err.startswith(
        f"yanksync: {fleet.place.root}/{fleet.first.key}: file is not a database"
    )
    for body in (b"mine", b'{"seconds":1e300', *map(encode, _nobodys())):
        fleet.objects.put("state/yanksync.db.lease", body, ObjectHeaders())
        for command in ("sync", "status"):
            done = fleet.first(command)
            assert done.code == 1 and "yanksync.db.lease: is no lease of yanksync" in done.err
    missing = fleet.second
    missing.key = f"{missing.place.prefix}/nowhere.db"
    missing.settle()
    done = missing("verify")
    assert done.code == 1
    assert done.err == (
        f"yanksync: {fleet.place.root}/{missing.key}: there is no such state database; run "
        "'yanksync sync' first, or 'yanksync bundle apply' where bundles feed the output\n"
    )
    assert missing("status", "--json").json["projects"] == 0
    assert missing("history", "--json").json == []


def _nobodys() -> Iterator[LeaseRecord]:
    """Yield what no lease says: it would keep everybody out for ever, or cannot be told."""
    note = LeaseRecord(token="", holder="", since=0, seconds=1, count=0, held=True, unclean=True)
    yield replace(note, seconds=1e300)
    yield replace(note, complete=1e18)
    yield replace(note, success=-1)


def test_where_a_state_may_not_be(fleet: Fleet, tmp_path: Path) -> None:
    machine = fleet.first
    told = f"may only be in {fleet.place.scheme}:// when mirror.output is there, too"
    elsewhere = "gs" if fleet.place.scheme == "s3" else "s3"
    for output in (str(tmp_path / "out"), f"{elsewhere}://mirror/x"):
        machine.settle(output=output)
        done = machine("sync")
        assert done.code == 2 and f"mirror.state: {told}" in done.err
    machine.key = f"{machine.place.prefix}/simple/yanksync.db"
    machine.settle()
    assert "is among the pages of mirror.output" in machine("sync").err
    done = machine("sync", YANKSYNC_MIRROR_STATE=fleet.place.root)
    assert done.code == 2 and "must name one object" in done.err


def test_a_run_that_is_told_to_end_keeps_nobody_waiting(
    fleet: Fleet, upstream: FakeUpstream
) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    rule = fleet.first.gate.when(Mishap.PAUSE, puts_of("demo"), times=1)
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    process.send_signal(signal.SIGTERM)
    rule.go.set()
    done = ended(process)
    assert done.code == 143 and "interrupted" in done.err
    note = read_record(fleet.objects, "state/yanksync.db.lease")
    assert note is not None and not note.held and note.unclean
    assert fleet.second("sync").code == 0
    assert fleet.yanked("demo")["demo-1.0.tar.gz"] == "broken"
    assert fleet.second("verify").silent and fleet.first("sync").silent


def test_what_followers_read_of_a_held_page(fleet: Fleet, upstream: FakeUpstream) -> None:
    assert fleet.first("sync").silent
    (file, *_) = json.loads(fleet.store.read("demo", "index.v1_json") or b"")["files"]
    upstream.doctor = lambda page: json.loads(
        json.dumps(page).replace(file["hashes"]["sha256"], "ab" * 32)
    )
    upstream.upload("demo", "3.0")
    assert fleet.first("sync").code == HELD
    before = fleet.etags()
    for machine in (fleet.first, fleet.second):
        machine.settle("legacy_json = true\nlist_interval = 0")
        assert machine("sync").code == HELD
    assert (
        fleet.etags().items()
        >= {key: etag for key, etag in before.items() if "/demo/" in key}.items()
    )
    known = json.loads(fleet.store.read("demo", "index.legacy_json") or b"")
    assert known["releases"].keys() == {"1.0", "2.0", "3.0"}  # only the file's hash is held
    assert known["releases"]["1.0"][0]["digests"]["sha256"] == file["hashes"]["sha256"]
    assert fleet.second("verify").code == 0
    assert fleet.second("approve").code == 0
    assert fleet.first("sync").silent
    known = json.loads(fleet.store.read("demo", "index.legacy_json") or b"")
    assert known["releases"].keys() == {"1.0", "2.0", "3.0"}
    assert known["releases"]["1.0"][0]["digests"]["sha256"] == "ab" * 32
    for machine in (fleet.second, fleet.first):
        machine.settle()
    assert fleet.first("sync").silent and fleet.second("verify").silent
    assert not [key for key in fleet.etags() if "legacy" in key]
