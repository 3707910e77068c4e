"""Many questions at once over real sockets: what is asked, over what, and what comes of it."""

from __future__ import annotations

import contextlib
import gc
import gzip
import os
import resource
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.certificates import made_by
from tests.support.raw_server import (
    HINT,
    INTERIM,
    RESET,
    SWITCH,
    Kept,
    Wire,
    dripping,
    reply,
    tunnels,
    wire,
)
from yanksync.config.settings import Settings
from yanksync.config.settings import UpstreamSettings as Section
from yanksync.core.errors import (
    AnswerTooLarge,
    InvalidAnswer,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from yanksync.core.names import NormalizedName
from yanksync.core.rules.fetch_plan import FetchTask
from yanksync.sync.fetch import PageRequest
from yanksync.upstream.client import ACCEPT, UpstreamClient
from yanksync.upstream.http.http_answers import HttpAnswer, Outcome, SizeLimit
from yanksync.upstream.http.multiplexer import Multiplexer
from yanksync.upstream.http.session import UpstreamSession
from yanksync.upstream.http.session_options import SessionOptions
from yanksync.upstream.http.worker_threads import HttpRequest

LIMIT = SizeLimit(1 << 20, "upstream.max_page_size")
WORKERS = 4
SECRET = "bob:s3cret@"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[UpstreamSession]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", "/nowhere")
    made = UpstreamSession(SessionOptions(user_agent="yanksync/test", timeout=20, workers=WORKERS))
    yield made
    made.close()


def question(
    url: str, key: int = 0, etag: str | None = None, limit: SizeLimit = LIMIT
) -> HttpRequest[int]:
    return HttpRequest(key, url, ACCEPT, etag, limit)


def questions(running: Wire, count: int) -> Iterator[HttpRequest[int]]:
    return (question(running.url(f"p{number}"), number) for number in range(count))


def ask(
    session: UpstreamSession, requests: Iterable[HttpRequest[int]], workers: int = WORKERS
) -> dict[int, Outcome]:
    """Return what came of each request; each is answered once."""
    came = list(Multiplexer(session, workers).ask(iter(requests)))
    assert len(dict(came)) == len(came)
    return dict(came)


def bodies(came: dict[int, Outcome]) -> dict[int, bytes]:
    for outcome in came.values():
        assert isinstance(outcome, HttpAnswer), outcome
    return {key: one.body for key, one in came.items() if isinstance(one, HttpAnswer)}


def packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def named(head: str) -> bytes:
    """Return an answer that names the question it is for."""
    return reply(head.split(" ", 2)[1].encode())


def all_named(count: int) -> dict[int, bytes]:
    return {number: f"/p{number}".encode() for number in range(count)}


def by_crew(session: UpstreamSession, url: str) -> int:
    """Return how many requests went through urllib3."""
    return session.by_requests._route(url).pool.num_requests


def over_a_line(
    session: UpstreamSession,
    answer: Callable[[str], bytes | Iterable[bytes] | None],
    limit: SizeLimit = LIMIT,
) -> tuple[Outcome, int, Wire]:
    """Ask over a connection that stands; return what came, how often the crew asked, and whom."""

    def either(head: str) -> bytes | Iterable[bytes] | None:
        return named(head) if head.startswith("GET /first ") else answer(head)

    with wire(either) as running:
        bodies(ask(session, [question(running.url("first"))], 1))
        came = ask(session, [question(running.url("then/"), limit=limit)], 1)
        assert running.paths()[:2] == ["/first", "/then/"]
        return came[0], by_crew(session, running.url()) - 1, running


def test_as_many_are_under_way_as_there_are_workers(session: UpstreamSession) -> None:
    together = threading.Barrier(WORKERS)

    def answer(head: str) -> bytes:
        together.wait(60)  # the server answers once all have asked
        return named(head)

    with wire(answer) as running:
        assert bodies(ask(session, questions(running, 40))) == all_named(40)
        assert running.connections == by_crew(session, running.url()) == WORKERS


def test_never_more_than_that(session: UpstreamSession) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def answer(head: str) -> bytes:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.001)
        with lock:
            now -= 1
        return named(head)

    with wire(answer) as running:
        assert bodies(ask(session, questions(running, 200), 3)) == all_named(200)
        assert most <= 3 and running.connections <= 3


@pytest.mark.parametrize("workers", [1, 64])
def test_any_number_of_workers(workers: int) -> None:
    many = UpstreamSession(SessionOptions(user_agent="yanksync/test", timeout=20, workers=workers))
    with wire(named) as running, closing(many):
        assert bodies(ask(many, questions(running, 200), workers)) == all_named(200)
        assert len(running.heads) == 200 and running.connections <= workers


def test_nothing_to_ask(session: UpstreamSession) -> None:
    assert ask(session, []) == {}


def test_connections_are_kept_for_the_next_round(session: UpstreamSession) -> None:
    together = threading.Barrier(WORKERS)

    def answer(head: str) -> bytes:
        if len(running.heads) <= WORKERS:
            together.wait(60)  # over as many connections as there may be
        return named(head)

    with wire(answer) as running:
        for number in range(4):
            assert bodies(ask(session, questions(running, 20))) == all_named(20)
            if number == 0:
                stand, asked = running.connections, by_crew(session, running.url())
        assert (running.connections, by_crew(session, running.url())) == (stand, asked)
        assert session.get(running.url("x"), ACCEPT, None, LIMIT).body == b"/x"
        assert running.connections == stand


def test_requests_are_drawn_as_answers_are_taken_and_by_who_takes_them(
    session: UpstreamSession,
) -> None:
    drawn: list[int] = []

    def draw(running: Wire) -> Iterator[HttpRequest[int]]:
        for number, one in enumerate(questions(running, 60)):
            drawn.append(threading.get_ident())
            assert number <= taken + 2 * WORKERS
            yield one

    taken = 0
    with wire(named) as running, closing(Multiplexer(session, WORKERS).ask(draw(running))) as came:
        assert drawn == []
        for _ in came:
            taken += 1
            assert len(running.heads) <= len(drawn) <= taken + 2 * WORKERS
    assert (taken, set(drawn)) == (60, {threading.get_ident()})


def test_what_the_drawing_raises_ends_the_asking(session: UpstreamSession) -> None:
    def draw(running: Wire) -> Iterator[HttpRequest[int]]:
        yield from questions(running, 9)
        raise ZeroDivisionError

    with wire(named) as running, pytest.raises(ZeroDivisionError):
        ask(session, draw(running))


def test_idle_connections_that_are_closed_are_not_asked_over(session: UpstreamSession) -> None:
    with wire(named) as running:
        for _ in range(3):
            assert bodies(ask(session, questions(running, 10))) == all_named(10)
            running.cut()
        assert len(running.heads) == 30


def test_an_idle_connection_that_is_closed_in_the_middle(session: UpstreamSession) -> None:
    with wire(named) as running:

        def draw() -> Iterator[HttpRequest[int]]:
            for number, one in enumerate(questions(running, 12)):
                if number % 4 == 3:  # all were answered
                    running.cut()
                yield one

        assert bodies(ask(session, draw(), 1)) == all_named(12)
        assert sorted(set(running.paths())) == sorted(f"/p{n}" for n in range(12))


@pytest.mark.parametrize("end", [None, [RESET]])
def test_a_connection_that_is_closed_as_we_speak_says_nothing(
    session: UpstreamSession, end: list[bytes] | None
) -> None:
    lock, seen = threading.Lock(), dict[str, int]()

    def answer(head: str) -> bytes | list[bytes] | None:
        path = head.split(" ", 2)[1]
        with lock:
            seen[path] = seen.get(path, 0) + 1
        return end if path.endswith("5") and seen[path] == 1 else named(head)

    with wire(answer) as running:
        assert bodies(ask(session, questions(running, 40))) == all_named(40)
        assert len(running.heads) == 44
        assert {path for path, count in seen.items() if count > 1} == {
            f"/p{number}" for number in (5, 15, 25, 35)
        }


def test_what_comes_unasked_is_no_answer_to_what_is_asked_next(session: UpstreamSession) -> None:
    taken, said, together = threading.Event(), threading.Event(), threading.Barrier(2)

    def and_more(head: str) -> Iterator[bytes]:
        yield named(head)
        taken.wait(60)
        yield reply(b"", "404 Not Found")
        said.set()

    def answer(head: str) -> bytes | Kept:
        if "/more " in head:
            return Kept(and_more(head))
        if "/last " in head:
            said.wait(10)
        elif len(running.heads) <= 2:
            together.wait(60)  # over two connections
        return named(head)

    with wire(answer) as running:
        ask(session, questions(running, 2), 2)
        requests = [question(running.url("last"), 1), question(running.url("more"), 0)]
        with closing(Multiplexer(session, 2).ask(iter(requests))) as came:
            assert next(came)[0] == 0
            taken.set()
            assert bodies(dict(came)) == {1: b"/last"}
        assert bodies(ask(session, questions(running, 8), 2)) == all_named(8)


@pytest.mark.parametrize(
    "ending", ["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"]
)
def test_answers_that_end_with_the_connection(session: UpstreamSession, ending: str) -> None:
    def answer(head: str) -> Iterator[bytes]:
        yield ending.encode()
        yield named(head).partition(b"\r\n\r\n")[2]

    with wire(answer) as running:
        assert bodies(ask(session, questions(running, 20))) == all_named(20)
        assert len(running.heads) == running.connections == 20


def test_a_server_that_closes_after_each_answer(session: UpstreamSession) -> None:
    def answer(head: str) -> bytes:
        return named(head).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    with wire(answer) as running:
        assert bodies(ask(session, questions(running, 20))) == all_named(20)
        assert len(running.heads) == running.connections == 20


def test_a_connection_is_left_after_the_answer_that_says_so(session: UpstreamSession) -> None:
    def answer(head: str) -> bytes:
        path = head.split(" ", 2)[1]
        return reply(path.encode(), Connection="close") if path.endswith("7") else named(head)

    with wire(answer) as running:
        assert bodies(ask(session, questions(running, 40))) == all_named(40)
        assert len(running.heads) == 40


TRAILED = CHUNKED + b"1\r\nx\r\n0\r\nA: b\r\n\r\n"


def test_an_upstream_out_of_the_ordinary_is_not_asked_everything_twice(
    session: UpstreamSession,
) -> None:
    with wire(lambda head: TRAILED) as running:
        assert set(bodies(ask(session, questions(running, 200))).values()) == {b"x"}
        assert len(running.heads) <= 200 + 8 + WORKERS
        assert running.connections <= WORKERS + 8 + WORKERS


def test_one_that_is_so_now_and_then_is_asked_over_lines(session: UpstreamSession) -> None:
    def answer(head: str) -> bytes:
        path = head.split(" ", 2)[1]
        return TRAILED if path.endswith("0") else named(head)

    with wire(answer) as running:
        came = bodies(ask(session, questions(running, 200)))
        assert came == {**all_named(200), **dict.fromkeys(range(0, 200, 10), b"x")}
        assert by_crew(session, running.url()) < 100


@pytest.mark.parametrize(
    "sent",
    [
        reply(b"hello"),
        reply(b"hello", Vary="a"),
        CHUNKED + b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
        reply(packed(b"hello"), Content_Encoding="gzip"),
        reply(packed(b"he") + packed(b"llo"), Content_Encoding="GZip"),
        reply(packed(b"hello"), Content_Encoding="x-gzip"),
        reply(b"hello", Content_Encoding="identity"),
        INTERIM + reply(b"hello"),
        HINT * 16 + reply(b"hello"),
    ],
)
def test_common_answers_need_no_crew(session: UpstreamSession, sent: bytes) -> None:
    came, asked, running = over_a_line(session, lambda head: sent)
    assert isinstance(came, HttpAnswer) and (came.status, came.body) == (200, b"hello")
    assert (asked, came.url) == (0, running.url("then/"))
    bytewise = [sent[place : place + 1] for place in range(len(sent))]
    again, asked, _ = over_a_line(session, lambda head: bytewise)
    assert isinstance(again, HttpAnswer) and (again.body, asked) == (b"hello", 0)


def test_a_304_and_a_404(session: UpstreamSession) -> None:
    came, asked, _ = over_a_line(session, lambda head: reply(b"gone", "404 Not Found"))
    assert isinstance(came, HttpAnswer) and (came.status, came.body, asked) == (404, b"", 0)
    sent = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nX-PyPI-Last-Serial: 7\r\n\r\n'
    came, asked, _ = over_a_line(session, lambda head: sent)
    assert isinstance(came, HttpAnswer) and (came.status, came.etag, came.serial, asked) == (
        304,
        '"a"',
        "7",
        0,
    )


@pytest.mark.parametrize(
    "sent",
    [
        TRAILED,
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\nConnection: close\r\n\r\nx",
        CHUNKED + b"1\nx\r\n0\n\n",
        CHUNKED + b"1\r\nx\r\n0\r\n\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 1\r\n\r\nx",
        reply(b"x", A="\0"),
    ],
)  # fmt: skip
def test_what_the_reader_does_not_take_is_asked_by_the_crew(
    session: UpstreamSession, sent: bytes
) -> None:
    came, asked, running = over_a_line(session, lambda head: sent)
    assert isinstance(came, HttpAnswer) and came.body == b"x"
    assert (asked, len(running.heads)) == (1, 3)


def test_a_304_that_speaks_of_a_body_is_not_waited_for(session: UpstreamSession) -> None:
    sent = b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"
    with wire(lambda head: sent) as running:
        for round_ in range(2):
            came = ask(session, questions(running, 3), 1)
            assert [one.status for one in came.values() if isinstance(one, HttpAnswer)] == [304] * 3
            assert len(running.heads) == 3 * (round_ + 1)


@pytest.mark.parametrize("location", ["/there", "http://127.0.0.1:PORT/there", "../there"])
def test_a_redirect_on_the_same_host_is_followed(session: UpstreamSession, location: str) -> None:
    def answer(head: str) -> bytes:
        if head.startswith("GET /there "):
            return reply(b"here")
        port = head.partition("Host: 127.0.0.1:")[2].partition("\r")[0]
        return reply(status="301 Moved", Location=location.replace("PORT", port))

    came, _, running = over_a_line(session, answer)
    assert isinstance(came, HttpAnswer)
    assert (came.body, came.url) == (b"here", running.url("there"))


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://localhost:1/", "another host"),
        ("ftp://127.0.0.1/", "no http address"),
        ("", "names no address"),
        ("/then/", "more than 5 redirects"),
        ("/gone/", "which is not there"),
    ],
)
def test_a_redirect_that_is_not_followed(
    session: UpstreamSession, location: str, problem: str
) -> None:
    def answer(head: str) -> bytes:
        if head.startswith("GET /gone/ "):
            return reply(status="404 Not Found")
        return reply(status="302 Found", Location=location)

    came, _, _ = over_a_line(session, answer)
    assert isinstance(came, InvalidAnswer) and problem in str(came)


def test_redirects_of_all_are_not_asked_for_twice(session: UpstreamSession) -> None:
    def answer(head: str) -> bytes:
        path = head.split(" ", 2)[1]
        if path.startswith("/simple/"):
            return reply(path.removeprefix("/simple").encode())
        return reply(status="308 P", Location=f"/simple{path}")

    with wire(answer) as running:
        assert bodies(ask(session, questions(running, 100))) == all_named(100)
        assert len(running.heads) <= 200 + 8 + WORKERS


NONE = reply(b"x" * 99, "403 Forbidden")


@pytest.mark.parametrize(
    ("sent", "error", "problem"),
    [
        (reply(status="500 Oops"), UpstreamUnreachable, "answered 500 Oops"),
        (reply(b"<html>", "502 Bad Gateway"), UpstreamUnreachable, "answered 502"),
        (reply(status="503 Later"), UpstreamUnreachable, "answered 503"),
        (NONE, UpstreamRefused, "403"),
        (reply(status="204 None"), UpstreamRefused, "204"),
        (SWITCH, UpstreamRefused, "101"),
        ((HINT * 17 + reply(b"x"),), UpstreamUnreachable, "more than 16 interim responses"),
        ((HINT,), UpstreamUnreachable, "cut off"),
        (b"nonsense\r\n\r\n", UpstreamUnreachable, "nonsense"),
        ((b"nonsense",), UpstreamUnreachable, "cut off"),
        ((b"HTTP/1.1 200 O",), UpstreamUnreachable, "cut off"),
        ((reply(b"hello")[:-1],), UpstreamUnreachable, "cut off"),
        ((CHUNKED,), UpstreamUnreachable, "cut off"),
        ((CHUNKED + b"5\r\nhel",), UpstreamUnreachable, "cut off"),
        ((CHUNKED + b"5\r\nhello\r\n0\r\n",), UpstreamUnreachable, "cut off"),
        ((b"HTTP/1.1 200 O", RESET), UpstreamUnreachable, ""),
        ((reply(b"hello")[:-1], RESET), UpstreamUnreachable, ""),
        (reply(b"hello", Content_Encoding="gzip"), UpstreamUnreachable, "header"),
        (reply(b"", Content_Encoding="gzip"), UpstreamUnreachable, "cut off"),
        (reply(packed(b"a" * 99)[:-1], Content_Encoding="gzip"), UpstreamUnreachable, "cut off"),
        (reply(b"hello", Content_Encoding="br"), InvalidAnswer, "encoded as 'br'"),
        (reply(b"x" * 101), AnswerTooLarge, "larger than upstream.max_page_size (100 bytes)"),
        (
            CHUNKED + b"65\r\n" + b"x" * 101,
            AnswerTooLarge,
            "larger than upstream.max_page_size (100 bytes)",
        ),
        (
            reply(packed(b"x" * 101), Content_Encoding="gzip"),
            AnswerTooLarge,
            "larger than upstream.max_page_size",
        ),
    ],
)
def test_what_is_no_answer(
    session: UpstreamSession,
    sent: bytes | Iterable[bytes],
    error: type[UpstreamError],
    problem: str,
) -> None:
    came, _, running = over_a_line(session, lambda head: sent, SizeLimit(100, LIMIT.setting))
    assert type(came) is error
    assert problem in str(came) and running.url("then/") in str(came)


def test_one_failure_stops_nobody_else(session: UpstreamSession) -> None:
    def answer(head: str) -> bytes | list[bytes] | None:
        number = int(head.split(" ", 2)[1][2:])
        faults = (named(head), NONE, [reply(b"x")[:-1], RESET], reply(status="500 Oops"))
        return faults[number % 4]

    with wire(answer) as running:
        came = ask(session, questions(running, 100))
    assert len(came) == 100
    good = {key: one.body for key, one in came.items() if isinstance(one, HttpAnswer)}
    assert good == {key: body for key, body in all_named(100).items() if key % 4 == 0}


def test_a_bomb_is_not_unpacked(session: UpstreamSession) -> None:
    bomb = packed(b"\0" * (200 << 20))
    tracemalloc.start()
    try:
        came, _, _ = over_a_line(session, lambda head: reply(bomb, Content_Encoding="gzip"))
        assert isinstance(came, InvalidAnswer) and "larger" in str(came)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_who_hangs_holds_up_nobody(session: UpstreamSession) -> None:
    session.timeout = 30
    let_go = threading.Event()

    def hanging(head: str) -> Iterator[bytes]:
        yield named(head)[: -1 if "/p9 " in head else 9]
        let_go.wait(30)
        yield named(head)[-1 if "/p9 " in head else 9 :]

    def answer(head: str) -> bytes | Iterator[bytes]:
        return hanging(head) if "/p8 " in head or "/p9 " in head else named(head)

    with wire(answer) as running:
        came: dict[int, Outcome] = {}
        for key, outcome in Multiplexer(session, WORKERS).ask(questions(running, 100)):
            came[key] = outcome
            if len(came) == 98:
                assert came.keys() == set(range(100)) - {8, 9}
                let_go.set()
        assert bodies(came) == all_named(100)


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\n", reply(b"hello")[:-1]])
@pytest.mark.usefixtures("session")
def test_who_hangs_for_too_long_is_left(begins: bytes) -> None:
    options = SessionOptions(user_agent="yanksync/test", timeout=1.0, workers=WORKERS)
    over = threading.Event()

    def hanging() -> Iterator[bytes]:
        if begins:
            yield begins
        over.wait(30)

    def answer(head: str) -> bytes | Iterator[bytes]:
        return hanging() if "/p9 " in head or "/p0 " in head else named(head)

    with wire(answer) as running, closing(UpstreamSession(options)) as hasty:
        came = ask(hasty, questions(running, 50))
        over.set()
    for key in (0, 9):  # the one by the crew, the other over a line
        hung = came.pop(key)
        assert isinstance(hung, UpstreamUnreachable) and "no answer in time" in str(hung)
    assert len(bodies(came)) == 48


def test_an_answer_that_drips_for_ever_is_left(session: UpstreamSession) -> None:
    session.timeout = 0.25  # a slow machine must not be silent for so long
    came, _, _ = over_a_line(session, lambda head: dripping(10**6, 0.01))
    assert isinstance(came, UpstreamUnreachable) and "longer than 5 s" in str(came)


def test_what_lies_there_while_the_caller_is_away_counts(session: UpstreamSession) -> None:
    session.timeout = 0.2
    written = threading.Semaphore(0)

    def answer(head: str) -> list[bytes]:
        return list(pieces(head))

    def pieces(head: str) -> Iterator[bytes]:
        yield named(head)
        written.release()

    with wire(answer) as running:
        came: dict[int, Outcome] = {}
        for key, outcome in Multiplexer(session, WORKERS).ask(questions(running, 20)):
            came[key] = outcome
            if key % 5 == 4:
                time.sleep(0.5)
        assert bodies(came) == all_named(20)


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "fetch"]


def dismissed() -> None:
    """Wait until nobody asks any more."""
    for thread in threads():
        thread.join(10)


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def assert_nothing_stays(session: UpstreamSession, running: Wire, before: int) -> None:
    session.close()
    running.end()
    gc.collect()
    assert (handles(), threads()) == (before, [])


def test_nothing_stays_behind(session: UpstreamSession) -> None:
    with wire(named) as running:
        dismissed()
        gc.collect()
        before = handles()
        ask(session, questions(running, 40))
        dismissed()
        assert_nothing_stays(session, running, before)


@pytest.mark.parametrize("taken", [1, 20])
def test_nothing_stays_behind_of_what_is_left_early(session: UpstreamSession, taken: int) -> None:
    with wire(named) as running:
        dismissed()
        gc.collect()
        before = handles()
        with closing(Multiplexer(session, WORKERS).ask(questions(running, 1000))) as came:
            for _ in range(taken):
                next(came)
        dismissed()
        assert len(running.heads) <= taken + 2 * WORKERS
        assert_nothing_stays(session, running, before)


@contextlib.contextmanager
def few_handles(count: int) -> Iterator[None]:
    """Let only so many files be opened."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, limits[1]))
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_no_file_can_be_opened_for_a_connection(session: UpstreamSession) -> None:
    with wire(named) as running:
        session.request(running.url(), ACCEPT, None)  # loads what it needs
        with few_handles(3):
            came = ask(session, questions(running, 3))
        for outcome in came.values():
            assert isinstance(outcome, UpstreamUnreachable) and "Too many open files" in str(
                outcome
            )


@pytest.mark.parametrize("count", [0, 2])
def test_no_file_can_be_opened_to_wait_with(count: int) -> None:
    section = Section(simple_url="http://127.0.0.1:1/", journal_url="http://127.0.0.1:1/")
    with (
        closing(UpstreamClient(Settings(upstream=section))) as upstream,
        few_handles(count),
        pytest.raises(UpstreamUnreachable, match="Too many open files"),
    ):
        list(upstream.pages([PageRequest(FetchTask(name=NormalizedName("demo")), None)], 2))


def test_no_thread_can_be_started(session: UpstreamSession) -> None:
    with wire(named) as running:
        before = threading.stack_size(1 << 46)
        try:
            with pytest.raises(UpstreamUnreachable, match="start new thread"):
                ask(session, questions(running, 3))
        finally:
            threading.stack_size(before)


def test_no_more_threads_can_be_started(session: UpstreamSession) -> None:
    drawn = threading.Event()

    def answer(head: str) -> bytes:
        drawn.wait(60)
        return named(head)

    def draw(running: Wire) -> Iterator[HttpRequest[int]]:
        for number, one in enumerate(questions(running, 3)):
            yield one
            while number == 0 and not running.heads:
                time.sleep(0.01)
            threading.stack_size(1 << 46)
        drawn.set()

    before = threading.stack_size()
    try:
        with wire(answer) as running:
            assert bodies(ask(session, draw(running))) == all_named(3)
            assert running.connections == 1
    finally:
        threading.stack_size(before)


def test_nobody_there(session: UpstreamSession) -> None:
    with wire(named) as running:
        ask(session, questions(running, 9))
    came = ask(session, questions(running, 20))
    for outcome in came.values():
        assert isinstance(outcome, UpstreamUnreachable) and "refused" in str(outcome)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("https_proxy", "nonsense://eve:pr0xy@x/"),
        ("https_proxy", "http://eve:pr0xy@127.0.0.1:1/"),
        ("REQUESTS_CA_BUNDLE", "/nowhere"),
    ],
)
def test_a_way_that_does_not_work(
    session: UpstreamSession, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    came = ask(session, [question("https://host.example/simple/", n) for n in range(20)])
    for outcome in came.values():
        assert isinstance(outcome, UpstreamUnreachable)
        assert "pr0xy" not in str(outcome) and "internal" not in str(outcome)


@pytest.mark.rule("R13")
@pytest.mark.parametrize("status", ["429 Slow Down", "503 Later"])
@pytest.mark.parametrize("workers", [1, WORKERS])
def test_nothing_is_sent_before_the_pause_ends(
    session: UpstreamSession, status: str, workers: int
) -> None:
    times: list[float] = []
    together = threading.Barrier(workers)

    def answer(head: str) -> bytes:
        times.append(time.monotonic())
        number = int(head.split(" ", 2)[1][2:])
        if workers <= number < 2 * workers:  # all that is under way at once, over lines
            together.wait(60)
            return reply(status=status, Retry_After="1")
        return named(head)

    with wire(answer) as running:
        came = ask(session, questions(running, 20), workers)
        for key in range(workers, 2 * workers):
            throttled = came.pop(key)
            assert isinstance(throttled, RateLimited) and throttled.seconds == 1.0
        assert bodies(came) == {key: all_named(20)[key] for key in came}
        assert len(running.heads) == 20
        assert times[2 * workers] - times[2 * workers - 1] > 0.9
        assert running.connections <= 2 * workers


@pytest.mark.rule("R13")
def test_the_pause_is_for_the_connections_that_stand_too(session: UpstreamSession) -> None:
    def answer(head: str) -> bytes:
        if "/p20 " in head:
            return reply(status="429 Slow Down", Retry_After="1")
        return named(head)

    with wire(answer) as running:
        came = ask(session, questions(running, 100))
        assert isinstance(came.pop(20), RateLimited)
        assert len(bodies(came)) == 99
        assert running.connections <= WORKERS + 1  # after a 429 its own is not used again


@pytest.mark.rule("R13")
def test_the_pause_is_kept_over_a_connection_that_had_its_answer(session: UpstreamSession) -> None:
    heard, together, times = threading.Event(), threading.Barrier(2), dict[str, float]()

    def answer(head: str) -> bytes:
        path = head.split(" ", 2)[1]
        times[path] = time.monotonic()
        if path in ("/p0", "/p1"):
            together.wait(60)  # over two connections
        if path == "/p2":
            return reply(status="429 Slow Down", Retry_After="1")
        if path == "/p3":
            heard.wait(10)
        return named(head)

    with wire(answer) as running:
        for key, outcome in Multiplexer(session, 2).ask(questions(running, 9)):
            assert isinstance(outcome, RateLimited if key == 2 else HttpAnswer)
            if key == 2:
                heard.set()
        assert min(times[f"/p{number}"] for number in range(4, 9)) - times["/p2"] > 0.9
        assert running.connections <= 3


@pytest.mark.rule("R13")
def test_a_long_pause_ends_the_asking(session: UpstreamSession) -> None:
    def answer(head: str) -> bytes:
        if "/p5 " in head:
            return reply(status="429 Slow Down", Retry_After="3600")
        return named(head)

    with wire(answer) as running:
        came = ask(session, questions(running, 50), 1)
        assert len(running.heads) == 6
    assert len(bodies({key: came[key] for key in range(5)})) == 5
    for key in range(5, 50):
        throttled = came[key]
        assert isinstance(throttled, RateLimited) and throttled.seconds > 3590


@pytest.mark.parametrize(
    "etag", ['"\xff\xe9"', '"a b"', "W/x", '"a', 'W/"\x80"', '"\x01"', "", "*"]
)
def test_odd_etags_go_back_as_they_came(session: UpstreamSession, etag: str) -> None:
    with wire(lambda head: reply(b"x", ETag=etag)) as running:
        for _ in range(2):
            (first,) = ask(session, [question(running.url())], 1).values()
            assert isinstance(first, HttpAnswer) and first.etag == etag
        came = ask(session, [question(running.url(), n, etag) for n in range(3)], 1)
        assert len(bodies(came)) == 3
        assert all(f"If-None-Match: {etag}\r\n" in head for head in running.heads[-3:])


def test_an_etag_that_would_be_a_header_is_not_sent(session: UpstreamSession) -> None:
    with wire(named) as running:
        ask(session, questions(running, 3), 1)
        (came,) = ask(session, [question(running.url(), 0, "a\r\nB: c")], 1).values()
        assert isinstance(came, UpstreamUnreachable)
        assert len(running.heads) == 3


PATHS = (
    "simple/",
    "simple/x/?a=b",
    "%20/",
    "a%2fb/",
    "a b/",
    "ä/",
    "%zz/",
    "[x]/",
    "a;b=c,d@!$&'()*+/",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("userinfo", ["", SECRET])
def test_a_line_says_what_urllib3_says(session: UpstreamSession, path: str, userinfo: str) -> None:
    with wire(named) as running:
        ask(session, [question(running.url(path, userinfo), n, '"e"') for n in range(3)], 1)
        assert len(running.heads) == 3 and len(set(running.heads)) == 1
        assert ("Authorization: Basic Ym9iOnMzY3JldA==\r\n" in running.heads[0]) == bool(userinfo)


def test_credentials_from_netrc(
    session: UpstreamSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login bob password s3cret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    with wire(named) as running:
        assert bodies(ask(session, questions(running, 9), 1)) == all_named(9)
        assert all("Basic Ym9iOnMzY3JldA==\r\n" in head for head in running.heads)
        assert by_crew(session, running.url()) == 1


def test_no_credentials_in_what_is_told(session: UpstreamSession) -> None:
    with wire(lambda head: reply(status="500 Oops") if "p5" in head else named(head)) as running:
        urls = [running.url(f"p{number}", SECRET) for number in range(9)]
        came = ask(session, [question(url, n) for n, url in enumerate(urls)], 1)
    assert "***@" in str(came[5]) and "s3cret" not in str(came)


@pytest.mark.parametrize("host", ["host.example", "host.example:81", "host.example:80"])
def test_a_proxy_is_asked_with_the_whole_url(session: UpstreamSession, host: str) -> None:
    with wire(lambda head: reply(b"from the proxy")) as running:
        session.by_requests.requests.proxies["http"] = running.url("", "eve:pr0xy@")
        url = f"http://{SECRET}{host}/simple/demo/?a=b"
        came = ask(session, [question(url, number) for number in range(9)], 1)
        assert set(bodies(came).values()) == {b"from the proxy"}
        assert by_crew(session, url) == 1
        (head,) = set(running.heads)
    assert head.startswith(f"GET http://{host}/simple/demo/?a=b HTTP/1.1\r\n")
    assert f"Host: {host}\r\n" in head and "s3cret" not in head
    assert "Proxy-Authorization: Basic ZXZlOnByMHh5\r\n" in head
    assert "Authorization: Basic Ym9iOnMzY3JldA==\r\n" in head


@pytest.fixture
def vouched(
    session: UpstreamSession, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> UpstreamSession:
    """A session that knows the authority."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    return session


LARGE = bytes(range(256)) * 1200  # of many records of TLS


@pytest.mark.parametrize("sent", [reply(LARGE), CHUNKED + b"4b000\r\n" + LARGE + b"\r\n0\r\n\r\n"])
def test_over_tls(vouched: UpstreamSession, authority: Path, sent: bytes) -> None:
    def answer(head: str) -> bytes | list[bytes]:
        if "/p5 " in head:
            return sent
        return [sent[:9], sent[9:20_000], sent[20_000:]] if "/p6 " in head else named(head)

    with wire(answer, made_by(authority, "IP:127.0.0.1")) as running:
        urls = [running.url(f"p{number}").replace("http:", "https:") for number in range(20)]
        for _ in range(2):
            came = bodies(ask(vouched, [question(url, key) for key, url in enumerate(urls)], 2))
            assert came == {**all_named(20), 5: LARGE, 6: LARGE}
            assert running.connections <= 2 and by_crew(vouched, urls[0]) <= 6
        assert len({head.partition("\r\n")[2] for head in running.heads}) == 1


@pytest.mark.parametrize("end", [None, [RESET], [b"HTTP/1.1 200", RESET], (reply(b"hello")[:-1],)])
def test_tls_that_ends(
    vouched: UpstreamSession, authority: Path, end: Iterable[bytes] | None
) -> None:
    seen: list[str] = []

    def answer(head: str) -> bytes | Iterable[bytes] | None:
        path = head.split(" ", 2)[1]
        seen.append(path)
        return end if path == "/p5" and seen.count(path) == 1 else named(head)

    with wire(answer, made_by(authority, "IP:127.0.0.1")) as running:
        urls = [running.url(f"p{number}").replace("http:", "https:") for number in range(9)]
        came = ask(vouched, [question(url, key) for key, url in enumerate(urls)], 1)
    if end is None or end == [RESET]:
        assert bodies(came) == all_named(9)
    else:
        assert isinstance(came.pop(5), UpstreamUnreachable)
        assert len(bodies(came)) == 8


@pytest.mark.parametrize("names", ["IP:127.0.0.1", "DNS:upstream.example"])
def test_nothing_is_asked_of_who_cannot_prove_who_it_is(
    session: UpstreamSession, authority: Path, names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if names.startswith("DNS:"):  # somebody vouches, but for another
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    with wire(named, made_by(authority, names)) as running:
        url = running.url().replace("http:", "https:")
        came = ask(session, [question(url, number) for number in range(9)])
        assert running.heads == []
    assert len(came) == 9
    for outcome in came.values():
        assert isinstance(outcome, UpstreamUnreachable) and "certificate" in str(outcome)


def test_tls_through_a_proxy(vouched: UpstreamSession, authority: Path) -> None:
    with (
        wire(named, made_by(authority, "DNS:host.example")) as running,
        tunnels(running.port) as proxy,
    ):
        vouched.by_requests.requests.proxies["https"] = f"http://eve:pr0xy@127.0.0.1:{proxy.port}/"
        urls = [f"https://{SECRET}host.example/p{number}" for number in range(20)]
        came = ask(vouched, [question(url, key) for key, url in enumerate(urls)], 2)
        assert bodies(came) == all_named(20)
        assert len(proxy.heads) == running.connections <= 2
        assert by_crew(vouched, urls[0]) <= 6
    for head in proxy.heads:
        assert head.startswith("CONNECT host.example:443 HTTP/1.")
        assert (
            "Proxy-Authorization: Basic ZXZlOnByMHh5\r\n" in head and "Ym9iOnMzY3JldA" not in head
        )
    (head,) = {head.partition("\r\n")[2] for head in running.heads}
    assert "Host: host.example\r\n" in head and "Proxy-Authorization" not in head
    assert "Authorization: Basic Ym9iOnMzY3JldA==\r\n" in head


def test_a_record_of_tls_that_comes_in_pieces_is_no_silence(
    vouched: UpstreamSession, authority: Path
) -> None:
    def answer(head: str) -> bytes:
        return reply(LARGE[:16000]) if "/p1 " in head else named(head)

    vouched.timeout = 0.5
    own = made_by(authority, "DNS:host.example")
    with wire(answer, own) as running, tunnels(running.port, slowly=0.05) as proxy:
        vouched.by_requests.requests.proxies["https"] = f"http://127.0.0.1:{proxy.port}/"
        requests = [question(f"https://host.example/p{number}", number) for number in range(2)]
        assert bodies(ask(vouched, requests, 1)) == {0: b"/p0", 1: LARGE[:16000]}
        assert by_crew(vouched, requests[0].url) == 1


def test_tls_within_tls_is_left_to_the_crew(vouched: UpstreamSession, authority: Path) -> None:
    def answer(head: str) -> bytes:
        return reply(LARGE) if "/p5 " in head else named(head)

    own = made_by(authority, "DNS:host.example", "IP:127.0.0.1")
    with wire(answer, own) as running, tunnels(running.port, own) as proxy:
        vouched.by_requests.requests.proxies["https"] = f"https://127.0.0.1:{proxy.port}/"
        urls = [f"https://host.example/p{number}" for number in range(20)]
        came = ask(vouched, [question(url, key) for key, url in enumerate(urls)], 2)
        assert bodies(came) == {**all_named(20), 5: LARGE}
        assert running.connections <= 2 and by_crew(vouched, urls[0]) == 20
