"""``verify`` with package files: what differs is named, out of service at once, and repaired."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.dying_store import KilledThread, PackageKills
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.verification import names, opened
from tests.support.world import DAY, DONE, FAILED, HELD, PARTIAL, World
from yanksync.config.load import load
from yanksync.core.exit_codes import ExitCode
from yanksync.output.comparison import Finding
from yanksync.state.views.holds import held_items
from yanksync.state.views.status import status_of
from yanksync.sync.package_files.altered import want_again
from yanksync.sync.package_files.hashing import ReadPace
from yanksync.sync.package_files.restore import find_restorable
from yanksync.verify.check import SIZES, verify_output
from yanksync.verify.outcomes import Outcome
from yanksync.verify.repair import repair_output
from yanksync.verify.summary import CheckSummary, FileCheck

READ = FileCheck(read=True)
SDIST = "demo-1.0.tar.gz"


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    world = World(served, tmp_path, disk=True, mirror_files="copy")
    return world.started("demo", core_metadata=b"Name: demo\n")


@pytest.fixture
def keeping(mirror: World) -> World:
    """Make a mirror that keeps a file and its metadata.

    Upstream has removed both.
    """
    mirror.configure(mirror_deleted="yank")
    mirror.up.clock += int(30 * DAY)
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync(later=30 * DAY) == DONE
    return mirror


def check(world: World, files: FileCheck = SIZES) -> tuple[list[Finding], ExitCode, CheckSummary]:
    found: list[Finding] = []
    with opened(world) as mirror:
        summary, code = verify_output(mirror, found.append, files)
    return found, code, summary


def repair(world: World, files: FileCheck = SIZES) -> tuple[dict[str, str | None], ExitCode]:
    """Repair; return by path why a finding was not corrected."""
    became: dict[str, str | None] = {}

    def tell(finding: Finding, outcome: Outcome | None) -> None:
        became[finding.path] = None if outcome is None else outcome.why

    with opened(world) as mirror:
        _, code = repair_output(mirror, tell, files)
    return became, code


def copy(world: World, name: str = SDIST) -> Path:
    (found,) = (world.where / "out/packages").rglob(name)
    return found


def below(world: World, path: Path) -> str:
    return path.relative_to(world.where / "out").as_posix()


def served(world: World, name: str = SDIST) -> bool:
    """Return whether the page links to the copy."""
    page = world.page("demo")
    assert page is not None
    (file,) = (file for file in page["files"] if file["filename"] == name)
    return str(file["url"]).startswith("../../packages/")


def files_of(world: World) -> list[str]:
    """Return the names of the files that the page of ``demo`` offers."""
    page = world.page("demo")
    assert page is not None
    return [str(file["filename"]) for file in page["files"]]


def kept_aside(world: World) -> list[str]:
    return sorted(path.name for path in (world.where / "state.db.withheld").rglob("*.*"))


def alter(path: Path, body: bytes | None = None) -> None:
    """Write other bytes, as many as before unless ``body`` is given."""
    path.write_bytes(b"x" * path.stat().st_size if body is None else body)


def test_whole_copies_are_no_finding(mirror: World) -> None:
    for files in (SIZES, READ):
        found, code, summary = check(mirror, files)
        assert (found, code, summary.files) == ([], DONE, 2)
    assert mirror.requests == []


def test_another_size_is_out_of_service_at_once(mirror: World) -> None:
    path = copy(mirror)
    alter(path, b"planted")
    found, code, _ = check(mirror)
    assert (names(found), code) == ([("altered", below(mirror, path))], FAILED)
    assert found[0].detail == "has 7 bytes, not 16"
    assert not path.exists()
    assert not served(mirror)
    assert served(mirror, "demo-2.0.tar.gz")
    assert kept_aside(mirror) == [SDIST, f"{SDIST}.metadata"]
    assert mirror.sync() == DONE
    assert served(mirror)
    assert path.read_bytes() == b"demo-1.0.tar.gz\n"
    assert check(mirror, READ)[:2] == ([], DONE)


def test_other_bytes_of_the_same_size_are_found_by_reading(mirror: World) -> None:
    path = copy(mirror)
    alter(path)
    assert check(mirror)[:2] == ([], DONE)
    found, code, _ = check(mirror, READ)
    assert (names(found), code) == ([("altered", below(mirror, path))], FAILED)
    assert (path.exists(), served(mirror)) == (False, False)


def test_altered_metadata_leaves_its_file_in_place(mirror: World) -> None:
    path = copy(mirror, f"{SDIST}.metadata")
    alter(path)
    found, _, _ = check(mirror, READ)
    assert names(found) == [("altered", below(mirror, path))]
    assert not path.exists()
    assert kept_aside(mirror) == [path.name]
    assert mirror.sync() == DONE
    assert path.read_bytes() == b"Name: demo\n"


def test_a_link_in_place_of_a_copy_is_no_copy(mirror: World) -> None:
    path = copy(mirror)
    other = mirror.where / "secret"
    other.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(other)
    found, _, _ = check(mirror)
    assert [(str(one.kind), one.detail) for one in found] == [("altered", "is a symbolic link")]
    assert not path.is_symlink()
    assert other.exists()


@pytest.mark.parametrize("target", ["out/packages", "out", ".", "out/packages/.."])
def test_a_link_that_leads_back_shows_no_copy_twice(mirror: World, target: str) -> None:
    (mirror.where / "out/packages/00").symlink_to(mirror.where / target)
    assert repair(mirror) == ({}, DONE)
    assert copy(mirror).is_file() and served(mirror)


def test_an_altered_copy_that_a_run_left_in_place_is_found_again(mirror: World) -> None:
    """The run died between its note and the move."""
    place = copy(mirror)
    alter(place)
    with opened(mirror) as running:
        want_again(running, [below(mirror, place)])
    assert served(mirror)
    found, code, _ = check(mirror, READ)
    assert ("altered", below(mirror, place)) in names(found)
    assert (code, place.exists(), served(mirror)) == (FAILED, False, False)
    assert (mirror.sync(), served(mirror)) == (DONE, True)


def test_an_altered_copy_that_could_not_be_moved_is_taken_out_by_the_next_check(
    mirror: World,
) -> None:
    place, withheld = copy(mirror), mirror.where / "state.db.withheld"
    alter(place)
    withheld.write_text("in the way")
    assert check(mirror, READ)[1] == FAILED
    assert place.exists()
    with mirror.state() as state:
        problem = status_of(state, mirror.clock.now()).output_problem
    assert "state.db.withheld" in (problem or "")  # "check" warns of it
    withheld.unlink()
    assert names(check(mirror, READ)[0]) == [("altered", below(mirror, place))]
    assert not place.exists()


def test_who_may_not_write_leaves_a_copy_in_service(mirror: World) -> None:
    alter(copy(mirror))
    found, code, _ = check(mirror, FileCheck(read=True, may_write=False))
    assert "still served" in (found[0].detail or "")
    assert (code, served(mirror)) == (FAILED, True)


def test_altered_bytes_are_deleted_with_their_file(mirror: World) -> None:
    alter(copy(mirror), b"planted")
    check(mirror)
    assert mirror.sync() == DONE
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    assert kept_aside(mirror) == sorted(2 * [SDIST, f"{SDIST}.metadata"])
    assert mirror.sync(later=8 * DAY) == DONE
    assert kept_aside(mirror) == []


def test_what_cannot_be_moved_stops_no_check(mirror: World) -> None:
    withheld = mirror.where / "state.db.withheld"
    alter(copy(mirror), b"planted")
    copy(mirror, "demo-2.0.tar.gz").unlink()
    withheld.write_text("in the way")
    found, code, summary = check(mirror)
    assert (sorted(str(one.kind) for one in found), code) == (["altered", "missing"], FAILED)
    assert summary.files == 2
    assert not served(mirror), "no page names it"
    assert mirror.sync() == PARTIAL  # the other copy is missing: its disk may not be mounted
    assert mirror.sync() == DONE
    assert copy(mirror).read_bytes() == b"demo-1.0.tar.gz\n"


def test_a_missing_copy_waits_for_a_repair(mirror: World) -> None:
    path = copy(mirror)
    path.unlink()
    for _ in range(2):
        assert names(check(mirror)[0]) == [("missing", below(mirror, path))]
    assert repair(mirror) == ({below(mirror, path): None}, DONE)
    assert path.read_bytes() == b"demo-1.0.tar.gz\n"
    assert check(mirror)[:2] == ([], DONE)


def test_a_repair_downloads_an_altered_copy(mirror: World) -> None:
    path = copy(mirror)
    alter(path)
    assert repair(mirror, READ) == ({below(mirror, path): None}, DONE)
    assert path.read_bytes() == b"demo-1.0.tar.gz\n"
    assert served(mirror)


def test_a_repair_says_what_upstream_has_no_more(mirror: World) -> None:
    path = copy(mirror)
    alter(path)
    mirror.up.fail(SDIST, Fault.status(404))
    became, code = repair(mirror, READ)
    assert code == ExitCode.PARTIAL
    assert "404" in (became[below(mirror, path)] or "")


def test_an_altered_file_that_upstream_removed_is_gone(keeping: World) -> None:
    assert served(keeping)
    path = copy(keeping)
    alter(path)
    assert names(check(keeping, READ)[0]) == [("altered", below(keeping, path))]
    assert not path.exists()
    assert files_of(keeping) == ["demo-2.0.tar.gz"]
    with keeping.state() as state:
        assert list(state.package_files.by_path([below(keeping, path)])) == []
    assert keeping.sync() == DONE
    assert check(keeping)[:2] == ([], DONE)


@dataclass(frozen=True)
class Unreadable:
    """A store whose disk cannot read one file."""

    store: Any
    path: str

    def package_chunks(self, path: str) -> Iterator[bytes]:
        if path == self.path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        chunks: Iterator[bytes] = self.store.package_chunks(path)
        return chunks

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@pytest.mark.parametrize("name", [SDIST, f"{SDIST}.metadata"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_file_that_cannot_be_read_stays_where_there_is_no_other(
    request: pytest.FixtureRequest, name: str, *, kept: bool
) -> None:
    world: World = request.getfixturevalue("keeping" if kept else "mirror")
    place, found = copy(world, name), list[Finding]()
    with opened(world) as one:
        store: Any = Unreadable(one.package_store, below(world, place))
        assert verify_output(replace(one, package_store=store), found.append, READ)[1] == FAILED
    assert names(found) == [("unchecked" if kept else "altered", below(world, place))]
    assert "the disk cannot read it any more" in (found[0].detail or "")
    assert place.exists() is kept
    assert world.sync() == DONE  # downloads it again where upstream has it
    assert place.exists() and check(world, READ)[:2] == ([], DONE)


def dying_check(world: World, *, after: bool) -> None:
    """Read all files in a run that dies before, or ``after``, it moves an altered one."""
    kills = PackageKills()
    kills.at, kills.after = 0, after
    with opened(world) as one:
        dying = replace(one, package_store=kills.around(one.package_store))
        with pytest.raises(KilledThread):
            verify_output(dying, lambda _: None, READ)


Run = Callable[[World], object]
NEXT: dict[str, Run] = {
    "pass": lambda world: world.sync(),
    "check": check,
    "reading check": lambda world: check(world, READ),
    "repair": repair,
}


@pytest.mark.parametrize("dies_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("follows", NEXT)
def test_the_next_run_takes_out_a_kept_file_that_a_dead_one_found_altered(
    keeping: World, follows: str, dies_after: bool
) -> None:
    place = copy(keeping)
    alter(place)
    dying_check(keeping, after=dies_after)
    assert place.exists() is not dies_after
    NEXT[follows](keeping)
    assert not place.exists()
    assert not Path(f"{place}.metadata").exists()
    assert keeping.sync() == DONE
    assert files_of(keeping) == ["demo-2.0.tar.gz"]
    assert check(keeping, READ)[:2] == ([], DONE)


@pytest.mark.parametrize("name", [SDIST, f"{SDIST}.metadata"])
def test_a_check_names_what_a_dead_one_left_altered(keeping: World, name: str) -> None:
    place = copy(keeping, name)
    alter(place)
    dying_check(keeping, after=False)
    seen = check(keeping, FileCheck(may_write=False))[0]
    assert "still served" in (seen[0].detail or "")
    assert place.exists()
    found, code, _ = check(keeping)
    assert (names(found), code) == ([("altered", below(keeping, place))], FAILED)
    assert "interrupted" in (found[0].detail or "")
    assert not place.exists()
    assert check(keeping, READ)[:2] == ([], DONE)
    assert (SDIST in files_of(keeping)) is (name != SDIST)


def test_a_kept_file_that_could_not_be_moved_stays_known(keeping: World) -> None:
    place, withheld = copy(keeping), keeping.where / "state.db.withheld"
    alter(place)
    withheld.write_text("in the way")
    assert check(keeping, READ)[1] == FAILED
    assert keeping.sync() == FAILED
    assert (place.exists(), files_of(keeping)) == (True, ["demo-2.0.tar.gz"])
    withheld.unlink()
    assert keeping.sync() == DONE
    assert not place.exists()
    with keeping.state() as state:
        settings = load(None, {}, **keeping.flags)
        (left,) = find_restorable(state, settings, [], force=True)
    assert left.refused == "its bytes were altered on the disk, and upstream has removed the file"
    assert keeping.sync(later=8 * DAY) == DONE
    assert kept_aside(keeping) == []


def test_wrong_modes_are_reset(mirror: World) -> None:
    path = copy(mirror)
    os.chmod(path, 0o600)
    found, code, _ = check(mirror)
    assert (names(found), code) == ([("mode", below(mirror, path))], FAILED)
    assert repair(mirror) == ({below(mirror, path): None}, DONE)
    assert path.stat().st_mode & 0o777 == 0o644


def plant(world: World, count: int) -> list[Path]:
    """Write files below packages/ that no page names."""
    places = [world.where / f"out/packages/zz/{number}/left-1.0.whl" for number in range(count)]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_bytes(b"left")
    return places


def test_a_few_unreferenced_files_are_listed_and_deleted_by_a_repair(mirror: World) -> None:
    places = plant(mirror, 3)
    found, code, _ = check(mirror)
    assert names(found) == [("unreferenced", below(mirror, place)) for place in places]
    assert (code, all(place.exists() for place in places)) == (FAILED, True)
    assert repair(mirror) == ({below(mirror, place): None for place in places}, DONE)
    assert not (mirror.where / "out/packages/zz").exists()
    assert copy(mirror).exists()


def test_a_link_to_a_directory_of_copies_stays(mirror: World) -> None:
    served, packages = copy(mirror), mirror.where / "out/packages"
    first = packages / served.relative_to(packages).parts[0]
    first.rename(mirror.where / "other disk")
    first.symlink_to(mirror.where / "other disk")
    assert check(mirror)[:2] == ([], DONE)
    assert repair(mirror) == ({}, DONE)
    assert served.exists()


def test_many_unreferenced_files_wait_for_approval(mirror: World) -> None:
    places = plant(mirror, 4)
    became, code = repair(mirror)
    why = "no page names 4 files below packages/, where 2 copies are; 3 may be deleted in one run"
    assert (code, set(became.values())) == (HELD, {f"held: {why}"})
    with mirror.state() as state:
        assert [(held.what, held.why) for held in held_items(state)] == [("unreferenced", why)]
    assert mirror.approve() == ["the unreferenced files"]
    assert repair(mirror) == ({below(mirror, place): None for place in places}, DONE)
    assert not any(place.exists() for place in places)
    with mirror.state() as state:
        assert held_items(state) == ()


def test_approval_is_for_the_files_that_were_found(mirror: World) -> None:
    plant(mirror, 4)
    repair(mirror)
    mirror.approve()
    (mirror.where / "out/packages/zz/5").mkdir()
    (mirror.where / "out/packages/zz/5/other-1.0.whl").write_bytes(b"later")
    assert repair(mirror)[1] == HELD


@pytest.mark.parametrize("how", ["by a check", "by a repair", "by a repair of the rest"])
def test_a_hold_ends_when_the_files_are_gone(mirror: World, how: str) -> None:
    places = plant(mirror, 4)
    repair(mirror)
    for place in places[: 2 if how.endswith("rest") else None]:
        place.unlink()
    assert mirror.sync() == HELD
    assert (check if how == "by a check" else repair)(mirror)[1] == DONE
    assert mirror.sync() == DONE


@pytest.mark.parametrize("left", [True, False])
def test_with_link_no_file_of_another_program_is_touched(mirror: World, left: bool) -> None:
    mirror.configure(files_grace="30d" if left else "0")
    (place,) = plant(mirror, 1)
    mirror.configure(mirror_files="link")
    assert mirror.settle() == DONE
    assert check(mirror)[:2] == ([], DONE)
    assert repair(mirror) == ({}, DONE)
    assert place.exists()


def test_link_ends_a_hold_of_unreferenced_files(mirror: World) -> None:
    places = plant(mirror, 4)
    repair(mirror)
    mirror.configure(mirror_files="link", files_grace="0")
    assert mirror.settle() == DONE
    assert all(place.exists() for place in places)


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def test_reading_goes_on_where_it_was_interrupted(mirror: World) -> None:
    def stop(finding: Finding) -> None:
        raise Interrupted

    mirror.up.upload("other", "1.0")
    mirror.sync()
    alter(copy(mirror, "demo-2.0.tar.gz"))
    with opened(mirror) as one, pytest.raises(Interrupted):
        verify_output(one, stop, READ)
    found, code, summary = check(mirror, READ)
    assert (found, code) == ([], DONE)
    assert summary.files == 1, "two were read before"
    assert check(mirror, READ)[2].files == 2, "then all that are served are read again"


def test_reading_keeps_to_its_rate() -> None:
    clock, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    pace = ReadPace(100, lambda: clock[0], sleep)
    for _ in range(10):
        pace.wait_for(50)
    assert clock[0] == pytest.approx(5)
    assert max(slept) <= 1
    ReadPace(None, lambda: clock[0], sleep).wait_for(1 << 40)
    assert clock[0] == pytest.approx(5)
