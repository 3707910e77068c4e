"""Another index, asked over HTTP or read from a directory, against the state of a mirror."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.world import DONE, World
from yanksync.config.load import load
from yanksync.core.errors import InvalidAnswer, UpstreamUnreachable
from yanksync.reports.compare.asked_index import AskedIndex, OtherIndex, Pace, serial_in
from yanksync.reports.compare.compare_index import begin, differences
from yanksync.reports.compare.differences import Comparison
from yanksync.reports.compare.index_tree import IndexTree
from yanksync.state.views.comparable import Selection
from yanksync.upstream.client import UpstreamClient

DEFAULT = Selection()
NAMES = ("demo", "fine", "gone", "held", "never")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Served]:
    """Another index on a socket."""
    with serve(FakeUpstream()) as other:
        yield other


@pytest.fixture
def other(elsewhere: Served) -> FakeUpstream:
    """What the other index has."""
    elsewhere.upstream = FakeUpstream()
    return elsewhere.upstream


def fill(upstream: FakeUpstream) -> None:
    for name in NAMES[:4]:
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")


def withdraw(upstream: FakeUpstream) -> None:
    upstream.yank("demo", "1.0", "bad")
    upstream.remove_project("gone")
    upstream.quarantine_project("held")


def followed(world: World) -> World:
    """Return a mirror that has seen three withdrawals."""
    world.started(*NAMES[:4])
    withdraw(world.up)
    assert world.sync() == DONE
    return world


def compared(
    world: World, index: OtherIndex, selection: Selection = DEFAULT
) -> tuple[Comparison, dict[str, list[str]]]:
    """Return what a comparison comes to, and the kinds of differences by project."""
    with world.state() as state:
        summary = begin(index, state, selection)
        found = {
            str(name): [str(one.kind) for one in rows if not one.is_note]
            for name, rows in differences(index, state, selection, summary)
        }
    return summary, found


def asked(
    world: World, served: Served, selection: Selection = DEFAULT, **flags: object
) -> tuple[Comparison, dict[str, list[str]]]:
    settings = load(None, {}, upstream_simple_url=served.simple_url, **flags)
    with closing(UpstreamClient(settings)) as client:
        return compared(world, AskedIndex(client, Pace(10_000)), selection)


FOUND = {
    "demo": ["mark-missing"],
    "gone": ["removed-offered"],
    "held": ["quarantined-offered"],
}


@pytest.mark.parametrize("form", ["json", "html"])
def test_an_index_that_missed_all_withdrawals(
    world: World, other: FakeUpstream, elsewhere: Served, form: str
) -> None:
    followed(world)
    fill(other)
    other.html_only = form == "html"
    summary, found = asked(world, elsewhere, upstream_contact="ops@mirror.example")
    assert found == FOUND
    times = [row.timestamp for row in world.history()]
    assert (summary.compared, summary.expected, summary.findings) == (3, 3, 3)
    assert (summary.oldest, summary.problem) == (min(times), None)
    assert summary.index_serial == other.last_serial
    assert summary.behind_since == times[0]
    agents = {one.headers["user-agent"] for one in other.requests}
    assert all("(ops@mirror.example)" in agent for agent in agents)
    assert {one.path for one in other.page_requests()} == {f"/simple/{name}/" for name in found}


def test_an_index_that_followed_has_no_findings(
    world: World, other: FakeUpstream, elsewhere: Served
) -> None:
    followed(world)
    fill(other)
    withdraw(other)
    summary, found = asked(world, elsewhere, Selection(all=True))
    assert found == {name: [] for name in NAMES[:4]}
    assert (summary.findings, summary.oldest, summary.behind_since) == (0, None, None)


def test_a_sample_is_some_of_them(world: World, other: FakeUpstream, elsewhere: Served) -> None:
    followed(world)
    fill(other)
    for selection, among in (
        (Selection(sample=2), {"demo", "gone", "held"}),
        (Selection(all=True, sample=2), set(NAMES[:4])),
    ):
        summary, found = asked(world, elsewhere, selection)
        assert len(found) == summary.expected == 2
        assert set(found) <= among
    assert len(asked(world, elsewhere, Selection(sample=99))[1]) == 3


def test_a_yank_of_before_the_mirror_is_a_withdrawal(
    world: World, other: FakeUpstream, elsewhere: Served
) -> None:
    fill(world.up)
    fill(other)
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert world.history() == []
    assert asked(world, elsewhere)[1] == {"demo": ["mark-missing"]}


@pytest.mark.rule("R7")
def test_what_is_no_index_has_no_findings(
    world: World, other: FakeUpstream, elsewhere: Served
) -> None:
    followed(world)
    other.fail("^/simple/$", Fault.status(404), None)
    summary, found = asked(world, elsewhere)
    assert (found, summary.compared) == ({}, 0)
    assert summary.problem is not None and "Correct the URL" in summary.problem


def test_one_answer_that_is_no_page_is_unchecked(
    world: World, other: FakeUpstream, elsewhere: Served
) -> None:
    followed(world)
    fill(other)
    other.fail("^/simple/gone/", Fault.maintenance(), None)
    other.fail("^/simple/held/", Fault.status(404), None)
    assert asked(world, elsewhere)[1] == {
        "demo": ["mark-missing"],
        "gone": ["unchecked"],
        "held": [],
    }


def test_an_index_that_fails_is_not_asked_for_ever(
    world: World, other: FakeUpstream, elsewhere: Served
) -> None:
    names = [f"demo{number}" for number in range(60)]
    for name in names:
        world.up.upload(name, "1.0")
        other.upload(name, "1.0")
    assert world.sync() == DONE
    other.fail("^/simple/demo[1-9]", Fault.status(500), None)
    summary, found = asked(world, elsewhere, Selection(all=True))
    assert summary.problem == "20 answers in a row cannot be used"
    assert summary.compared == len(found) == 21
    assert len(other.page_requests()) < 40
    other.fail("^/simple/demo0", Fault.status(403), None)
    summary, found = asked(world, elsewhere, Selection(all=True))
    assert found == {}
    assert summary.problem is not None and "(403)" in summary.problem


@pytest.mark.rule("R13")
def test_a_pause_that_the_server_asks_for_is_made(
    world: World, other: FakeUpstream, elsewhere: Served
) -> None:
    followed(world)
    fill(other)
    other.fail("^/simple/demo/", Fault.status(429, 0), 2)
    assert asked(world, elsewhere)[1] == FOUND
    other.fail("^/simple/held/", Fault.status(429, 3600), None)
    summary, found = asked(world, elsewhere)
    assert "held" not in found
    assert summary.problem is not None and "asks to wait" in summary.problem


def test_what_does_not_answer_is_an_error(world: World) -> None:
    followed(world)
    settings = load(None, {}, upstream_simple_url="http://me:secret@127.0.0.1:9/simple/")
    with closing(UpstreamClient(settings)) as client:
        index = AskedIndex(client, Pace(1))
        with pytest.raises(UpstreamUnreachable, match="no connection") as problem:
            compared(world, index)
    assert "secret" not in str(problem.value) + index.where


def test_requests_keep_their_distance() -> None:
    now, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(4, lambda: now[0], sleep)
    for _ in range(3):
        pace.wait()
    assert slept == [0.25, 0.25]
    now[0] += 10  # a pause is not made up for
    for _ in range(3):
        pace.wait()
    assert slept[2:] == [0.25, 0.25]


@pytest.mark.parametrize("below", ["", "simple"])
def test_a_directory_is_read(disk: World, below: str) -> None:
    disk.started(*NAMES[:4])
    disk.keep_tree()
    old = disk.where / "kept-out" / below
    withdraw(disk.up)
    assert disk.sync() == DONE
    summary, found = compared(disk, IndexTree(old, 1 << 20))
    assert found == FOUND
    assert summary.index_serial is not None and summary.index_serial < (summary.serial or 0)
    assert compared(disk, IndexTree(disk.where / "out", 1 << 20))[0].findings == 0


def test_an_address_without_index_is_none_although_nothing_is_to_be_compared(
    world: World, other: FakeUpstream, elsewhere: Served
) -> None:
    world.started("demo")
    other.upload("demo", "1.0")
    settings = load(None, {}, upstream_simple_url=elsewhere.root_url)
    with closing(UpstreamClient(settings)) as client:
        summary, found = compared(world, AskedIndex(client, Pace(10_000)))
    assert (found, summary.compared) == ({}, 0)
    assert "is no package index" in (summary.problem or "")


def test_a_tree_of_bandersnatch_has_hashed_directories_and_html(disk: World) -> None:
    followed(disk)
    root = disk.where / "web" / "simple"
    for name in ("demo", "held"):
        shutil.copytree(disk.where / "out" / "simple" / name, root / name[0] / name)
        for path in (root / name[0] / name).glob("*v1*"):
            path.unlink()
    assert compared(disk, IndexTree(root.parent, 1 << 20))[1] == {
        "demo": [],
        "gone": [],
        "held": [],
    }
    (root / "d" / "demo" / "index.html").write_text("no page")
    (root / "held").write_text("no directory")
    summary, found = compared(disk, IndexTree(root.parent, 1 << 20))
    assert (found["demo"], summary.index_serial) == (["unchecked"], None)
    assert compared(disk, IndexTree(root.parent, 1))[1]["held"] == ["unchecked"]
    with pytest.raises(UpstreamUnreachable, match="no such directory"):
        compared(disk, IndexTree(disk.where / "nothing", 1))


@pytest.mark.parametrize(
    ("head", "header", "serial"),
    [
        (b'{"meta": {"_last-serial": 17, "api', None, 17),
        (b'{"meta":{"_last-serial":"17"}', None, 17),
        (b"<!--SERIAL 17-->", None, 17),
        (b'{"meta":{"_last-serial":1}', "18", 18),
        (b"<html>", " ", None),
    ],
)
def test_the_serial_of_an_index(head: bytes, header: str | None, serial: int | None) -> None:
    assert serial_in(head, header) == serial
    with pytest.raises(InvalidAnswer, match="no serial number"):
        serial_in(head, "many")
