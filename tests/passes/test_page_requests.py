"""Whole passes: how upstream's pages are asked for, and what their heads mean."""

from __future__ import annotations

import json
import logging

import pytest

from tests.support.builders.upstream_pages import html_body, json_file
from tests.support.fake_index.index import Fault
from tests.support.page_assertions import HTML, JSON, assert_equal_to_upstream
from tests.support.raw_server import reply, wire
from tests.support.world import DAY, DONE, FAILED, HOUR, PARTIAL, World


def test_what_is_sent_word_for_word(world: World) -> None:
    world.up.upload("Foo.Bar", "1.0")
    world.up.html_only = True
    assert world.sync() == DONE
    (list_request,) = world.up.list_requests()
    (page_request,) = world.up.page_requests()
    assert (list_request.path, page_request.path) == ("/simple/", "/simple/foo-bar/")
    for request in (list_request, page_request):
        assert request.headers["accept"] == (
            "application/vnd.pypi.simple.v1+json, "
            "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
        )
        assert request.headers["user-agent"].startswith("yanksync/")
        assert request.headers["accept-encoding"] == "gzip"
    world.up.html_only = False
    world.up.upload("foo_bar", "2.0")
    assert world.sync() == DONE
    world.up.upload("FOO-bar", "3.0")
    assert world.sync() == DONE
    (page_request,) = world.up.page_requests()
    assert world.mirror is not None and world.mirror.totals.asked == 1
    assert page_request.path == "/simple/foo-bar/"
    assert page_request.headers["accept"] == "application/vnd.pypi.simple.v1+json"


def test_a_304_touches_nothing(disk: World) -> None:
    disk.started()
    before = disk.stamps()
    asked = []
    for _ in range(3):
        assert disk.sync(later=31 * DAY) == DONE
        asked += [request.status for request in disk.up.page_requests()]
    assert {*asked} == {304}
    assert {p: at for p, at in disk.stamps().items() if "/demo/" in p} == {
        p: at for p, at in before.items() if "/demo/" in p
    }
    assert disk.told() == []


@pytest.mark.parametrize("form", [JSON, HTML])
def test_relative_urls_start_where_the_redirects_end(world: World, form: str) -> None:
    name = "demo-1.0.tar.gz"
    head = '<base href="files/">' if form == HTML else ""

    def answer(asked: str) -> bytes:
        path = asked.split(" ")[1]
        if path == "/simple/demo/":
            return reply(status="301 Moved Permanently", Location="/moved/to/demo/")
        if path != "/moved/to/demo/":
            return reply(status="404 Not Found")
        if form == HTML:
            body = html_body(f'<a href="../{name}">{name}</a>', head=head)
            return reply(body, Content_Type="text/html")
        page = {
            "meta": {"api-version": "1.0"},
            "name": "demo",
            "files": [{"filename": name, "url": f"../{name}", "hashes": {}}],
        }
        return reply(json.dumps(page).encode(), Content_Type="application/vnd.pypi.simple.v1+json")

    with wire(answer) as running:
        world.configure(
            upstream_simple_url=running.url(), upstream_journal="none", mirror_projects=["demo"]
        )
        assert world.sync() == DONE
        page = world.page("demo")
        where = "moved/to/demo/" if form == HTML else "moved/to/"
        assert page is not None
        assert [file["url"] for file in page["files"]] == [running.url(f"{where}{name}")]


def test_an_outage_is_waited_for_and_not_given_up(world: World) -> None:
    world.started("demo", "other")
    world.up.yank("demo", "1.0", "bad")
    world.up.fail("^/simple/demo/", Fault.status(500), times=None)
    for _ in range(20):
        assert world.sync(later=2 * HOUR) == PARTIAL
        assert world.counts() == (1, 0, 0, 0)
    world.up.heal()
    assert world.sync(later=2 * HOUR) == DONE
    assert_equal_to_upstream(world)


@pytest.mark.parametrize("code", [300, 406])
def test_no_choice_and_no_agreement_are_errors(world: World, code: int) -> None:
    world.started()
    before = world.files()
    world.up.raw_row("demo", None, "frobnicate")
    world.up.fail("^/simple/demo/", Fault.status(code), times=None)
    assert world.sync() == PARTIAL
    assert world.files() == before


def test_a_newer_minor_version_is_told_of_once_and_not_for_each_page(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(30):
        world.up.upload(f"p{number}", "1.0")
    world.up.api_version = "1.5"
    assert world.sync() == DONE
    (told,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert "api-version 1.5 is newer than 1.4" in told
    assert_equal_to_upstream(world)


def test_links_that_expire_are_told_of_once_in_a_pass(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    names, query = ("one", "two", "three"), "?se=2026&sig=abc"
    for name in names:
        world.up.upload(name, "1.0")
        page = {
            "meta": {"api-version": "1.0", "_last-serial": world.up.last_serial},
            "name": name,
            "files": [
                json_file(f"{name}-1.0.tar.gz", url=f"https://f.example/{name}-1.0.tar.gz{query}")
            ],
        }
        sent = Fault.body(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
        world.up.fail(f"^/simple/{name}/", sent, times=None)
    assert world.sync() == DONE
    (told,) = [record for record in caplog.records if "signature" in record.getMessage()]
    assert told.levelno == logging.WARNING
    assert told.getMessage().partition(": ")[0] in names  # the first one
    for name in names:
        published = world.page(name) or {}
        assert published["files"][0]["url"].endswith(query)


@pytest.mark.parametrize("version", ["2.0", "0.9", "1", "1.x", "latest"])
def test_of_a_version_that_is_not_known_nothing_is_taken(world: World, version: str) -> None:
    world.started()
    before = world.files()
    world.up.yank("demo", "1.0", "bad")
    world.up.api_version = version
    for _ in range(3):
        assert world.sync(later=2 * HOUR) == PARTIAL
        assert world.files() == before
    world.up.api_version = "1.4"
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


def test_a_page_behind_the_journal_for_ever_is_published_as_far_as_it_is(world: World) -> None:
    """The serial of the page stays below the journal's, though its files are those of today."""
    world.started()
    world.up.yank("demo", "1.0", "bad")
    world.up.doctor = lambda page: {**page, "meta": {**page["meta"], "_last-serial": 6}}
    assert world.sync() == PARTIAL
    assert world.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    for _ in range(14):
        world.sync(later=2 * HOUR)
    assert world.counts() == (0, 0, 0, 1)


def test_a_page_ahead_of_the_journal_moves_no_cursor(world: World) -> None:
    world.started()
    cursor = world.cursor()
    world.up.doctor = lambda page: {**page, "meta": {**page["meta"], "_last-serial": 1000}}
    world.up.raw_row("demo", None, "frobnicate")
    assert world.sync() == DONE
    assert world.cursor() == cursor + 1 == world.up.last_serial  # type: ignore[operator]
    page = world.page("demo")
    assert page is not None and page["meta"]["_last-serial"] == 1000


def test_a_project_without_files_is_one(world: World) -> None:
    world.up.create("empty")
    world.started()
    assert world.yanked("empty") == {} and world.listed() == ["demo", "empty"]
    assert_equal_to_upstream(world)


def test_a_file_on_a_release_of_long_ago_is_listed_and_told_of(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.up.upload("demo", "1.0", upload_time="2026-01-01T00:00:00Z")
    assert world.sync() == DONE
    world.up.upload("demo", "1.0", "demo-1.0.zip", upload_time="2026-03-01T00:00:00Z")
    world.up.upload("demo", "2.0", upload_time="2026-03-01T00:00:00Z")
    caplog.clear()
    assert world.sync() == DONE
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert told == ["demo: demo-1.0.zip: new on a release of more than two weeks ago"]
    assert_equal_to_upstream(world)


def test_a_name_that_upstream_never_had_is_not_asked_for_with_every_list(world: World) -> None:
    world.configure(upstream_journal="listing", mirror_projects=["demo", "ghost"])
    world.started()
    assert world.asked == ["demo", "ghost"]
    for version in ("3.0", "4.0"):
        world.up.upload("demo", version)
        assert world.sync() == DONE
        assert world.asked == ["demo"]
    world.up.upload("ghost", "1.0")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


HELLO = "<!DOCTYPE html><html><head><title>{}</title></head><body>{}</body></html>"
ERROR_PAGES = {
    "maintenance": ("We will be back", '<a href="https://status.example/">status</a>'),
    "moved": ("demo", '<meta http-equiv="refresh" content="0; url=/new/"><p>Moved'),
    "browser": ("Index of /simple/demo/", '<a href="/">/</a><a href="/about">about</a>'),
    "files": ("Help", '<a href="README.txt">README.txt</a><a href="/r/i/demo/1.0">1.0</a>'),
}


@pytest.mark.rule("R7")
@pytest.mark.parametrize(("title", "content"), ERROR_PAGES.values(), ids=ERROR_PAGES)
def test_an_html_page_without_a_distribution_changes_nothing(
    world: World, title: str, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = '<a href="/f/demo-1.0.zip">demo-1.0.zip</a><a href="/about">about</a>'
    with wire(lambda _: reply(body.encode(), Content_Type="text/html")) as running:
        world.configure(
            upstream_simple_url=running.url(), upstream_journal="none", mirror_projects=["demo"]
        )
        assert world.sync() == DONE
        assert world.yanked("demo") == {"demo-1.0.zip": False}
        before, good, body = world.files(), body, HELLO.format(title, content)
        for _ in range(4):
            assert world.sync(later=DAY) in (FAILED, PARTIAL)
            assert world.files() == before
        assert "it is no project page" in caplog.text
        body = good.replace("<a ", '<a data-yanked="bad" ')
        assert world.settle(later=DAY) == DONE
        assert world.yanked("demo") == {"demo-1.0.zip": "bad"}


@pytest.mark.rule("R7")
def test_the_empty_page_of_a_project_is_no_error(world: World) -> None:
    def answer(head: str) -> bytes:
        name = head.split("/")[2]
        file = '<a href="/f/other-1.0.zip">other-1.0.zip</a>' if name == "other" else ""
        body = HELLO.format(f"Links for {name}", f"<h1>Links for {name}</h1>{file}")
        return reply(body.encode(), Content_Type="text/html")

    with wire(answer) as running:
        world.configure(
            upstream_simple_url=running.url(),
            upstream_journal="none",
            mirror_projects=["demo", "other"],
        )
        assert world.sync() == DONE
        assert world.sync(later=DAY) == DONE
        assert world.listed() == ["other"]  # demo may just as well not be there


def test_a_file_that_is_left_out_is_named_and_hides_no_yank(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    good = {"url": "demo-1.0.zip", "filename": "demo-1.0.zip", "hashes": {}, "yanked": "bad"}
    bad = [
        {"url": f"demo-{number}.zip", "filename": f"demo-{number}.zip", "hashes": {}, **more}
        for number, more in enumerate([{"yanked": 1}, {"size": -1}, {"requires-python": 3}], 2)
    ]
    page = {"meta": {"api-version": "1.0"}, "name": "demo", "files": [*bad, good]}
    body = json.dumps(page).encode()
    media = "application/vnd.pypi.simple.v1+json"
    with wire(lambda _: reply(b"\xef\xbb\xbf" + body, Content_Type=media)) as running:
        world.configure(
            upstream_simple_url=running.url(), upstream_journal="none", mirror_projects=["demo"]
        )
        assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-1.0.zip": "bad"}
    told = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    for number in (2, 3, 4):
        assert any(f"demo: file 'demo-{number}.zip' left out: " in line for line in told)
