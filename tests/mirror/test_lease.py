"""The lease, against a real server: who gets it, how it is kept, how its loss is noticed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.lease_clock import LeaseClock
from tests.support.s3_proxy import Gate, Mishap
from tests.support.s3_servers import Server
from yanksync.core.errors import LeaseLost, LockHeld
from yanksync.mirror.lease import BootClock, Lease, read_record, request_timeouts
from yanksync.output.object_storage.bucket import BucketClient, ObjectHeaders

KEY = "yanksync.db.lease"


@pytest.fixture
def objects(seaweed: Server, s3_gate: Gate) -> BucketClient:
    return seaweed.behind(s3_gate.url).objects(max_retries="0")


@pytest.fixture
def ours() -> LeaseClock:
    return LeaseClock()


def held(objects: BucketClient, seconds: float, clock: LeaseClock | None = None) -> Lease:
    lease = Lease(objects, KEY, seconds, clock=clock)
    lease.take()
    return lease


def wait_until(condition: object) -> None:
    end = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_one_of_many_gets_it(objects: BucketClient) -> None:
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
    assert read_record(objects, KEY) == winner.record
    winner.release(unclean=False, complete=1.0, success=2.0)
    after = held(objects, 300)
    assert (after.record.complete, after.record.success) == (1.0, 2.0)
    after.stop()


def test_it_is_renewed_and_then_somebody_elses(
    objects: BucketClient, s3_gate: Gate, ours: LeaseClock
) -> None:
    lease = held(objects, 300, ours)
    other = Lease(objects, KEY, 300, slack=60)
    try:
        for count in (1, 2, 3):
            ours.time += 150
            wait_until(lambda count=count: lease.record.count == count)
        lease.check()
        with pytest.raises(LockHeld):
            other.take()
    finally:
        lease.stop()
    ours.time += 299  # nobody renews it
    with pytest.raises(LeaseLost):
        lease.check()
    s3_gate.pass_time(300)
    with pytest.raises(LockHeld):
        other.take()
    s3_gate.pass_time(61)
    other.take()
    assert other.record.token != lease.record.token
    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        lease.release(unclean=False, complete=None, success=None)
    note = read_record(objects, KEY)
    assert note is not None and note.token == other.record.token
    other.release(unclean=False, complete=None, success=None)


def test_a_clock_that_nobody_sets_goes_on() -> None:
    before = BootClock().now()
    assert not BootClock().wait(threading.Event(), 0.01)
    assert BootClock().now() > before


def test_its_time_counts_from_before_it_is_asked_for(
    objects: BucketClient, s3_gate: Gate, ours: LeaseClock
) -> None:
    rule = s3_gate.when(Mishap.PAUSE, lambda method, key: method == "PUT", times=1)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(held, objects, 300, ours)
        assert rule.caught.wait(60)
        ours.time += 280
        rule.go.set()
        lease = taking.result()
    with pytest.raises(LeaseLost):
        lease.check()
    lease.stop()


def test_whoever_overwrites_it_has_it(objects: BucketClient) -> None:
    lease = held(objects, 300)
    objects.put(KEY, b"{}", ObjectHeaders())
    with pytest.raises(LeaseLost, match="another run has taken it over"):
        lease.renew()
    with pytest.raises(LeaseLost):
        lease.check()
    lease.stop()


def test_a_renewal_that_fails_is_tried_again(
    objects: BucketClient, s3_gate: Gate, ours: LeaseClock
) -> None:
    lease = held(objects, 300, ours)
    rule = s3_gate.when(Mishap.SLOW_DOWN, lambda method, key: method == "PUT", times=2)
    try:
        for waits, seconds in ((1, 150), (2, 15), (4, 15)):
            wait_until(lambda waits=waits: ours.waits == waits)
            ours.time += seconds
        wait_until(lambda: lease.record.count == 1)
        assert rule.times == 0
        lease.check()
    finally:
        lease.stop()


@pytest.mark.parametrize("seconds", [5.0, 60.0, 300.0, 86400.0])
def test_a_request_is_shorter_than_what_remains_at_the_renewal(seconds: float) -> None:
    longest = request_timeouts(seconds).longest
    assert 2 * longest < seconds  # at half its time: one renewal that fails, and the last request
