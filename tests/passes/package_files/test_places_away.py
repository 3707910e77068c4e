"""Directories of package files that are away for a while, as when they are not mounted."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.passes.package_files.copied_mirror import copies, links
from tests.support.dying_store import Killed
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.system.audited_calls import audited
from tests.support.world import DAY, DONE, FAILED, PARTIAL, World
from yanksync.config.load import load
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.copies import CopyStatus
from yanksync.mirror.context import Mirror
from yanksync.output.comparison import Finding, FindingKind
from yanksync.state.views.status import status_of
from yanksync.sync.package_files.restore import find_restorable, restore
from yanksync.sync.policy.forget import forget
from yanksync.verify.check import verify_output
from yanksync.verify.repair import repair_output

ONE, TWO = "demo-1.0.tar.gz", "demo-2.0.tar.gz"
DEMO = [ONE, TWO]


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    flags = {"mirror_files": "copy", "files_withheld": str(tmp_path / "withheld")}
    return World(served, tmp_path, disk=True, **flags).started("demo", "other")


@contextmanager
def away(mirror: World, place: str) -> Iterator[None]:
    """Take a directory away while this is open; drop what was made in its place."""
    path, elsewhere = mirror.where / place, mirror.where / "elsewhere"
    path.rename(elsewhere)
    try:
        yield
    finally:
        if path.exists():
            path.rename(mirror.where / "hidden by the mount")
        elsewhere.rename(path)


def forgotten(mirror: World, *names: str) -> ExitCode:
    def work(opened: Mirror) -> ExitCode:
        forget(opened, [NormalizedName(name) for name in names])
        return DONE

    return mirror.work(work)


def withheld(mirror: World) -> list[str]:
    return sorted(path.name for path in (mirror.where / "withheld").rglob("*.gz"))


def served(mirror: World, name: str = "demo") -> list[str]:
    return [one for one in copies(mirror) if one.startswith(name)]


def verified(mirror: World) -> list[tuple[FindingKind, str]]:
    found: list[Finding] = []
    mirror.work(lambda opened: verify_output(opened, found.append)[1], later=0.0)
    return sorted((one.kind, one.path.rpartition("/")[2]) for one in found)


def repaired(mirror: World) -> ExitCode:
    return mirror.work(lambda opened: repair_output(opened, lambda *_: None)[1], later=0.0)


def restored(mirror: World, *names: str) -> dict[str, str | None]:
    settings = load(None, {}, **mirror.flags)
    with mirror.state() as state:
        found = find_restorable(state, settings, names, force=False)
        restore(state, found)
    return {one.copy.file.filename: one.refused for one in found}


@pytest.mark.parametrize("place", ["withheld", "out/packages", "out"])
def test_a_project_is_not_forgotten_while_its_files_are_away(mirror: World, place: str) -> None:
    if place == "withheld":
        mirror.up.quarantine_project("demo")
        assert mirror.sync() == DONE
        assert withheld(mirror) == DEMO
    with away(mirror, place):
        assert forgotten(mirror, "demo") == FAILED
        assert mirror.error is not None and "forgotten yet" in mirror.error
        with mirror.state() as state:
            assert state.forgotten.unfinished() == ["demo"]
    assert mirror.sync() == DONE
    assert (served(mirror), withheld(mirror), mirror.page("demo")) == ([], [], None)
    with mirror.state() as state:
        assert state.forgotten.unfinished() == []
    assert mirror.listed() == ["other"]


def test_a_project_whose_files_were_deleted_is_forgotten_after_a_repair(mirror: World) -> None:
    mirror.up.quarantine_project("demo")
    assert mirror.sync() == DONE
    (mirror.where / "withheld").rename(mirror.where / "deleted")
    assert forgotten(mirror, "demo") == FAILED
    assert mirror.error is not None and "'yanksync verify --repair'" in mirror.error
    assert repaired(mirror) == DONE
    assert mirror.sync() == DONE
    with mirror.state() as state:
        assert state.forgotten.unfinished() == []


def test_a_quarantine_waits_for_files_that_are_away(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    with away(mirror, "out/packages"):
        mirror.up.quarantine_project("demo")
        assert mirror.sync() == PARTIAL
        assert "2 package files must leave, and are neither below" in caplog.text
        caplog.clear()
        mirror.sync(later=0.0)
        assert "must leave" not in caplog.text  # once is enough
        with mirror.state() as state:
            assert status_of(state, mirror.clock.now()).withdrawals == ()  # none is served
        assert (FindingKind.MISSING, ONE) in verified(mirror)
    assert mirror.settle() == DONE
    assert (served(mirror), withheld(mirror)) == ([], DEMO)
    assert verified(mirror) == []


def test_files_that_were_deleted_before_they_left_are_forgotten_by_a_repair(mirror: World) -> None:
    (copy,) = mirror.where.glob(f"out/packages/*/*/*/{TWO}")
    copy.unlink()
    mirror.up.quarantine_project("demo")
    assert mirror.sync() == DONE
    assert verified(mirror) == [(FindingKind.MISSING, TWO)]
    assert repaired(mirror) == DONE
    assert (verified(mirror), withheld(mirror)) == ([], [ONE])


def test_a_file_is_not_restored_while_it_is_away(mirror: World) -> None:
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    mirror.up.fail(ONE, Fault.status(404), times=99)
    with away(mirror, "withheld"):
        (why,) = restored(mirror, ONE).values()
        assert why is not None and "is not in files.withheld" in why
        assert mirror.sync() == DONE
    assert restored(mirror, ONE) == {ONE: None}
    with away(mirror, "withheld"):  # after the command, and before the pass
        assert mirror.sync() == DONE
        assert sorted(links(mirror)) == [TWO]
    assert mirror.sync() == DONE
    assert restored(mirror, ONE) == {ONE: None}
    assert mirror.settle() == DONE
    assert sorted(links(mirror)) == DEMO


def test_another_place_of_withheld_files_is_told(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    before, after = mirror.where / "withheld", mirror.where / "other place"
    mirror.configure(files_withheld=str(after))
    assert mirror.sync() == DONE
    assert f"files.withheld was {before}, where 1 package files" in caplog.text
    caplog.clear()
    assert mirror.sync() == DONE
    assert "files.withheld was" not in caplog.text
    (why,) = restored(mirror, ONE).values()
    assert why is not None and f"files.withheld ({after})" in why
    before.rename(after)
    assert restored(mirror, ONE) == {ONE: None}
    assert mirror.settle() == DONE
    assert sorted(links(mirror)) == DEMO


def test_files_that_are_away_when_their_time_ends_are_deleted_later(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    with away(mirror, "withheld"):
        assert mirror.sync(later=8 * DAY) == DONE
        assert "1 package files are not in files.withheld" in caplog.text
    assert withheld(mirror) == [ONE]
    assert mirror.sync(later=DAY) == DONE
    assert withheld(mirror) == []
    with mirror.state() as state:
        assert list(state.package_files.out_of_service()) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(4))
def test_a_deletion_that_died_goes_on(mirror: World, step: int, *, after: bool) -> None:
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    mirror.package_kills.at, mirror.package_kills.after = step, after
    with suppress(Killed):
        mirror.sync(later=8 * DAY)
    assert mirror.sync() == DONE
    assert withheld(mirror) == []
    with mirror.state() as state:
        left = [one.status for batch in state.package_files.in_batches() for one in batch]
    assert left == [CopyStatus.SERVED] * 3


@pytest.mark.parametrize("change", ["quarantine", "rule", "link"])
def test_a_file_that_cannot_be_moved_is_found(mirror: World, change: str) -> None:
    with audited(mirror.where) as audit:
        audit.refuse("os.rename", ONE, errno.EACCES)
        if change == "quarantine":
            mirror.up.quarantine_project("demo")
        elif change == "rule":
            mirror.configure(files_newest=1)
        else:
            mirror.configure(mirror_files="link")
        assert mirror.sync() == FAILED
        assert served(mirror) == [ONE, *([TWO] if change == "rule" else [])]
        assert verified(mirror) == [(FindingKind.WITHDRAWN, ONE)]
        with mirror.state() as state:
            status = status_of(state, mirror.clock.now())
        (told,) = status.withdrawals
        assert status.package_files.served == {"quarantine": 3, "rule": 3, "link": 1}[change]
        cause = {"quarantine": "quarantined", "rule": "unchosen", "link": "linked"}[change]
        assert (told.files, told.problem.partition(",")[0]) == (1, cause)
        assert "its page cannot be changed" not in str(told)
        assert "no page names 1 of its files since 20" in str(told)
        assert repaired(mirror) == FAILED
    assert repaired(mirror) == DONE
    assert verified(mirror) == [] and ONE not in copies(mirror)
