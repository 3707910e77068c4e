"""The queue spares hosts: few downloads at once, pauses, and none from a host that fails."""

from __future__ import annotations

import pytest

from yanksync.core.model import File
from yanksync.core.package_files.copies import CopyStatus, PackageFile
from yanksync.sync.package_files.hosts import TRIES, HostQueue, Job


class Hosts:
    """A queue, and a clock that a test sets."""

    def __init__(self, per_host: int = 2) -> None:
        self.now = 1000.0
        self.queue = HostQueue(per_host, lambda: self.now)
        self._count = 0

    def put(self, host: str = "files.example") -> bool:
        self._count += 1
        url = f"https://{host}/demo-{self._count}.0.tar.gz"
        file = File(filename=url.rpartition("/")[2], url=url)
        return self.queue.put(
            PackageFile(
                id=self._count, project="demo", path=url, file=file, status=CopyStatus.WANTED
            )
        )

    def take(self) -> Job:
        job = self.queue.take()
        assert job is not None
        return job

    def ids(self, count: int) -> list[int]:
        return [self.take().copy.id for _ in range(count)]


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


def test_files_of_a_host_that_is_busy_wait_and_others_do_not(hosts: Hosts) -> None:
    for _ in range(3):
        hosts.put()
    hosts.put("other.example")
    first = hosts.take()
    assert hosts.ids(2) == [4, 2]
    hosts.queue.done(first)
    assert hosts.take().copy.id == 3


def test_a_file_is_tried_again_a_few_times(hosts: Hosts) -> None:
    hosts.put()
    for _ in range(TRIES - 1):
        assert hosts.queue.failed(hosts.take(), "no answer")
        hosts.now += 10
    assert not hosts.queue.failed(hosts.take(), "no answer")
    assert hosts.queue.waiting == hosts.queue.postponed == 0


def test_a_host_that_fails_is_given_up(hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        hosts.put()
    for _ in range(4):
        one, other = hosts.take(), hosts.take()
        hosts.now += 1
        for job in (one, other):  # two failures of one host count like one
            hosts.queue.failed(job, "no answer in time")
        hosts.now += 10
    assert hosts.queue.waiting == 0
    assert "files.example: no answer in time; its other files wait for the next pass" in (
        caplog.messages
    )
    assert hosts.queue.postponed > 10
    assert not hosts.put()
    assert hosts.put("other.example")


def test_a_host_that_answers_in_between_is_not_given_up(hosts: Hosts) -> None:
    for _ in range(12):
        hosts.put()
    for _ in range(5):
        hosts.queue.failed(hosts.take(), "no answer")
        hosts.now += 10
        hosts.queue.done(hosts.take())
    assert hosts.queue.postponed == 0


def test_a_host_may_ask_for_a_pause(hosts: Hosts) -> None:
    hosts.put()
    hosts.queue.pause(hosts.take(), 30.0)
    hosts.put("other.example")
    assert hosts.take().copy.id == 2
    hosts.now += 31
    job = hosts.take()
    assert (job.copy.id, job.tries) == (1, 1)


def test_a_long_pause_is_for_the_next_pass(hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    hosts.put()
    hosts.put()
    hosts.queue.pause(hosts.take(), 3600.0)
    assert (hosts.queue.waiting, hosts.queue.postponed) == (0, 2)
    assert "asks to wait 3600 s" in caplog.text


def test_a_host_cannot_ask_for_pauses_without_end(hosts: Hosts) -> None:
    hosts.put()
    for _ in range(4):
        assert hosts.queue.postponed == 0
        hosts.queue.pause(hosts.take(), 1.0)
        hosts.now += 2
    assert hosts.queue.postponed == 1


def test_a_closed_queue_hands_out_nothing(hosts: Hosts) -> None:
    hosts.put()
    hosts.queue.close()
    assert hosts.queue.take() is None


def test_a_cleared_queue_postpones_what_waits(hosts: Hosts) -> None:
    hosts.put()
    hosts.queue.clear()
    assert (hosts.queue.waiting, hosts.queue.postponed) == (0, 1)
