"""Stage 3: many at once; one failure stops nobody else (rules R3, R7, R13)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator

import pytest

from yanksync.core.errors import (
    InvalidAnswer,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from yanksync.core.formats.reader_rules import PageRules
from yanksync.core.names import NormalizedName
from yanksync.core.rules.fetch_plan import FetchTask
from yanksync.core.rules.verdicts import NotModified, PageFound, PageMissing
from yanksync.sync.fetch import FetchFailure, FetchResult, PageRequest, W, fetch
from yanksync.upstream.client import RawPage

JSON = "application/vnd.pypi.simple.v1+json"
Respond = Callable[[str, str | None], RawPage | int]


class Pages:
    """An upstream of one function."""

    rules = PageRules()
    longest_pause = 60.0

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self.asked: list[str] = []

    def pages(
        self, wanted_pages: Iterable[W], workers: int
    ) -> Generator[tuple[W, RawPage | int | UpstreamError], None, None]:
        for wanted in wanted_pages:
            self.asked.append(wanted.name)
            try:
                yield wanted, self._respond(wanted.name, wanted.etag)
            except UpstreamError as error:
                yield wanted, error


def raw(name: str, **more: str) -> RawPage:
    body = f'{{"meta":{{"api-version":"1.0","_last-serial":7}},"name":"{name}","files":[]}}'
    answer = {"body": body, "media": JSON, "url": f"https://x.example/{name}/", **more}
    return RawPage(
        answer["body"].encode(), answer["media"], answer["url"], '"e"', answer.get("serial")
    )


def good(name: str, etag: str | None) -> RawPage | int:
    return raw(name)


def question(name: str, etag: str | None = None) -> PageRequest:
    return PageRequest(FetchTask(name=NormalizedName(name)), etag)


def questions(count: int) -> Iterator[PageRequest]:
    return (question(f"p{number}") for number in range(count))


def raising(error: Exception) -> Respond:
    def respond(name: str, etag: str | None) -> RawPage | int:
        raise error

    return respond


def ask(respond: Respond, etag: str | None = None) -> FetchResult:
    (found,) = fetch(Pages(respond), [question("demo", etag)], 1)
    return found


def test_a_page_comes_with_what_is_to_be_stored() -> None:
    found = ask(good)
    assert isinstance(found.answer, PageFound) and found.answer.page.serial == 7
    assert found.stored is not None and found.stored.text == raw("demo").body
    assert (found.stored.content_type, found.etag, found.is_json) == (JSON, '"e"', True)


@pytest.mark.parametrize(("status", "answer"), [(304, NotModified()), (404, PageMissing())])
def test_no_page(status: int, answer: object) -> None:
    found = ask(lambda name, etag: status, '"e"')
    assert found.answer == answer and found.stored is None


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("respond", "error"),
    [
        (raising(UpstreamUnreachable("u", "gone")), UpstreamUnreachable),
        (raising(UpstreamRefused("u", 403, "no")), UpstreamRefused),
        (lambda name, etag: raw("another"), InvalidAnswer),
        (lambda name, etag: raw(name, body="<html>"), InvalidAnswer),
        (lambda name, etag: raw(name, media="text/plain"), InvalidAnswer),
        (lambda name, etag: raw(name, body="{}"), InvalidAnswer),
    ],
)
def test_what_fails_is_a_value(respond: Respond, error: type[UpstreamError]) -> None:
    failed = ask(respond).answer
    assert isinstance(failed, FetchFailure) and type(failed.error) is error


def test_one_failure_stops_nobody_else() -> None:
    def respond(name: str, etag: str | None) -> RawPage | int:
        if name == "p3":
            raise UpstreamUnreachable("u", "reset")
        return raw(name)

    answers = list(fetch(Pages(respond), questions(20), 2))
    failed = [str(one.task.name) for one in answers if isinstance(one.answer, FetchFailure)]
    assert len(answers) == 20 and failed == ["p3"]


def test_asking_ends_with_who_asks() -> None:
    drawn: list[int] = []

    def draw() -> Iterator[PageRequest]:
        try:
            for number in range(1000):
                drawn.append(number)
                yield question(f"p{number}")
        finally:
            drawn.append(-1)

    answers = fetch(Pages(good), draw(), 2)
    assert drawn == []
    next(answers)
    assert isinstance(answers, Generator)
    answers.close()
    assert len(drawn) < 10 and drawn[-1] == -1


def until_broken(pages: Pages, workers: int = 2) -> tuple[list[FetchResult], UpstreamError]:
    """Return the answers until the asking ended, and what it ended with."""
    taken: list[FetchResult] = []
    try:
        for one in fetch(pages, questions(1000), workers):
            taken.append(one)
    except UpstreamError as error:
        return taken, error
    raise AssertionError("it went on to the end")


@pytest.mark.rule("R7")
@pytest.mark.parametrize("error", [UpstreamUnreachable("u", "gone"), RateLimited("u", 5.0)])
def test_an_outage_ends_the_asking(error: UpstreamError) -> None:
    pages = Pages(raising(error))
    taken, raised = until_broken(pages)
    assert raised is error and 20 <= len(taken) < 40 and len(pages.asked) < 40
    assert all(isinstance(one.answer, FetchFailure) for one in taken)


def test_more_workers_are_more_patient() -> None:
    taken, _ = until_broken(Pages(raising(UpstreamUnreachable("u", "gone"))), workers=16)
    assert len(taken) >= 32


@pytest.mark.parametrize(
    "error", [UpstreamRefused("u", 403, "no"), InvalidAnswer("project x", "odd")]
)
def test_answers_that_are_no_outage_end_nothing(error: UpstreamError) -> None:
    assert len(list(fetch(Pages(raising(error)), questions(100), 2))) == 100


def test_failures_count_only_in_an_unbroken_row() -> None:
    lock, calls = threading.Lock(), [0]

    def respond(name: str, etag: str | None) -> RawPage | int:
        with lock:
            calls[0] += 1
            if calls[0] % 10:
                raise UpstreamUnreachable("u", "reset")
        return raw(name)

    assert len(list(fetch(Pages(respond), questions(200), 1))) == 200


@pytest.mark.rule("R13")
def test_a_long_retry_after_ends_the_asking_at_once() -> None:
    def respond(name: str, etag: str | None) -> RawPage | int:
        if name == "p5":
            raise RateLimited("u", 3600.0)
        return raw(name)

    pages = Pages(respond)
    taken, raised = until_broken(pages)
    assert isinstance(raised, RateLimited) and raised.seconds == 3600.0
    assert len(taken) < 30 and "p5" in {one.task.name for one in taken}
