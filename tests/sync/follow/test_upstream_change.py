"""Whole passes: ``simple_url`` names another address, of the same index or of another one (R14)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.fake_index.pages import PageDict
from tests.support.page_assertions import JSON, assert_equal_to_upstream
from tests.support.world import DONE, FAILED, HELD, HOUR, PARTIAL, World
from yanksync.state.views.holds import JOURNAL, HeldItem, held_items


@pytest.fixture
def second() -> Iterator[Served]:
    """Another address."""
    with serve(FakeUpstream()) as running:
        yield running


def moved(world: World, to: Served) -> None:
    world.configure(upstream_simple_url=to.simple_url)


def held(world: World) -> HeldItem:
    with world.state() as state:
        (one,) = held_items(state)
    return one


def other(served: Served, *names: str) -> FakeUpstream:
    upstream = served.upstream
    assert isinstance(upstream, FakeUpstream)
    for name in ("strange", "stranger", *names):
        upstream.upload(name, "9.0")
    return upstream


@pytest.mark.rule("R14")
def test_another_address_of_the_same_journal_changes_nothing(disk: World, second: Served) -> None:
    disk.started("demo", "third")
    stamps = disk.stamps()
    second.upstream = disk.up
    moved(disk, second)
    assert disk.sync() == DONE
    assert disk.stamps() == stamps and disk.asked == []
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"


@pytest.mark.rule("R14")
def test_another_index_waits_for_a_person(world: World, second: Served) -> None:
    world.started("demo", "third")
    files, old = world.files(), world.served.simple_url
    up = other(second, "demo")
    moved(world, second)
    for _ in range(2):
        assert world.sync() == HELD
        assert world.files() == files and up.page_requests() == []
    hold = held(world)
    assert (hold.project, hold.what) == (None, "journal")
    assert old in hold.why and second.simple_url in hold.why
    assert world.counts().held == 1
    assert world.approve("demo") == []  # it is of the whole mirror
    assert world.approve() == [JOURNAL]
    world.up = up
    assert world.settle() == DONE
    assert world.listed() == ["demo", "strange", "stranger"]
    assert_equal_to_upstream(world)
    up.yank("demo", "9.0", "bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_the_old_address_ends_the_hold(world: World, second: Served) -> None:
    world.started("demo")
    other(second)
    old = world.served.simple_url
    moved(world, second)
    assert world.sync() == HELD
    world.configure(upstream_simple_url=old)
    assert world.sync() == DONE
    assert world.counts() == (0, 0, 0, 0)
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_an_approval_is_for_the_address_that_was_seen(world: World, second: Served) -> None:
    world.started("demo")
    other(second)
    moved(world, second)
    assert world.sync() == HELD
    assert world.approve() == [JOURNAL]
    with serve(FakeUpstream()) as third:
        up = other(third)
        moved(world, third)
        assert world.sync() == HELD
        assert third.simple_url in held(world).why and up.page_requests() == []


@pytest.mark.rule("R14")
def test_an_outage_at_the_new_address_is_no_other_index(world: World, second: Served) -> None:
    world.started("demo")
    files = world.files()
    second.upstream = world.up
    moved(world, second)
    world.up.fail("^/", Fault.status(503), times=None)
    assert world.sync() in (FAILED, PARTIAL)
    assert world.files() == files
    world.up.heal()
    assert world.settle() == DONE
    assert world.counts() == (0, 0, 0, 0)
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
@pytest.mark.parametrize("projects", [["demo"], ["d*"]], ids=["named", "pattern"])
def test_another_address_of_the_same_journal_loses_nothing_where_nothing_is_held(
    world: World, second: Served, projects: list[str]
) -> None:
    """Keep all entries.

    No page of before the removal comes back.
    """
    world.up.upload("third", "1.0")
    world.configure(mirror_projects=projects)
    world.started("demo")
    gone = world.up.remove_project("demo")
    assert world.sync() == DONE
    world.up.serve_stale("demo")
    world.up.upload("demo", "3.0")
    second.upstream = world.up
    moved(world, second)
    assert world.sync() == PARTIAL
    assert world.page("demo") is None
    world.up.cdn_clear()
    assert world.settle() == DONE
    assert world.told() == [(gone, "remove", ""), (gone + 1, "return", "")]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_another_index_has_a_project_that_the_old_one_removed(world: World, second: Served) -> None:
    world.configure(mirror_projects=["demo"])
    world.started("demo")
    world.up.remove_project("demo")
    assert world.sync() == DONE
    world.up = other(second, "demo")
    moved(world, second)
    assert world.settle() == DONE
    assert world.yanked("demo") == {"demo-9.0.tar.gz": False}


@pytest.mark.rule("R14")
def test_pages_that_a_state_put_back_does_not_know_wait_at_another_address(
    disk: World, second: Served
) -> None:
    """The state is of before the first project, and what is published counts."""
    assert disk.sync() == DONE
    disk.keep_state()
    disk.started("demo")
    disk.put_back_state()
    files, old = disk.files(), disk.served.simple_url
    other(second)
    moved(disk, second)
    assert disk.sync() == HELD
    assert old in held(disk).why and second.simple_url in held(disk).why
    assert disk.files() == files
    disk.configure(upstream_simple_url=old)
    assert disk.settle() == DONE
    assert disk.files() == files


@pytest.mark.parametrize("fault", [404, 503])
@pytest.mark.parametrize(
    ("journal", "projects"),
    [("auto", ["*"]), ("auto", ["demo"]), ("none", ["demo"])],
    ids=["all", "named", "without-journal"],
)
def test_an_address_that_gave_no_page_is_corrected_without_approval(
    world: World, second: Served, journal: str, projects: list[str], fault: int
) -> None:
    right = world.served.simple_url
    for _ in range(3):
        world.up.upload("demo", "1.0")
    up = other(second)
    up.fail("^/" if fault == 404 else "^/simple/.", Fault.status(fault), times=None)
    world.configure(mirror_projects=projects, upstream_journal=journal)
    moved(world, second)
    assert world.sync() in (FAILED, PARTIAL)
    world.configure(upstream_simple_url=right)
    assert world.settle() == DONE
    assert world.counts() == (0, 0, 0, 0)
    assert_equal_to_upstream(world)
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


def plain(served: Served, *, html: bool) -> FakeUpstream:
    """Make its upstream an index without journal and serials."""
    upstream = served.upstream
    assert isinstance(upstream, FakeUpstream)
    upstream.html_only = html
    upstream.page_serials = upstream.list_serials = False
    upstream.xmlrpc_status = 404
    return upstream


@pytest.mark.rule("R14")
@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_nothing_learnt_of_the_old_index_is_kept(world: World, second: Served, html: bool) -> None:
    """It gave JSON, serials and a journal; the new one has none of them."""
    world.configure(mirror_projects=["demo"])
    world.started("demo")
    up = plain(second, html=html)
    up.upload("demo", "1.0")
    up.upload("demo", "3.0")
    moved(world, second)
    assert world.sync() == HELD
    assert "no journal tells whether both are the same index" in held(world).why
    assert set(world.yanked("demo")) == {"demo-1.0.tar.gz", "demo-2.0.tar.gz"}
    assert world.approve() == [JOURNAL]
    world.up = up
    world.settle()
    assert {"demo-1.0.tar.gz", "demo-3.0.tar.gz"} <= set(world.yanked("demo"))
    up.yank("demo", "1.0", "bad")
    assert world.settle() == DONE
    assert world.yanked("demo") == {"demo-1.0.tar.gz": "bad", "demo-3.0.tar.gz": False}
    body = world.page("demo")
    assert body is not None and "_last-serial" not in body["meta"]


@pytest.mark.rule("R14")
def test_nothing_learnt_of_the_other_index_is_kept_when_the_old_one_is_back(
    world: World, second: Served
) -> None:
    world.configure(mirror_projects=["demo"])
    world.started("demo")
    old = world.served.simple_url
    plain(second, html=False)
    moved(world, second)
    for _ in range(2):
        assert world.sync() == HELD
    world.configure(upstream_simple_url=old)
    assert world.sync() == DONE
    assert world.asked == []  # the journal tells what is new, as before
    serial = world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert world.told() == [(serial, "yank", "bad")]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_an_index_with_a_journal_takes_over_from_one_without(world: World, second: Served) -> None:
    plain(world.served, html=True)
    world.configure(mirror_projects=["demo"])
    world.started("demo")
    up = other(second, "demo")
    moved(world, second)
    assert world.sync() == HELD
    assert world.approve() == [JOURNAL]
    world.up = up
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert world.cursor() == up.last_serial
    up.yank("demo", "9.0", "bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.parametrize("journal", ["auto", "none"])
def test_a_first_build_that_finds_no_project_publishes_nothing(
    world: World, journal: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.up.upload("demo", "1.0")
    world.configure(mirror_projects=["demmo", "othr"], upstream_journal=journal)
    for _ in range(2):
        caplog.clear()
        assert world.sync(later=HOUR) == FAILED
        assert world.files() == {}
        told = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        assert any("upstream.simple_url" in line for line in told), told
        assert any("demmo" in r.getMessage() for r in caplog.records)
    world.configure(mirror_projects=["demo"])
    assert world.settle() == DONE
    assert world.listed() == ["demo"]
    assert_equal_to_upstream(world)


@pytest.mark.parametrize("projects", [["*"], ["demo"], ["d*"]], ids=["all", "named", "pattern"])
@pytest.mark.parametrize("journal", ["auto", "none"])
def test_an_address_where_there_is_nothing_is_told_and_publishes_nothing(
    world: World, projects: list[str], journal: str, caplog: pytest.LogCaptureFixture
) -> None:
    if journal == "none" and projects != ["demo"]:
        projects = ["demo", "other"]  # wildcards need a journal or a list
    world.up.upload("demo", "1.0")
    world.up.fail("^/", Fault.status(404), times=None)
    world.configure(mirror_projects=projects, upstream_journal=journal)
    for _ in range(2):
        caplog.clear()
        assert world.sync(later=HOUR) == FAILED
        assert world.files() == {}
        told = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        told += [str(world.error)]
        assert any("upstream.simple_url" in line for line in told), told
    world.up.heal()
    assert world.settle() == DONE
    body = world.kills.store.read("demo", JSON)
    assert body is not None and world.listed() == ["demo"]


def put_back(world: World, *names: str) -> None:
    """Let upstream lose its newest entry, so that a person is asked."""
    world.started(*names)
    kept = world.up.snapshot()
    world.up.yank(names[0], "1.0", "bad")
    assert world.sync() == DONE
    world.up.restore(kept)
    while (code := world.sync(later=HOUR)) == PARTIAL:  # a list may be old for an hour
        pass
    assert code == HELD


@pytest.mark.rule("R14")
def test_a_wider_selection_hides_no_upstream_that_was_put_back(world: World) -> None:
    world.up.upload("third", "1.0")
    world.configure(mirror_projects=["d*"])
    put_back(world, "demo")
    world.configure(mirror_projects=["d*", "t*"])
    assert world.sync() == HELD
    assert world.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    assert world.approve() == [JOURNAL]
    assert world.settle() == DONE
    assert world.listed() == ["demo", "third"]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
@pytest.mark.parametrize("journal", ["xmlrpc", "listing"])
def test_an_approval_is_for_the_upstream_that_was_seen(world: World, journal: str) -> None:
    world.configure(upstream_journal=journal)
    world.started("demo", "third")
    kept = world.up.snapshot()
    for _ in range(30):
        world.up.role("third")
    assert world.sync() == DONE
    world.up.restore(kept)
    while (code := world.sync(later=HOUR)) == PARTIAL:
        pass
    assert code == HELD
    hold, files = held(world), world.files()
    serial = world.up.last_serial
    assert f"its newest serial is {serial}; its list lacks 0 of the 2 published" in hold.why
    assert world.approve() == [JOURNAL]
    other(world.served)
    strange = FakeUpstream()
    strange.upload("strange", "1.0")
    world.served.upstream = strange
    assert world.sync() == HELD and world.files() == files
    assert "it was approved, but it ends at serial" in held(world).why
    assert world.sync() == HELD and world.files() == files
    assert "its list lacks 2 of the 2 published projects" in held(world).why
    # The one that was seen is followed, when it is approved again.
    world.served.upstream = world.up
    for _ in range(2):  # the first time the other one may have been seen last
        assert world.approve() in ([JOURNAL], [])
        world.sync()
    with world.state() as state:
        assert state.facts.text("journal_replaced") is None


@pytest.mark.rule("R14")
@pytest.mark.parametrize("journal", ["xmlrpc", "listing"])
def test_after_a_failed_approval_one_more_is_enough(world: World, journal: str) -> None:
    world.configure(upstream_journal=journal)
    put_back(world, "demo", "third")
    assert world.approve() == [JOURNAL]
    strange = FakeUpstream()
    strange.upload("strange", "1.0")
    world.served.upstream = strange
    assert world.sync() == HELD and world.sync() == HELD
    assert f"its newest serial is {strange.last_serial};" in held(world).why
    world.served.upstream = world.up
    assert world.sync() == HELD
    assert f"its newest serial is {world.up.last_serial};" in held(world).why
    assert world.approve() == [JOURNAL]
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_another_upstream_with_more_entries_is_not_the_one_approved(world: World) -> None:
    put_back(world, "demo", "third")
    assert world.approve() == [JOURNAL]
    strange = FakeUpstream()
    for number in range(50):
        strange.upload(f"s{number}", "1.0")
    strange.upload("demo", "1.0")
    strange.upload("third", "1.0")
    world.served.upstream = strange
    files = world.files()
    assert world.sync() == HELD and world.files() == files
    assert "seen when that was approved" in held(world).why


@pytest.mark.rule("R14")
def test_what_goes_on_since_it_was_seen_is_the_same_upstream(world: World) -> None:
    put_back(world, "demo", "third")
    assert world.approve() == [JOURNAL]
    world.up.yank("third", "2.0", "bad")
    world.up.upload("new", "1.0")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_what_was_not_seen_when_it_was_approved_is_held_again(world: World) -> None:
    world.started("demo", "third")
    kept = world.up.snapshot()
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    world.up.restore(kept)
    world.up.fail("^/simple/$", Fault.status(503), None)
    assert world.sync() == HELD
    assert "newest serial" not in held(world).why
    assert world.approve() == [JOURNAL]
    world.up.heal()
    assert world.sync() == HELD
    assert "its list lacks 0 of" in held(world).why
    assert world.approve() == [JOURNAL]
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
@pytest.mark.parametrize("journal", ["xmlrpc", "listing"])
@pytest.mark.parametrize("command", ["sync", "resync"])
def test_what_the_approved_upstream_lacks_is_judged_as_unexplained(
    world: World, second: Served, journal: str, command: str
) -> None:
    world.configure(upstream_journal=journal)
    names = [f"p{number}" for number in range(6)]
    world.started(*names)
    up = other(second, "p0")
    moved(world, second)
    assert world.sync() == HELD
    assert "its list lacks 5 of the 6 published projects" in held(world).why
    assert world.approve() == [JOURNAL]
    world.up = up
    work = getattr(world, command)
    assert work() == PARTIAL
    up.upload("stranger", "10.0")  # a newer list that lacks them, too, explains nothing
    for _ in range(2):
        assert work(later=HOUR) == HELD
    assert world.listed() == [*names, "strange", "stranger"]
    assert world.approve() == names  # of p0 it has other files
    assert work() == DONE
    assert world.listed() == ["p0", "strange", "stranger"]
    assert_equal_to_upstream(world)


def test_the_word_journal_approves_the_journal_alone(world: World) -> None:
    world.started("demo", "journal")
    world.up.doctor = _rehashed
    world.up.raw_row("journal", None, "frobnicate")
    kept = world.up.snapshot()
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == HELD
    world.up.restore(kept)
    assert world.sync() == HELD and world.counts().held == 2
    assert world.approve("journal") == [JOURNAL]
    assert world.sync() == HELD and world.counts().held == 1  # that of the project
    assert "ab" * 32 not in str(world.page("journal"))
    assert world.approve("journal") == ["journal"]  # nothing of the whole mirror is held
    assert world.sync() == DONE and "ab" * 32 in str(world.page("journal"))
    assert world.approve("journal") == []


def _rehashed(page: PageDict) -> PageDict:
    for file in page["files"] if page["name"] == "journal" else ():
        file["hashes"] = {"sha256": "ab" * 32}
    return page


@pytest.mark.parametrize("path", ["nothere/simple/", "nothere/"])
def test_an_address_without_an_index_is_not_followed(world: World, path: str) -> None:
    """Its journal may be the right one all the same: that has an address of its own."""
    world.started("demo", "third")
    address, root = world.served.simple_url, world.served.root_url
    world.configure(upstream_simple_url=f"{root}{path}", upstream_journal_url=f"{root}pypi")
    world.up.yank("demo", "1.0", "bad")
    for _ in range(2):
        assert world.sync() == FAILED
        assert world.mirror is not None and world.mirror.totals.problem is not None
        assert f"{world.served.simple_url} is a package index" in world.mirror.totals.problem
        assert world.yanked("demo")["demo-1.0.tar.gz"] is False
    world.configure(upstream_simple_url=address)
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


def test_what_waits_from_another_address_is_asked_for_at_once(world: World, second: Served) -> None:
    world.started("demo", "third")
    address = world.served.simple_url
    second.upstream = world.up
    moved(world, second)
    world.up.yank("demo", "1.0", "bad")
    world.up.fail("^/simple/demo", Fault.status(500), None)
    for _ in range(4):
        assert world.sync() == PARTIAL
    world.up.heal()
    assert world.sync(later=0.0) == PARTIAL and world.asked == []  # it is not its time
    world.configure(upstream_simple_url=address)
    assert world.sync(later=0.0) == DONE
    assert world.yanked("demo")["demo-1.0.tar.gz"] == "bad"


@pytest.mark.parametrize("journal", ["auto", "none", "of its own"])
def test_a_first_build_from_a_wrong_address_can_be_corrected(world: World, journal: str) -> None:
    for name in ("demo", "third"):
        world.up.upload(name, "1.0")
    address = world.served.simple_url
    world.configure(
        mirror_projects=["demo", "third"],
        upstream_simple_url=f"{world.served.root_url}nothere/simple/",
    )
    if journal == "of its own":
        world.configure(upstream_journal_url=f"{world.served.root_url}pypi")
    else:
        world.configure(upstream_journal=journal)
    assert world.sync() == FAILED and world.files() == {}
    assert world.mirror is not None and world.mirror.totals.problem is not None
    assert f"{address} is a package index" in world.mirror.totals.problem
    assert "mirror.projects" not in world.mirror.totals.problem
    world.configure(upstream_simple_url=address)
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


def test_what_is_no_list_blames_the_address(world: World) -> None:
    world.up.upload("demo", "1.0")
    world.up.xmlrpc_status = 404
    world.configure(upstream_simple_url=f"{world.served.simple_url}demo/")
    assert world.sync() == FAILED
    assert world.mirror is not None and world.mirror.totals.problem is not None
    assert f"{world.served.simple_url} is a package index" in world.mirror.totals.problem
