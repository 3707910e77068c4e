"""The lease, against a real server: who gets it, how it is kept, how its loss is noticed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.s3_proxy import Gate, Mishap
from tests.support.s3_servers import Server
from yanksync.core.errors import LeaseLost, LockHeld
from yanksync.mirror.lease import Lease, clock, patience, read_note
from yanksync.output.object_storage.bucket import Content, Objects

KEY = "yanksync.db.lease"


@pytest.fixture
def objects(seaweed: Server, s3_gate: Gate) -> Objects:
    return seaweed.behind(s3_gate.url).objects(max_retries="0")


def held(objects: Objects, seconds: float) -> Lease:
    lease = Lease(objects, KEY, seconds)
    lease.take()
    return lease


def wait_until(condition: object) -> None:
    end = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_one_of_many_gets_it(objects: Objects) -> None:
    start = threading.Barrier(8)

    def reach(number: int) -> Lease | None:
        lease = Lease(objects, KEY, 300)
        start.wait()
        try:
            lease.take()
        except LockHeld:
            return None
        return lease

    with ThreadPoolExecutor(8) as pool:
        winners = [lease for lease in pool.map(reach, range(8)) if lease is not None]
    (winner,) = winners
    assert read_note(objects, KEY) == winner.note
    winner.release(unclean=False, complete=1.0, success=2.0)
    after = held(objects, 300)
    assert (after.note.complete, after.note.success) == (1.0, 2.0)
    after.stop()


def test_it_is_renewed_and_then_somebody_elses(objects: Objects) -> None:
    lease = held(objects, 4)
    try:
        wait_until(lambda: lease.note.count >= 2)
        lease.check()
        with pytest.raises(LockHeld):
            Lease(objects, KEY, 4).take()
    finally:
        lease.stop()
    wait_until(lambda: _lost(lease))  # nobody renews it
    other = Lease(objects, KEY, 300)
    wait_until(lambda: _taken(other))
    assert other.note.token != lease.note.token
    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        lease.release(unclean=False, complete=None, success=None)
    note = read_note(objects, KEY)
    assert note is not None and note.token == other.note.token
    other.release(unclean=False, complete=None, success=None)


def _lost(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return True
    return False


def _taken(lease: Lease) -> bool:
    try:
        lease.take()
    except LockHeld:
        return False
    return True


def test_its_time_counts_from_before_it_is_asked_for(objects: Objects, s3_gate: Gate) -> None:
    rule = s3_gate.when(Mishap.PAUSE, lambda method, key: method == "PUT", times=1)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(held, objects, 300)
        assert rule.caught.wait(60)
        asked = clock()
        wait_until(lambda: clock() > asked + 1)
        rule.go.set()
        lease = taking.result()
    lease.stop()
    assert lease._until <= asked + 300


def test_whoever_overwrites_it_has_it(objects: Objects) -> None:
    lease = held(objects, 300)
    objects.put(KEY, b"{}", Content())
    with pytest.raises(LeaseLost, match="another run has taken it over"):
        lease.renew()
    with pytest.raises(LeaseLost):
        lease.check()
    lease.stop()


def test_a_renewal_that_fails_is_tried_again(objects: Objects, s3_gate: Gate) -> None:
    lease = held(objects, 6)
    rule = s3_gate.when(Mishap.SLOW_DOWN, lambda method, key: method == "PUT", times=2)
    try:
        wait_until(lambda: lease.note.count >= 1)
        assert rule.times == 0
        lease.check()
    finally:
        lease.stop()


@pytest.mark.parametrize("seconds", [5.0, 60.0, 300.0, 86400.0])
def test_a_request_is_shorter_than_what_remains_at_the_renewal(seconds: float) -> None:
    longest = patience(seconds).longest
    assert 2 * longest < seconds  # at half its time: one renewal that fails, and the last request
