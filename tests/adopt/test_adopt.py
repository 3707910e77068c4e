"""Moving over: a tree that another mirror made is taken over in place, and then only followed."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.dying_store import Killed
from tests.support.fake_index.faults import Fault
from tests.support.foreign_trees import Tree
from tests.support.page_assertions import HTML, JSON, assert_equal_to_upstream
from tests.support.world import DAY, DONE, FAILED, HELD, HOUR, PARTIAL, World
from yanksync.adopt.results import AdoptOutcome
from yanksync.output.comparison import DIFFERENCES, Finding
from yanksync.output.comparison import FindingKind as KindOf
from yanksync.output.published_serials import LARGEST
from yanksync.verify.check import verify_output
from yanksync.verify.repair import repair_output


def filled(disk: World, *names: str) -> Tree:
    """Give upstream these projects, of two releases, and return a tree to be made of them."""
    for name in names or ("demo", "other", "third"):
        disk.up.upload(name, "1.0", requires_python=">=3.8")
        disk.up.upload(name, "2.0")
    return Tree(disk.up, disk.where / "out")


def became(disk: World) -> dict[str, str]:
    return {fate.path: fate.kind.value for fate in disk.fates}


def why(disk: World, name: str) -> str | None:
    (fate,) = [fate for fate in disk.fates if fate.project == name]
    return fate.detail


@pytest.mark.parametrize("root", [None, "../.."])
@pytest.mark.parametrize("linked", [False, True])
def test_right_pages_are_taken_over_and_never_asked_for(
    disk: World, root: str | None, linked: bool
) -> None:
    names = [f"p{number:02}" for number in range(60)]
    tree = filled(disk, *names)
    tree.root, tree.linked = root, linked
    tree.make()
    assert disk.adopt() == DONE
    assert {*became(disk).values()} == {"rewritten"} and len(disk.fates) == 60
    assert len(disk.asked) == 20  # the sample
    assert disk.sync() == DONE
    assert disk.asked == []
    assert_equal_to_upstream(disk)
    disk.up.yank("p07", "1.0", "bad")
    assert disk.sync() == DONE
    assert disk.asked == ["p07"]
    assert_equal_to_upstream(disk)
    assert disk.told() == [(disk.up.last_serial, "yank", "bad")]


def test_relative_links_that_lead_elsewhere_are_no_use(disk: World) -> None:
    tree = filled(disk)
    tree.root = "../../files"
    tree.make()
    assert disk.adopt() == DONE
    assert {*became(disk).values()} == {"fetch"}
    assert why(disk, "demo") == "its links do not lead to upstream's files"
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


def test_a_tree_of_our_own_is_not_written_again(disk: World) -> None:
    tree = filled(disk)
    disk.up.yank("demo", "1.0", "bad")
    disk.up.yank("other", "1.0")
    assert disk.sync() == DONE
    disk.lose_state()
    before = disk.stamps()
    assert disk.adopt() == DONE
    assert became(disk) == {f"simple/{name}/": "kept" for name in ("demo", "other", "third")}
    assert disk.stamps() == before
    (tree.simple / "demo" / f"{JSON}.gz").unlink()
    assert disk.sync() == DONE and disk.asked == []
    after = disk.stamps()
    assert all(after[path] == before[path] for path in after if path.count("/") == 2)


def test_what_is_missing_or_stale_beside_a_page_is_made_right(disk: World) -> None:
    tree = filled(disk)
    assert disk.sync() == DONE
    disk.lose_state()
    (tree.simple / "demo" / f"{JSON}.gz").write_bytes(b"stale")
    (tree.simple / "other" / f"{HTML}.gz").unlink()
    before = disk.stamps()
    assert disk.adopt() == DONE
    assert became(disk) == {
        "simple/demo/": "rewritten",
        "simple/other/": "rewritten",
        "simple/third/": "kept",
    }
    assert disk.sync() == DONE and disk.asked == []
    assert_equal_to_upstream(disk)
    after = disk.stamps()
    assert all(after[path] == before[path] for path in before if "/third/" in path)


def test_a_dry_run_changes_nothing(disk: World) -> None:
    tree = filled(disk)
    tree.make("demo", "other")
    disk.up.yank("other", "1.0", "bad")
    before, content = disk.stamps(), disk.files()
    assert disk.adopt(rehearse=True) == DONE
    said = disk.fates
    assert became(disk) == {
        "simple/demo/": "rewritten",
        "simple/other/": "fetch",
        "simple/third/": "missing",
    }
    assert (disk.stamps(), disk.files()) == (before, content)
    assert disk.cursor() is None and disk.counts() == (0, 0, 0, 0)
    assert disk.adopt() == DONE
    assert disk.fates == said


def test_a_page_that_is_not_right_is_fetched(disk: World) -> None:
    names = ["lost", "none", "old", "html", "bare", "broken", "elsewhere", "poor", "right", "named"]
    names.append("empty")
    tree = filled(disk, *names)
    disk.up.yank("lost", "1.0", "why")
    disk.up.yank("none", "1.0")
    tree.make()
    disk.up.yank("old", "1.0", "bad")
    (tree.simple / "html" / JSON).unlink()
    change(tree, "bare", lambda page: page["meta"].pop("_last-serial"))
    (tree.simple / "broken" / JSON).write_text("{")
    change(tree, "elsewhere", lambda page: page["files"][0].update(url=moved(page)))
    change(tree, "poor", lambda page: page["files"][0].update({"upload-time": ""}))
    change(tree, "named", lambda page: page.update(name="other"))
    change(tree, "empty", lambda page: page.update(files=[], versions=[]))
    assert disk.adopt() == DONE
    assert {name: became(disk)[f"simple/{name}/"] for name in names} == {
        name: "rewritten" if name in ("right", "none") else "fetch" for name in names
    }
    assert why(disk, "lost") == "a yank's reason is lost"
    assert str(why(disk, "old")).startswith("it is at serial")
    assert why(disk, "html") == "it has no JSON form"
    assert why(disk, "empty") == "it has no files"
    assert why(disk, "bare") == "it has no serial"
    assert why(disk, "elsewhere") == "its links do not lead to upstream's files"
    assert why(disk, "poor") == "size, time or hash of a file are missing"
    assert disk.sync() == DONE
    assert disk.asked == sorted({*names} - {"right", "none"})
    assert_equal_to_upstream(disk)


def change(tree: Tree, name: str, how: object) -> None:
    path = tree.simple / name / JSON
    page = json.loads(path.read_text())
    assert callable(how)
    how(page)
    path.write_text(json.dumps(page))


def moved(page: dict[str, list[dict[str, str]]]) -> str:
    return "https://mirror.example/packages/" + page["files"][0]["filename"]


def test_a_reason_is_lost_unless_html_of_the_same_serial_says_that_there_was_none(
    disk: World,
) -> None:
    names = ("torn", "gone", "right")
    tree = filled(disk, *names)
    for name in names:
        disk.up.yank(name, "1.0")
    tree.make()
    html = (tree.simple / "torn" / HTML).read_text()
    (tree.simple / "torn" / HTML).write_text(re.sub(r"SERIAL \d+", "SERIAL 1", html))
    (tree.simple / "gone" / HTML).write_bytes(b"\xff")
    assert disk.adopt() == DONE
    assert became(disk)["simple/right/"] == "rewritten"
    assert why(disk, "torn") == why(disk, "gone") == "a yank's reason is lost"
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("wrong", ["hash", "yank", "file"])
def test_a_tree_that_the_sample_finds_wrong_is_fetched_whole(
    disk: World, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    tree = filled(disk)
    disk.up.yank("demo", "1.0", "bad")
    tree.make()
    effects = {
        "hash": lambda page: page["files"][0]["hashes"].update(sha256="ab" * 32),
        "yank": lambda page: [file.update(yanked=False) for file in page["files"]],
        "file": lambda page: page["files"].pop(),
    }
    change(tree, "demo", effects[wrong])
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"fetch": 3}
    assert "no page of the tree is trusted: demo: " in caplog.text
    if wrong == "hash":  # as wherever a published file gets another one
        assert disk.sync() == HELD
        assert disk.approve() == ["demo"]
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


def test_what_upstream_says_and_the_tree_does_not_comes_with_the_sweep(disk: World) -> None:
    disk.up.upload("demo", "1.0", core_metadata=b"Name: demo\n", provenance="https://a.example/p")
    tree = filled(disk, "other")
    disk.up.archive("other")
    tree.make()
    assert disk.adopt() == DONE
    assert disk.lacks == ("core-metadata", "project-status", "provenance")
    assert {*became(disk).values()} == {"rewritten"}
    disk.sync()
    while disk.sync(later=DAY) == DONE and disk.asked:
        pass
    assert_equal_to_upstream(disk)
    assert disk.told() == []


def test_deleted_projects_go_and_quarantined_ones_lose_their_files(disk: World) -> None:
    tree = filled(disk, "demo", "gone", "bad")
    tree.make()
    disk.up.remove_project("gone")
    disk.up.quarantine_project("bad")
    assert disk.adopt() == DONE
    assert became(disk)["simple/gone/"] == became(disk)["simple/bad/"] == "gone"
    assert disk.page("gone") is not None
    assert disk.sync() == DONE
    assert disk.page("gone") is None
    page = disk.page("bad")
    assert page is not None and page["files"] == []
    assert_equal_to_upstream(disk)
    assert disk.listed() == ["demo"]


def test_thousands_of_deleted_projects_wait_for_a_person(disk: World) -> None:
    gone = [f"gone{number:03}" for number in range(101)]
    tree = filled(disk, "demo", "bad", *gone)
    tree.make()
    for name in gone:
        disk.up.remove_project(name)
    disk.up.quarantine_project("bad")
    assert disk.adopt() == DONE
    assert Counter(became(disk).values())["gone"] == 102
    assert disk.sync() == HELD
    page = disk.page("bad")
    assert page is not None and page["files"] == []  # a guard never holds a quarantine
    assert disk.counts().held == 101 and disk.page("gone000") is not None
    assert disk.sync() == HELD
    assert len(disk.approve()) == 101
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)
    assert disk.told() == []


@pytest.mark.parametrize("gone", [5, 101])
def test_a_tree_of_html_alone_lets_go_what_upstream_did(disk: World, gone: int) -> None:
    names = [f"p{number:03}" for number in range(gone)]
    tree = filled(disk, "demo", "other", *names)
    tree.make()
    for path in tree.simple.rglob(f"*/{JSON}"):
        path.unlink()
    for name in names:
        disk.up.remove_project(name)
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"fetch": 2, "gone": gone}
    disk.up.fail("^/simple/other/", Fault.status(503), None)
    assert disk.sync() == (HELD if gone > 100 else PARTIAL)  # the list explains them
    assert disk.listed() == sorted(["demo", "other", *(names if gone > 100 else ())])
    found: list[Finding] = []
    assert disk.work(lambda mirror: verify_output(mirror, found.append)[1]) == FAILED
    assert {one.path for one in found if one.kind in DIFFERENCES} == {"simple/other/"}
    disk.up.heal()
    disk.approve()
    assert disk.sync(later=HOUR) == DONE
    assert_equal_to_upstream(disk)
    assert disk.told() == []


def test_empty_directories_are_what_a_run_that_died_has_left(disk: World) -> None:
    tree = filled(disk)
    tree.make("demo")
    for name in ("other", *(f"gone{number}" for number in range(5))):
        (tree.simple / name).mkdir()
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"rewritten": 1, "fetch": 1, "missing": 1, "gone": 5}
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)
    assert not list(tree.simple.glob("gone*"))


def _directory(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _huge(path: Path) -> None:
    path.write_bytes(b"{")
    os.truncate(path, LARGEST + 1)


@pytest.mark.parametrize("form", [JSON, HTML])
@pytest.mark.parametrize("make", [_directory, _pipe, _huge])
def test_what_is_no_page_keeps_nobody_waiting(
    disk: World, form: str, make: Callable[[Path], None]
) -> None:
    tree = filled(disk)
    disk.up.yank("demo", "1.0")
    tree.make()
    (tree.simple / "demo" / form).unlink()
    make(tree.simple / "demo" / form)
    assert disk.adopt() == DONE
    said = "a yank's reason is lost" if form == HTML else "it has no JSON form"
    assert why(disk, "demo") == ("is larger than any page" if make is _huge else said)
    assert Counter(became(disk).values()) == {"fetch": 1, "rewritten": 2}
    for reason in ("bad", "worse"):
        disk.up.yank("other", "1.0", reason)
        assert disk.sync(later=HOUR) == (FAILED if make is _directory else DONE)
        assert disk.yanked("other")["other-1.0.tar.gz"] == reason
    if make is _directory:
        assert disk.counts().unpublished == 1
        (tree.simple / "demo" / form).rmdir()
        assert disk.sync(later=HOUR) == DONE
    assert_equal_to_upstream(disk)


def test_pages_that_cannot_be_read_keep_nobody_waiting(disk: World) -> None:
    names = [f"p{number}" for number in range(6)]
    tree = filled(disk, "demo", "gone", *names)
    tree.make()
    disk.up.remove_project("gone")
    for name in ("gone", *names):
        (tree.simple / name / JSON).unlink()
        (tree.simple / name / JSON).symlink_to(JSON)
    assert disk.adopt() == DONE
    assert Counter(became(disk).values())["fetch"] == 6
    assert why(disk, "p0") == "Too many levels of symbolic links"
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == FAILED
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    assert disk.counts() == (0, 6, 0, 0) and disk.page("gone") is None
    for name in names:
        (tree.simple / name / JSON).unlink()
    assert disk.sync(later=HOUR) == DONE
    assert_equal_to_upstream(disk)


def test_a_few_of_many_are_asked_for_without_the_list(disk: World) -> None:
    tree = filled(disk, "demo", "other")
    tree.make()
    for number in range(1000):
        (tree.simple / f"p{number}").mkdir()
        (tree.simple / f"p{number}" / JSON).write_text("{}")
    disk.configure(mirror_projects=["demo", "other"])
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"fetch": 2, "left-out": 1000}


def test_a_project_that_was_deleted_and_returned_is_there(disk: World) -> None:
    tree = filled(disk, "demo", "back")
    tree.make()
    disk.up.remove_project("back")
    assert disk.adopt() == DONE
    disk.up.upload("back", "3.0")
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


def test_what_happens_after_the_list_was_read_is_read_from_the_journal(disk: World) -> None:
    tree = filled(disk, "demo", "other", "gone")
    tree.make()
    serial = disk.up.last_serial
    assert disk.adopt() == DONE
    assert disk.cursor() == serial
    disk.up.yank("demo", "1.0", "bad")
    disk.up.remove_project("gone")
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)
    assert [row[1] for row in disk.told()] == ["yank", "remove"]


def test_a_list_older_than_the_journal_hides_nothing(disk: World) -> None:
    tree = filled(disk, "demo", "other")
    disk.up.freeze_list()
    disk.up.yank("demo", "1.0", "bad")
    disk.up.yank("other", "1.0", "worse")
    tree.make("demo")  # as a mirror has it that read the journal meanwhile
    assert disk.adopt() == DONE
    assert str(why(disk, "demo")).startswith("it is at serial")
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


def test_what_is_not_ours_is_told_and_left_alone(disk: World) -> None:
    tree = filled(disk)
    tree.make()
    out = disk.where / "out"
    kept = ["todo", "json/demo", "packages/aa/x.whl", "simple/notes.txt", "simple/Foo_Bar/" + HTML]
    kept += ["simple/demo/versions/old.html", "simple/empty/readme"]
    for path in kept:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text("theirs")
    assert disk.adopt() == DONE
    foreign = {fate.path for fate in disk.fates if fate.kind is AdoptOutcome.FOREIGN}
    assert foreign == {
        "todo",
        "json/",
        "packages/",
        "simple/notes.txt",
        "simple/Foo_Bar/",
        "simple/demo/versions",
        "simple/empty/",
    }
    disk.up.remove_project("third")
    assert disk.sync() == DONE and disk.sync() == DONE
    assert all((out / path).read_text() == "theirs" for path in kept)
    assert disk.listed() == ["demo", "other"]


def test_what_the_configuration_leaves_out_goes_within_the_guards(disk: World) -> None:
    names = [f"x{number}" for number in range(5)]
    tree = filled(disk, "demo", *names)
    tree.make()
    disk.configure(mirror_projects=["demo"])
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"fetch": 1, "left-out": 5}
    assert disk.sync() == HELD
    assert disk.counts().held == 5
    disk.approve()
    assert disk.sync() == DONE
    assert {path.name for path in tree.simple.iterdir() if path.is_dir()} == {"demo"}


@pytest.mark.parametrize("then", ["adopt", "sync"])
@pytest.mark.parametrize(("at", "after"), [(0, False), (1, False), (1, True)])
def test_an_adoption_that_died_is_carried_on(disk: World, then: str, at: int, after: bool) -> None:
    names = [f"p{number:03}" for number in range(450)]
    tree = filled(disk, *names)
    tree.make(*names[:-1])
    disk.up.yank("p003", "1.0", "bad")
    for number in range(4, 400, 9):
        disk.up.remove_project(f"p{number:03}")
    for number in range(5, 400, 90):
        disk.up.quarantine_project(f"p{number:03}")
    disk.kills.at, disk.kills.after = at, after
    with pytest.raises(Killed):
        disk.adopt()
    if then == "adopt":
        assert disk.adopt() == DONE
        assert "taken over before" in {fate.detail for fate in disk.fates}
        assert Counter(became(disk).values())["gone"] == 49
    assert disk.sync(later=HOUR) == DONE
    assert_equal_to_upstream(disk)
    assert disk.told() == []
    assert disk.adopt() == FAILED
    assert disk.error is not None and "only an empty state can adopt a tree" in disk.error


def test_an_adoption_needs_upstream_and_goes_on_when_it_is_back(disk: World) -> None:
    tree = filled(disk)
    tree.make()
    before = disk.stamps()
    disk.up.fail("^/simple/[a-z]", Fault.status(503), None)
    assert disk.adopt() == FAILED
    assert disk.error is not None and "503" in disk.error
    assert disk.stamps() == before
    disk.up.heal()
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"rewritten": 3}
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


def test_a_list_of_serials_will_do_instead_of_a_journal(disk: World) -> None:
    disk.configure(upstream_journal="listing")
    tree = filled(disk, "demo", "other", "gone")
    tree.make()
    disk.up.yank("demo", "1.0", "bad")
    disk.up.remove_project("gone")
    assert disk.adopt() == DONE
    assert became(disk) == {
        "simple/demo/": "fetch",
        "simple/other/": "rewritten",
        "simple/gone/": "gone",
    }
    assert disk.sync() == DONE
    assert disk.asked == ["demo", "gone"]
    assert_equal_to_upstream(disk)


def test_without_serials_every_page_is_fetched(disk: World) -> None:
    disk.configure(upstream_journal="none", mirror_projects=["demo", "other"])
    tree = filled(disk, "demo", "other")
    tree.make()
    assert disk.adopt() == DONE
    assert why(disk, "demo") == "upstream's list has no serial of it"
    assert disk.sync() == DONE
    assert disk.asked == ["demo", "other"]
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("journal", ["xmlrpc", "listing"])
def test_a_tree_of_another_upstream_is_refused(disk: World, journal: str) -> None:
    disk.configure(upstream_journal=journal)
    tree = filled(disk)
    tree.make()
    tree.list(10_000)
    before = disk.stamps()
    assert disk.adopt() == FAILED
    assert disk.error is not None and "made of another upstream" in disk.error
    assert disk.stamps() == before


def test_a_state_in_use_adopts_nothing(disk: World) -> None:
    filled(disk)
    assert disk.sync() == DONE
    assert disk.adopt() == FAILED
    assert disk.error is not None and "only an empty state can adopt a tree" in disk.error


def test_what_is_no_tree_is_refused(disk: World) -> None:
    tree = filled(disk)
    assert disk.adopt() == FAILED
    assert disk.error is not None and "no directory 'simple'" in disk.error
    tree.make("demo")
    (tree.simple / "d").mkdir()
    (tree.simple / "demo").rename(tree.simple / "d/demo")
    assert disk.adopt() == FAILED
    assert disk.error is not None and "hash-index" in disk.error
    assert disk.cursor() is None


def test_pages_of_ours_that_leave_yanked_files_out_are_fetched(disk: World) -> None:
    disk.configure(mirror_yanked="omit")
    filled(disk)
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    disk.lose_state()
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"fetch": 3}
    assert disk.sync() == DONE
    disk.configure(mirror_yanked="mark")
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


def test_what_pages_of_ours_may_leave_out_no_sample_finds(disk: World) -> None:
    disk.configure(mirror_yanked="omit")
    filled(disk)
    assert disk.sync() == DONE
    disk.lose_state()
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"fetch": 3}
    assert why(disk, "demo") == "its yanked files have been left out, if it has any"


def test_pages_of_others_are_taken_over_and_their_yanked_files_left_out(disk: World) -> None:
    disk.configure(mirror_yanked="omit")
    tree = filled(disk)
    disk.up.yank("demo", "1.0")
    tree.make()
    assert disk.adopt() == DONE
    assert Counter(became(disk).values()) == {"rewritten": 3}
    assert disk.sync() == DONE
    assert disk.asked == []
    assert_equal_to_upstream(disk)


def test_a_list_that_stands_is_not_cut_short_by_a_pass_that_fails(disk: World) -> None:
    tree = filled(disk, *(f"p{number}" for number in range(30)))
    tree.root = "https://mirror.example"  # so nothing is taken over
    tree.make()
    assert disk.adopt() == DONE
    disk.up.fail("^/simple/p2", Fault.status(503), None)
    assert disk.sync() in (FAILED, PARTIAL)
    assert len(disk.listed()) == 30
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_verify_between_adopt_and_sync_removes_nothing(disk: World) -> None:
    tree = filled(disk, "demo", "gone", "old")
    tree.make()
    disk.up.yank("old", "1.0", "bad")
    disk.up.remove_project("gone")
    assert disk.adopt() == DONE
    found: list[Finding] = []
    assert disk.work(lambda mirror: verify_output(mirror, found.append)[1]) == FAILED
    assert {(one.kind.value, one.path) for one in found if one.kind is not KindOf.UNPUBLISHED} == {
        ("extra", "simple/old/"),
        ("extra", "simple/gone/"),
    }
    assert (
        disk.work(lambda mirror: repair_output(mirror, lambda one, _: found.append(one))[1]) == DONE
    )  # which is a pass
    assert_equal_to_upstream(disk)


def test_a_fate_is_told_once(disk: World) -> None:
    tree = filled(disk)
    tree.make()
    assert disk.adopt() == DONE
    assert len({fate.path for fate in disk.fates}) == len(disk.fates) == 3
