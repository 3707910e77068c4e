"""Passes whose output is full or read-only: what upstream withdraws goes all the same."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.passes.package_files.copied_mirror import copies, links
from tests.support.fake_index.faults import Fault
from tests.support.fake_index.http_server import Served
from tests.support.system.audited_calls import audited
from tests.support.world import DONE, FAILED, PARTIAL, World
from yanksync.cli.display.why_lines import why_lines
from yanksync.cli.reports.check import CRITICAL, WARNING, Limits, problems
from yanksync.config.load import load
from yanksync.core import layout
from yanksync.core.names import NormalizedName
from yanksync.output.comparison import Finding, FindingKind
from yanksync.reports.why.judgement import judge
from yanksync.reports.why.read import read_report
from yanksync.state.views.status import Status, status_of
from yanksync.sync.policy.explain import offering
from yanksync.verify.check import verify_output

FORMS = ("index.html", "index.v1_html", "index.v1_json")
ONE, TWO = "demo-1.0.tar.gz", "demo-2.0.tar.gz"


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    flags = {"mirror_files": "copy", "files_withheld": str(tmp_path / "withheld")}
    return World(served, tmp_path, disk=True, **flags).started("demo", "other")


@contextmanager
def full(mirror: World, *also: tuple[str, str], error: int = errno.ENOSPC) -> Iterator[None]:
    """Let no page be written, and the calls ``also`` fail, while this is open."""
    with audited(mirror.where) as audit:
        for form in FORMS:
            audit.refuse("open", layout.temporary_name(form), error)
        for event, name in also:
            audit.refuse(event, name, error)
        yield


def status(mirror: World) -> Status:
    with mirror.state() as state:
        return status_of(state, mirror.clock.now())


def critical(mirror: World) -> list[str]:
    settings = load(mirror.config, {}, **mirror.flags)
    found = problems(status(mirror), settings, Limits(lag=1e9), mirror.clock.now())
    return [one.text for one in found if one.level == CRITICAL]


def warnings(mirror: World) -> list[str]:
    settings = load(mirror.config, {}, **mirror.flags)
    found = problems(status(mirror), settings, Limits(lag=1e9), mirror.clock.now())
    return [one.text for one in found if one.level == WARNING]


def why(mirror: World) -> str:
    with mirror.state() as state:
        settings = load(mirror.config, {}, **mirror.flags)
        name = NormalizedName("demo")
        found = read_report(state, settings, name, None, lambda row: offering(state, row))
        assert found is not None
        return "\n".join(why_lines(found, judge(found)))


def verified(mirror: World) -> tuple[int, list[FindingKind]]:
    found: list[Finding] = []
    code = mirror.work(lambda mirror: verify_output(mirror, found.append)[1], later=0.0)
    return code, [one.kind for one in found]


def page(mirror: World, name: str = "demo") -> list[str]:
    place = mirror.where / "out/simple" / name
    return sorted(one.name for one in place.iterdir()) if place.exists() else []


def test_a_quarantine_needs_no_room(mirror: World) -> None:
    with full(mirror):
        mirror.up.upload("other", "3.0")
        assert mirror.sync() == FAILED
        assert critical(mirror) == []  # an upload can wait
        mirror.up.quarantine_project("demo")  # behind a page that cannot be written
        assert mirror.sync() == FAILED
        assert page(mirror) == []
        assert [name for name in copies(mirror) if name.startswith("demo")] == []
        assert page(mirror, "other") == sorted(FORMS)
        (told,) = status(mirror).withdrawals
        assert "demo was quarantined by upstream at 20" in str(told)
        assert "its page was removed, and the new one cannot be written: No space" in str(told)
        assert critical(mirror)[0] == str(told)
        assert verified(mirror)[0] == FAILED
    assert mirror.settle() == DONE
    assert (page(mirror), links(mirror)) == (sorted(FORMS), {})
    assert verified(mirror) == (DONE, [])
    assert status(mirror).withdrawals == ()
    mirror.up.clear_project_quarantine("demo")
    assert mirror.settle() == DONE
    assert sorted(links(mirror)) == [ONE, TWO] and ONE in copies(mirror)


def test_a_removed_project_needs_no_room(mirror: World) -> None:
    with full(mirror):
        mirror.up.upload("other", "3.0")
        mirror.up.remove_project("demo")
        assert mirror.sync() == FAILED
        assert page(mirror) == []
        assert ONE not in copies(mirror) and "other-1.0.tar.gz" in copies(mirror)


def test_a_removed_file_is_not_served_although_its_page_names_it(mirror: World) -> None:
    with full(mirror):
        mirror.up.remove_release("demo", "1.0")
        assert mirror.sync() == FAILED
        assert sorted(links(mirror)) == [ONE, TWO]
        assert ONE not in copies(mirror) and TWO in copies(mirror)
        assert [path.name for path in (mirror.where / "withheld").rglob("*.gz")] == [ONE]
        assert "demo 1.0 was removed by upstream at 20" in critical(mirror)[0]
        assert verified(mirror) == (FAILED, [FindingKind.WITHDRAWN])
    assert mirror.settle() == DONE
    assert sorted(links(mirror)) == [TWO]
    assert verified(mirror) == (DONE, [])


def test_a_withdrawn_file_that_there_is_no_room_to_keep_is_deleted(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    with full(mirror, ("os.rename", ONE)):
        mirror.up.remove_release("demo", "1.0")
        assert mirror.sync() == FAILED
        assert ONE not in copies(mirror)
        assert f"{ONE}: deleted, as there is no room to keep it out of service" in caplog.text
    assert mirror.settle() == DONE
    assert verified(mirror) == (DONE, [])


def test_what_a_read_only_output_still_serves_is_told(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    fixed = [("os.remove", form) for form in FORMS] + [("os.rename", one) for one in (ONE, TWO)]
    with full(mirror, *fixed, error=errno.EROFS):
        mirror.up.quarantine_project("demo")
        assert mirror.sync() == FAILED
        assert page(mirror) == sorted(FORMS) and ONE in copies(mirror)
        (told,) = status(mirror).withdrawals
        assert told.files == 2 and "mount mirror.output writable" in told.problem
        assert (
            "; its page cannot be changed, and 2 of its files are still served: Read-only"
            in str(told)
        )
        assert str(told) in critical(mirror) and str(told) in caplog.text
        assert FindingKind.WITHDRAWN in verified(mirror)[1]
    assert mirror.settle() == DONE
    assert links(mirror) == {} and ONE not in copies(mirror)


@pytest.fixture
def plain(served: Served, tmp_path: Path) -> World:
    """A mirror of an upstream that lacks serials and a journal."""
    flags = {"mirror_files": "copy", "mirror_projects": ["demo", "other"]}
    world = World(served, tmp_path, disk=True, **flags)
    world.up.page_serials = world.up.list_serials = False
    world.up.xmlrpc_status = 404
    return world.started("demo", "other")


def told(world: World) -> list[tuple[str, str | None, str]]:
    return [(one.project, one.version, one.action) for one in status(world).withdrawals]


def test_without_serials_a_yanked_release_is_named(plain: World) -> None:
    plain.up.yank("demo", "2.0", "before")
    assert plain.settle() == DONE
    with full(plain):
        plain.up.yank("demo", "1.0", "broken")
        plain.up.upload("other", "3.0")
        assert plain.sync() == FAILED
        assert told(plain) == [("demo", "1.0", "yanked")]
        assert "demo 1.0 was yanked by upstream at 20" in critical(plain)[0]
        assert FindingKind.WITHDRAWN in verified(plain)[1]
    assert plain.settle() == DONE
    assert told(plain) == [] and verified(plain) == (DONE, [])
    with full(plain):
        plain.up.upload("demo", "3.0")
        assert plain.sync() == FAILED
        assert told(plain) == []  # the yank is published


def test_without_serials_a_removed_release_is_named(plain: World) -> None:
    with full(plain):
        plain.up.remove_release("demo", "1.0")
        assert plain.sync() == PARTIAL  # nothing explains the loss: it is to be seen again
        assert told(plain) == []
        assert plain.sync(later=3600) == FAILED
        assert told(plain) == [("demo", "1.0", "removed")]
        assert ONE not in copies(plain) and TWO in copies(plain)
    assert plain.settle() == DONE
    assert (told(plain), sorted(links(plain))) == ([], [TWO])


@pytest.mark.parametrize("kind", ["mirror", "plain"])
def test_a_removed_file_is_named(request: pytest.FixtureRequest, kind: str) -> None:
    world: World = request.getfixturevalue(kind)
    wheel = "demo-1.0-py3-none-any.whl"
    world.up.upload("demo", "1.0", wheel)
    assert world.settle() == DONE
    world.up.remove_file("demo", wheel)
    with full(world):
        for _ in range(3):
            world.sync(later=3600)
        (one,) = status(world).withdrawals
        assert (one.version, one.file, one.action) == ("1.0", wheel, "removed")
        assert f"demo 1.0: {wheel} was removed by upstream at 20" in str(one)


def test_an_unmoved_file_is_critical(mirror: World) -> None:
    with audited(mirror.where) as audit:
        audit.refuse("os.rename", ONE, errno.EACCES)
        mirror.up.remove_release("demo", "1.0")
        assert mirror.sync() == FAILED
    assert sorted(links(mirror)) == [TWO] and ONE in copies(mirror)
    (told,) = status(mirror).withdrawals
    assert (told.project, told.action, told.files) == ("demo", "withdrawn", 1)
    assert critical(mirror) == [str(told)]
    assert mirror.settle() == DONE
    assert ONE not in copies(mirror) and critical(mirror) == []


def test_a_pass_that_could_not_write_is_a_warning(mirror: World) -> None:
    assert warnings(mirror) == []
    place = mirror.where / "out/packages/.incoming"
    place.write_text("in the way")
    assert mirror.sync() == FAILED
    (text,) = warnings(mirror)
    assert text.startswith("the newest pass could not write the output: ") and ".incoming" in text
    place.unlink()
    assert mirror.sync() == DONE
    assert warnings(mirror) == []


def test_an_outage_is_no_such_warning(mirror: World) -> None:
    mirror.up.fail("", Fault.status(503), times=None)
    assert mirror.sync() in (FAILED, PARTIAL)
    assert warnings(mirror) == []


def test_files_that_wait_for_room_are_a_warning(mirror: World) -> None:
    mirror.configure(files_budget="1")
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == PARTIAL
    assert warnings(mirror) == ["1 package files wait to be copied: files.budget is reached"]
    mirror.configure(files_budget="0")
    assert mirror.settle() == DONE
    assert warnings(mirror) == []


def test_why_does_not_say_that_an_unpublished_quarantine_is_in_force(mirror: World) -> None:
    fixed = [("os.remove", form) for form in FORMS] + [("os.rename", one) for one in (ONE, TWO)]
    with full(mirror, *fixed, error=errno.EROFS):
        mirror.up.quarantine_project("demo")
        assert mirror.sync() == FAILED
        shown = why(mirror)
        assert "; the output does not have that yet" in " ".join(shown.split())
        assert "Offered now\n  the page before this one, until" in shown
    assert mirror.settle() == DONE
    shown = why(mirror)
    assert "does not have that yet" not in shown and "the page before" not in shown
