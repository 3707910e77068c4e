"""Checks outputs that bundles feed.

They can be looked at and checked in their place.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.support.bundles import Receiver, Steps, bundle_of
from tests.support.dying_store import Killed
from tests.support.fake_index.http_server import Served
from tests.support.world import DAY, DONE, World
from yanksync.cli.reports.check import CRITICAL, WARNING, Limits, Problem, problems
from yanksync.core.errors import BundleError
from yanksync.output.comparison import Finding, FindingKind
from yanksync.state.state import State
from yanksync.state.views.status import read_status

Damage = Callable[[Receiver], None]


@pytest.fixture
def mirror(served: Served, where: Path) -> World:
    (where / "mirror").mkdir()
    options = {"mirror_files": "copy", "withdrawals_publish": True, "files_deleted_index": True}
    return World(served, where / "mirror", disk=True, **options)


@pytest.fixture
def receiver(where: Path) -> Receiver:
    (where / "receiver").mkdir()
    return Receiver(where / "receiver")


@pytest.fixture
def fed(mirror: World, receiver: Receiver) -> Receiver:
    """An output of one bundle, with something of each kind."""
    about = {"core_metadata": b"Name: demo\n", "upload_time": "2020-01-01T00:00:00Z"}
    mirror.started("demo", "other", **about)
    mirror.up.remove_release("demo", "1.0")
    mirror.up.yank("other", "1.0", "broken")
    assert mirror.sync() == DONE
    receiver.apply(bundle_of(mirror, "first.bundle"))
    return receiver


def package(receiver: Receiver, name: str) -> Path:
    (found,) = (receiver.output / "packages").rglob(name)
    return found


def rewritten(*paths: str) -> Damage:
    def harm(receiver: Receiver) -> None:
        for path in (receiver.output / one for one in paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # a hard link of another file
            path.write_bytes(b"<!-- other -->")

    return harm


def removed(path: str) -> Damage:
    return lambda receiver: (receiver.output / path).unlink()


def shorter(receiver: Receiver) -> None:
    package(receiver, "other-2.0.tar.gz").write_bytes(b"x")


def other_bytes(receiver: Receiver) -> None:
    path = package(receiver, "other-2.0.tar.gz")
    path.write_bytes(bytes(len(path.read_bytes())))


def other_metadata(receiver: Receiver) -> None:
    package(receiver, "other-2.0.tar.gz.metadata").write_bytes(b"Name: odd!\n")


DAMAGES: dict[str, tuple[Damage, FindingKind]] = {
    "page": (rewritten("simple/demo/index.html"), FindingKind.DIFFERENT),
    "page-gone": (removed("simple/demo/index.v1_json"), FindingKind.MISSING),
    "list": (rewritten("simple/index.v1_json"), FindingKind.DIFFERENT),
    "copy-of-page": (
        rewritten("simple/demo/index.html.gz", "simple/demo/index.v1_html.gz"),
        FindingKind.STALE,
    ),
    "extra-page": (rewritten("simple/more/index.html"), FindingKind.EXTRA),
    "extra-feed": (rewritten("withdrawals/project/more/feed.atom"), FindingKind.EXTRA),
    "extra-deleted": (
        rewritten("deleted/simple/more/index.html", "deleted/simple/more/index.v1_html"),
        FindingKind.EXTRA,
    ),
    "leftover": (rewritten("deleted/simple/more/.index.html.tmp"), FindingKind.EXTRA),
    "log": (rewritten("withdrawals/log/index.json"), FindingKind.DIFFERENT),
    "log-gone": (removed("withdrawals/log/index.json"), FindingKind.MISSING),
    "bytes": (other_bytes, FindingKind.ALTERED),
    "metadata": (other_metadata, FindingKind.ALTERED),
    "size": (shorter, FindingKind.ALTERED),
    "file-gone": (
        lambda receiver: package(receiver, "other-2.0.tar.gz").unlink(),
        FindingKind.MISSING,
    ),
    "extra-file": (rewritten(f"packages/aa/bb/{'c' * 60}/x-1.tar.gz"), FindingKind.UNREFERENCED),
}


def test_an_output_is_as_its_bundles_made_it(mirror: World, fed: Receiver) -> None:
    assert fed.verified(read=True) == (Counter(), 2, 4)
    mirror.up.remove_project("demo")
    mirror.up.remove_release("other", "1.0")
    mirror.up.upload("added", "1.0")
    assert mirror.sync() == DONE
    fed.apply(bundle_of(mirror, "second.bundle", 1))
    assert fed.files() == mirror.files()
    assert fed.verified(read=True) == (Counter(), 2, 3)
    found = read_status(fed.state, mirror.clock.time)
    assert (found.projects, found.package_files.served) == (2, 3)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_the_next_full_bundle_repairs_it(
    mirror: World, fed: Receiver, damage: str
) -> None:
    harm, kind = DAMAGES[damage]
    harm(fed)
    found = fed.verified(read=True)[0]
    assert found[kind] >= 1 and set(found) == {kind}
    fed.apply(bundle_of(mirror, "full.bundle"))
    assert fed.verified(read=True)[0] == Counter()
    assert fed.files() == mirror.files()


def test_files_of_other_programs_are_named_and_left_alone(mirror: World, fed: Receiver) -> None:
    paths = ["simple/notes/readme.txt", "withdrawals/notes.txt", "deleted/simple/notes.txt"]
    rewritten(*paths)(fed)
    for _ in range(2):
        assert fed.verified(read=True)[0] == {FindingKind.FOREIGN: 3}
        fed.apply(bundle_of(mirror, "full.bundle"))
    assert all((fed.output / path).exists() for path in paths)


NOT_UTF8 = os.fsdecode(b"b\xff")
OURS = f"withdrawals/project/{NOT_UTF8}"
"""Where yanksync has files of such names, so that a bundle with everything removes them."""


@pytest.mark.parametrize(
    "path",
    [
        *(f"simple/{NOT_UTF8}/index.html", f"withdrawals/project/{NOT_UTF8}/feed.atom"),
        *(f"withdrawals/{NOT_UTF8}.txt", f"packages/{NOT_UTF8}/x-1.tar.gz"),
        *(f"deleted/simple/{NOT_UTF8}/index.html", "withdrawals/mine/index.html"),
        *("packages/debs/x.deb", "simple/demo/mine.txt"),
    ],
)
def test_odd_names_hinder_no_bundle(mirror: World, fed: Receiver, path: str) -> None:
    rewritten(path)(fed)
    fed.verified(read=True)
    mirror.up.remove_project("demo")
    assert mirror.sync() == DONE
    fed.apply(bundle_of(mirror, "full.bundle"))
    fed.verified(read=True)
    assert not (fed.output / "simple/demo/index.html").exists()
    assert [*fed.output.rglob("demo-*")] == []
    assert (fed.output / path).exists() != path.startswith(OURS)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_files_behind_a_link_are_removed(mirror: World, fed: Receiver, depth: int) -> None:
    path = package(fed, "other-2.0.tar.gz").relative_to(fed.output)
    directory = fed.output.joinpath(*path.parts[: depth + 1])
    elsewhere = fed.output.parent / "elsewhere"
    directory.rename(elsewhere)
    directory.symlink_to(elsewhere)
    (fed.output / "packages/00").symlink_to(fed.output / "packages")
    mirror.up.remove_project("other")
    assert mirror.sync() == DONE
    fed.apply(bundle_of(mirror, "full.bundle"))
    assert [*elsewhere.rglob("other-2.0.tar.gz")] == []
    assert package(fed, "demo-2.0.tar.gz").is_file()


def test_an_altered_file_is_taken_out_of_service(fed: Receiver) -> None:
    other_bytes(fed)
    assert fed.verified(read=False)[0] == Counter()
    before = package(fed, "other-2.0.tar.gz")
    fed.verified(read=True, may_write=False)
    assert before.exists()
    fed.verified(read=True)
    assert not before.exists()


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def third_file(receiver: Receiver) -> Path:
    """Return the file that is read third; others are read in the order of their paths."""
    found = (path for path in (receiver.output / "packages").rglob("*-*") if path.is_file())
    return sorted(path for path in found if path.suffix != ".metadata")[2]


def test_reading_goes_on_where_it_was_interrupted(
    fed: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(finding: Finding, state: State) -> None:
        raise Interrupted

    caplog.set_level("INFO")
    third_file(fed).write_bytes(b"x")
    with pytest.raises(Interrupted):
        fed.verified(read=True, tell=stop)
    assert fed.verified(read=False)[2] == 4, "sizes are compared from the first file on"
    assert fed.verified(read=True, may_write=False)[2] == 1, "three were read before"
    assert "this one goes on behind 3 of 4 files" in caplog.text
    assert fed.verified(read=True)[2] == 1, "who may not write does not move the position"
    assert fed.verified(read=True)[2] == 4, "then all are read again"


def test_a_killed_run_has_noted_what_it_had_read(fed: Receiver) -> None:
    path, seen = third_file(fed), list[str | None]()
    path.write_bytes(b"x")

    def look(finding: Finding, state: State) -> None:
        seen.append(state.facts.package_check.received)

    fed.verified(read=True, tell=look, monotonic=count(step=10).__next__)
    assert seen[:1] == [path.relative_to(fed.output).as_posix()]
    assert fed.verified(read=True)[2] == 4


def test_the_status_is_that_of_the_newest_bundle(mirror: World, fed: Receiver) -> None:
    found = read_status(fed.state, mirror.clock.time)
    assert found.bundle is not None
    assert (found.bundle.cursor, found.bundle.made) == (1, mirror.clock.time)
    assert (found.projects, found.package_files.served) == (2, 4)
    assert _texts(fed, mirror, Limits()) == []
    late = _problems(fed, mirror, Limits(lag=7 * DAY), later=8 * DAY)
    assert [one.level for one in late] == [CRITICAL]
    assert "behind upstream, 7 days allowed: the newest bundle here is 1, made " in late[0].text


def test_an_unfinished_bundle_is_told(mirror: World, fed: Receiver) -> None:
    mirror.up.upload("added", "1.0")
    assert mirror.sync() == DONE
    with pytest.raises(Killed):
        fed.apply(bundle_of(mirror, "second.bundle", 1), steps=Steps(3))
    (problem,) = _problems(fed, mirror, Limits())
    assert problem == Problem(
        WARNING, "'yanksync bundle apply' did not end; apply the same bundle again"
    )


def test_no_bundle_is_made_of_one_that_was_applied(fed: Receiver, where: Path) -> None:
    with pytest.raises(BundleError, match="is made of bundles, so no bundle was made"):
        fed.create(where / "onward.bundle")
    assert not (where / "onward.bundle").exists()


def test_no_bundle_is_made_before_the_mirror_is(receiver: Receiver, where: Path) -> None:
    with pytest.raises(BundleError, match="is not built yet"):
        receiver.create(where / "early.bundle")


def _problems(fed: Receiver, mirror: World, limits: Limits, later: float = 0.0) -> list[Problem]:
    now = mirror.clock.time + later
    return problems(read_status(fed.state, now), fed.settings, limits, now)


def _texts(fed: Receiver, mirror: World, limits: Limits) -> list[str]:
    return [one.text for one in _problems(fed, mirror, limits)]
