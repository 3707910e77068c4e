"""Exposure in process: which file is withdrawn, how requests are counted, how logs are read."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.system.file_size_limit import small_files
from tests.support.system.traced_memory import peak
from yanksync.config.project_filter import ProjectFilter
from yanksync.core.errors import StateError
from yanksync.core.model import File, HistoryAction, Page, Yank
from yanksync.core.names import NormalizedName
from yanksync.reports.audit.findings import ProjectFacts
from yanksync.reports.exposure.counts import Exposure, pseudonyms
from yanksync.reports.exposure.expose import expose
from yanksync.reports.exposure.log_files import lines
from yanksync.reports.exposure.withdrawal import Withdrawal, withdrawal_of
from yanksync.reports.exposure.withdrawn_files import WithdrawnFiles
from yanksync.state.project_rows import RecordedPage, StoredPage
from yanksync.state.request_counts import FileTotals, RequestCount, RequestCounts
from yanksync.state.state import State
from yanksync.state.views.history_rows import HistoryRow

DEMO = NormalizedName("demo")
NAME = "demo-1.0.tar.gz"
Said = tuple[HistoryAction, int | None, str | None] | None
YANK, UNYANK, REMOVE, RETURN, QUARANTINE, UNQUARANTINE, AVERTED = (
    HistoryAction.YANK,
    HistoryAction.UNYANK,
    HistoryAction.REMOVE,
    HistoryAction.RETURN,
    HistoryAction.QUARANTINE,
    HistoryAction.UNQUARANTINE,
    HistoryAction.AVERTED,
)


def row(
    time: int,
    action: HistoryAction,
    version: str | None = "1.0",
    *,
    file: str | None = None,
    files: tuple[str, ...] = (),
    reason: str | None = "",
) -> HistoryRow:
    return HistoryRow(
        serial=time,
        timestamp=time,
        project=DEMO,
        version=version,
        action=action,
        file=file,
        files=files,
        reason=reason,
        source="journal",
    )


def page(*, yanked: Yank | None = None, there: bool = True, status: str = "active") -> Page:
    other = File(filename="demo-2.0.tar.gz", url="https://files.example/demo-2.0.tar.gz")
    file = File(filename=NAME, url=f"https://files.example/{NAME}", yanked=yanked)
    files = (other, file) if there else (other,)
    return Page(name=DEMO, files=files, status=status, status_reason="malware")


def judged(found: Page | None, *events: HistoryRow, gone: bool = False) -> Said:
    facts = ProjectFacts(name=DEMO, page=found, events=events, gone=gone)
    told = withdrawal_of(NAME, facts)
    return None if told is None else (told.action, told.since, told.reason)


@pytest.mark.parametrize(
    ("found", "events", "said"),
    [
        (page(), [], None),
        (page(), [row(1, YANK), row(2, UNYANK)], None),
        (page(yanked=Yank("bad")), [row(1, YANK, reason="bad")], (YANK, 1, "bad")),
        (page(yanked=Yank("bad")), [], (YANK, None, "bad")),  # older than the mirror
        (page(yanked=Yank()), [row(1, YANK), row(2, UNYANK), row(3, YANK)], (YANK, 3, "")),
        (page(yanked=Yank()), [row(1, YANK), row(2, YANK)], (YANK, 1, "")),
        (page(yanked=Yank()), [row(1, YANK, files=(NAME,)), row(2, YANK, "2.0")], (YANK, 1, "")),
        (page(yanked=Yank()), [row(1, YANK, files=("x",))], (YANK, None, "")),
        (page(there=False), [], None),  # no file of the project
        (page(there=False), [row(1, REMOVE, "2.0")], None),
        (page(there=False), [row(1, REMOVE, "1")], (REMOVE, 1, "")),
        (page(there=False), [row(1, REMOVE, file=NAME)], (REMOVE, 1, "")),
        (page(there=False), [row(1, YANK, reason="bad"), row(2, REMOVE)], (REMOVE, 1, "")),
        (page(there=False), [row(1, AVERTED, files=(NAME,))], (REMOVE, 1, "")),
        (page(there=False), [row(1, REMOVE), row(2, RETURN)], None),
        (page(there=False), [row(1, REMOVE, None), row(2, RETURN, None)], (REMOVE, 1, "")),
        (page(), [row(1, REMOVE, None), row(2, RETURN, None)], None),
        (page(there=False), [row(1, QUARANTINE)], (QUARANTINE, 1, "")),
        (page(there=False), [row(1, QUARANTINE), row(2, UNQUARANTINE)], None),
        (
            page(there=False, status="quarantined"),
            [row(1, QUARANTINE, None)],
            (QUARANTINE, 1, "malware"),
        ),
        (None, [row(1, REMOVE, None)], None),  # not mirrored
    ],
)
def test_what_is_withdrawn_now(found: Page | None, events: list[HistoryRow], said: Said) -> None:
    assert judged(found, *events) == said


def test_a_project_that_is_gone() -> None:
    assert judged(None, row(1, YANK), row(5, REMOVE, None), gone=True) == (REMOVE, 1, "")
    assert judged(None, gone=True) == (REMOVE, None, None)


WITHDRAWN = Withdrawal(
    project=DEMO, version="1.0", filename=NAME, action=YANK, since=1_000_000_000, reason=""
)
LINE = '{address} - - [{day}/Sep/2001:01:46:{second:02} +0000] "GET /{name} HTTP/1.1" {status} 1 ""'


def line(
    second: int, *, address: str = "192.0.2.1", status: int = 200, name: str = NAME, day: str = "09"
) -> str:
    return LINE.format(address=address, second=second, status=status, name=name, day=day)


class Found:
    """What a report has, once its counts are closed."""

    def __init__(self, report: Exposure) -> None:
        self.report = report
        self.files = report.by_severity()
        self.clients = [dict(report.clients(one)) for one in self.files]

    @property
    def requests(self) -> list[tuple[int, int]]:
        """The requests before and after, for each file."""
        return [(one.totals.before, one.totals.after) for one in self.files]


def counted(
    tmp_path: Path,
    *logged: str,
    since: float | None = None,
    name: Callable[[str], str] = str,
    withdrawal: Withdrawal = WITHDRAWN,
) -> Found:
    """Count the lines of a log; the file was withdrawn at 01:46:40."""
    path = tmp_path / "access.log"
    path.write_text("\n".join(logged) + "\n")

    def find(filename: str) -> Withdrawal | None:
        return withdrawal if filename == NAME else None

    with RequestCounts() as counts:
        found = Exposure(counts)
        assert expose(found, [str(path)], io.BytesIO(), find, name, since)
        return Found(found)


def test_requests_and_clients_before_and_after(tmp_path: Path) -> None:
    found = counted(
        tmp_path,
        line(39),
        line(41),
        line(42, status=206),
        line(43, address="192.0.2.2"),
        line(38, address="192.0.2.3"),
        line(44, address="192.0.2.4", status=304),
        line(45, name="demo-2.0.tar.gz"),
        line(46, status=404),
        "",
        "nonsense",
    )
    (one,), report = found.files, found.report
    assert found.requests == [(2, 3)]
    assert (one.totals.clients_before, one.totals.clients_after) == (2, 2)
    assert (one.totals.unchanged, one.partial) == (1, 1)
    (clients,) = found.clients
    assert list(clients) == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]
    first = clients["192.0.2.1"]
    assert (first.before, first.after, first.last) == (1, 2, 1_000_000_002)
    assert (report.lines, report.requests, report.skipped) == (9, 7, 1)
    assert report.first_skipped == f"{tmp_path}/access.log:10"


def test_since_leaves_out_what_is_older(tmp_path: Path) -> None:
    found = counted(tmp_path, line(38), line(41), line(42), since=1_000_000_002)
    assert found.requests == [(0, 1)]


def test_a_withdrawal_of_unknown_time_is_before_everything(tmp_path: Path) -> None:
    unknown = Withdrawal(
        project=DEMO, version="1.0", filename=NAME, action=YANK, since=None, reason=""
    )
    found = counted(tmp_path, line(1), withdrawal=unknown)
    assert found.requests == [(0, 1)]


def test_a_time_that_is_none_skips_the_line(tmp_path: Path) -> None:
    assert counted(tmp_path, line(41, day="99")).report.skipped == 1


def test_one_key_gives_a_client_one_name(tmp_path: Path) -> None:
    one, again, other = pseudonyms(b"a" * 32), pseudonyms(b"a" * 32), pseudonyms(b"b" * 32)
    assert one("192.0.2.1") == again("192.0.2.1") != one("192.0.2.2")
    assert one("192.0.2.1") != other("192.0.2.1")
    found = counted(tmp_path, line(41), line(42), name=one)
    (name,) = found.clients[0]
    assert name == one("192.0.2.1") and len(name) == 16


def test_logs_may_be_compressed_and_come_from_standard_input(tmp_path: Path) -> None:
    text = b"one\ntwo"
    path = tmp_path / "no.name"
    path.write_bytes(gzip.compress(text))
    assert list(lines(str(path), io.BytesIO())) == ["one\n", "two"]
    assert list(lines("-", io.BytesIO(gzip.compress(text) * 2))) == ["one\n", "twoone\n", "two"]
    assert list(lines("-", io.BytesIO(text))) == ["one\n", "two"]
    assert list(lines("-", io.BytesIO())) == []


def test_of_a_very_long_line_the_rest_is_left_out() -> None:
    text = b"x" * 200_000 + b"\nnext\n" + b"y" * 70_000
    found = list(lines("-", io.BytesIO(text)))
    assert [len(one) for one in found] == [65536, 5, 65536]
    assert found[1] == "next\n"


@pytest.mark.parametrize("kept", [-1, 12, 30])
def test_a_damaged_log_is_told_and_the_rest_counts(
    tmp_path: Path, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(f"{line(41)}\n".encode() * 50)[:kept] + b"\xff" * (kept > 0))
    with RequestCounts() as counts:
        report = Exposure(counts)
        stdin = io.BytesIO(line(42).encode())
        assert not expose(report, [str(path), "-"], stdin, _any, str, None)
        assert Found(report).requests[0][1] >= 1
    assert "is damaged, and was not read to its end" in caplog.text


def _any(filename: str) -> Withdrawal | None:
    return WITHDRAWN


class Endless(io.RawIOBase):
    """A log of many lines that is never in memory."""

    def __init__(self, count: int) -> None:
        self._lines = self._made(count)

    def _made(self, count: int) -> Iterator[bytes]:
        for number in range(count):
            name = f"other-{number}.tar.gz" if number % 2 else NAME
            yield line(41, address=f"192.0.2.{number % 100}", name=name).encode() + b"\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        text = next(self._lines, b"")
        buffer[: len(text)] = text
        return len(text)


def test_memory_does_not_grow_with_the_log() -> None:
    def find(filename: str) -> Withdrawal | None:
        return WITHDRAWN if filename == NAME else None

    def read(count: int) -> None:
        with RequestCounts() as counts:
            found = Exposure(counts)
            log: Any = Endless(count)
            assert expose(found, ["-"], log, find, str, None)
            assert found.lines == count

    read(100)  # what is kept once
    assert peak(lambda: read(20_000)) < 2 * peak(lambda: read(2_000))


def test_memory_does_not_grow_with_the_clients() -> None:
    def count(clients: int) -> None:
        with RequestCounts() as counts:
            for number in range(clients):
                counts.of(number % 9, f"{number:016x}").after += 1
            assert counts.totals()[3].clients_after == (clients + 5) // 9
            assert sum(1 for _ in counts.clients(3)) == (clients + 5) // 9

    assert peak(lambda: count(60_000)) < 1.2 * peak(lambda: count(20_000))


def test_counts_are_the_same_however_often_they_are_written() -> None:
    """More clients than are held, each with requests before and after the others'."""
    clients = [f"client {number:05}" for number in range(20_000)]
    with RequestCounts() as counts:
        for step in (1, 2):
            for client in clients:
                one = counts.of(7, client)
                one.before, one.after = one.before + 1, one.after + step
                one.last = max(one.last, 10.0 - step)
        counts.of(7, "\ud800").unchanged += 1
        counts.of(8, "other").before += 1
        totals = counts.totals()
        found = dict(counts.clients(7))
    assert totals == {
        7: FileTotals(40_000, 60_000, 1, 20_000, 20_000),
        8: FileTotals(1, 0, 0, 1, 0),
    }
    assert list(found) == [*clients, "\ud800"]
    assert found["client 00000"] == RequestCount(before=2, after=3, last=9.0)


def test_counts_that_find_no_room_are_an_error() -> None:
    def fill(counts: RequestCounts) -> None:
        for number in range(60_000):
            counts.of(1, f"{number:0500}")

    no_room = pytest.raises(StateError, match="no room for the counts of requests")
    with RequestCounts() as counts, small_files(1 << 20), no_room:
        fill(counts)


def test_pages_of_projects_are_not_all_kept(tmp_path: Path) -> None:
    with State(tmp_path / "state.db") as state:
        for number in range(60):
            record_files(state, f"demo{number}", 50)

        def read(projects: int) -> None:
            withdrawn = WithdrawnFiles(state, ProjectFilter(), kept=1000)
            for number in range(projects):
                found = withdrawn.find(f"demo{number}-1.tar.gz")
                assert found is not None and found.project == f"demo{number}"
                assert withdrawn.find(f"demo{number}-2.tar.gz") is None
                assert withdrawn.find(f"demo{number}-1-{'x' * 300}.tar.gz") is None

        read(1)
        assert peak(lambda: read(60)) < 1.2 * peak(lambda: read(24))


def record_files(state: State, name: str, count: int) -> None:
    """Record a page with files, of which the first one is yanked."""
    files = [
        {
            "filename": f"{name}-{number}.tar.gz",
            "url": f"https://files.example/{name}-{number}.tar.gz",
            "hashes": {"sha256": f"{number:064x}"},
            "yanked": number == 1,
        }
        for number in range(1, count + 1)
    ]
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": files}).encode()
    state.projects.add([(name, name)])
    state.projects.record(
        name,
        RecordedPage(
            serial=1,
            quarantined=False,
            yanked=1,
            etag=None,
            checked=0.0,
            due=None,
            stored=StoredPage(
                body=zlib.compress(body),
                content_type="application/vnd.pypi.simple.v1+json",
                url=f"https://upstream.example/simple/{name}/",
            ),
        ),
    )
