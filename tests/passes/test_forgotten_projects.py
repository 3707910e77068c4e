"""``forget`` removes a project and everything that was said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.bundles import Receiver, bundle_of
from tests.support.dying_store import Killed
from tests.support.fake_index.http_server import Served
from tests.support.log_follower import Follower
from tests.support.web_site import serve_files
from tests.support.world import DONE, World
from yanksync.config.load import load
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName
from yanksync.mirror.context import Mirror
from yanksync.state.views.status import read_status
from yanksync.sync.optional_steps import update_withdrawals
from yanksync.sync.package_files.altered import AlteredCopy, take_out_altered
from yanksync.sync.policy.forget import contents_of, forget, mirror_again

DEMO = NormalizedName("demo")
TEXTS = (b"a secret reason", b"demo-1.0", b"demo-2.0")


@pytest.fixture
def mirror(served: Served, where: Path) -> World:
    """A mirror with a yank and a removal of the project ``demo``, and with another project."""
    world = World(served, where, disk=True, mirror_files="copy", withdrawals_publish=True)
    world.started("demo", "other")
    world.up.yank("demo", "2.0", "a secret reason")
    world.up.yank("other", "1.0", "a public reason")
    world.up.remove_release("demo", "1.0")
    assert world.sync() == DONE
    return world


def forgotten(world: World, *names: str) -> None:
    """Forget projects, as the command does."""

    def work(mirror: Mirror) -> ExitCode:
        forget(mirror, [NormalizedName(name) for name in names or ("demo",)])
        update_withdrawals(mirror)
        return ExitCode.DONE

    assert world.work(work) == DONE


def again(world: World) -> None:
    """Let the project be mirrored again, as the command does."""
    with world.state() as state:
        mirror_again(state, load(None, {}, **world.flags), [DEMO], world.clock.time)


def filenames(world: World, name: str) -> list[str]:
    """Return the files of a published page."""
    page = world.page(name)
    assert page is not None
    return [file["filename"] for file in page["files"]]


def unfinished(world: World) -> tuple[str, ...]:
    """Return the projects that the status says are not forgotten yet."""
    return read_status(world.where / "state.db", world.clock.time).unfinished_forget


def texts_in(directory: Path) -> list[str]:
    """Return the files below a directory that have a text of the project."""
    return sorted(
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and any(text in path.read_bytes() for text in TEXTS)
    )


def test_nothing_of_the_project_remains(mirror: World) -> None:
    assert len(texts_in(mirror.where)) > 10
    forgotten(mirror)
    assert texts_in(mirror.where) == []
    assert not any("demo" in path for path in mirror.files())
    assert {row.project for row in mirror.history()} == {"other"}
    assert b"a public reason" in mirror.files()["withdrawals/feed.atom"]


def test_the_state_can_be_copied_after_it(mirror: World) -> None:
    forgotten(mirror)
    mirror.keep_state()


def test_the_passes_after_it_do_not_bring_it_back(mirror: World) -> None:
    forgotten(mirror)
    files = mirror.files()
    assert mirror.sync() == DONE
    assert mirror.files() == files
    mirror.up.upload("demo", "3.0")
    mirror.up.yank("demo", "2.0", "a secret reason")
    assert mirror.sync() == DONE
    assert mirror.resync() == DONE
    assert texts_in(mirror.where) == []
    assert "demo" not in mirror.asked


def test_no_other_project_brings_its_files_back(mirror: World) -> None:
    project = mirror.up.project("demo")
    assert project is not None
    content = project.files["demo-2.0.tar.gz"].content
    forgotten(mirror)
    mirror.up.upload("copycat", "1.0", content=content)
    mirror.up.upload("copycat", "2.0")
    assert mirror.sync() == DONE
    page = mirror.page("copycat")
    assert page is not None
    assert [file["filename"] for file in page["files"]] == ["copycat-2.0.tar.gz"]


def test_files_that_another_project_has_already_leave_it(mirror: World) -> None:
    project = mirror.up.project("demo")
    assert project is not None
    mirror.up.upload("copycat", "1.0", content=project.files["demo-2.0.tar.gz"].content)
    assert mirror.sync() == DONE
    forgotten(mirror)
    page = mirror.page("copycat")
    assert page is not None
    assert page["files"] == []
    assert mirror.sync() == DONE
    assert not [path for path in mirror.files() if path.endswith("copycat-1.0.tar.gz")]
    again(mirror)
    assert mirror.sync() == DONE
    assert filenames(mirror, "copycat") == ["copycat-1.0.tar.gz"]
    assert [path for path in mirror.files() if path.endswith("copycat-1.0.tar.gz")]


def test_a_mirror_without_copies_hides_them_at_once(served: Served, where: Path) -> None:
    world = World(served, where, disk=True)
    content = b"the same bytes"
    world.up.upload("demo", "1.0", content=content)
    world.up.upload("copycat", "1.0", content=content)
    assert world.sync() == DONE
    forgotten(world)
    assert filenames(world, "copycat") == []
    again(world)
    assert world.sync() == DONE
    assert filenames(world, "copycat") == ["copycat-1.0.tar.gz"]


def test_a_follower_of_the_log_begins_again(mirror: World) -> None:
    with serve_files(mirror.where / "out") as url:
        follower = Follower(f"{url}withdrawals/log/")
        follower.follow()
        assert ("demo", "2.0") in follower.withdrawn
        newest = follower.cursor
        forgotten(mirror)
        follower.follow()
        assert follower.withdrawn == {("other", "1.0"): "yank"}
        assert follower.cursor == newest
        mirror.up.yank("other", "2.0", "another")
        assert mirror.sync() == DONE
        follower.follow()
        assert follower.cursor == newest + 1
    lines = mirror.files()["withdrawals/log/000001.ndjson"].splitlines()
    actions = sorted(json.loads(line)["action"] for line in lines)
    assert actions == ["forget", "forget", "yank", "yank"]


def test_it_counts_what_it_removes(mirror: World) -> None:
    with mirror.state() as state:
        found = contents_of(state, DEMO)
        assert found is not None
        assert (found.pages, found.files, found.history, found.events) == (1, 2, 2, 2)
        assert found.hashes == 2
        assert contents_of(state, NormalizedName("nosuch")) is None


def test_it_can_be_mirrored_again(mirror: World) -> None:
    forgotten(mirror)
    with mirror.state() as state:
        assert [(one.name, one.files) for one in state.forgotten.all()] == [("demo", 2)]
        mirror_again(state, load(None, {}, **mirror.flags), [DEMO], mirror.clock.time)
    assert mirror.sync() == DONE
    page = mirror.page("demo")
    assert page is not None
    assert [file["filename"] for file in page["files"]] == ["demo-2.0.tar.gz"]
    assert {row.project for row in mirror.history()} == {"other"}


@pytest.mark.parametrize("after", [False, True])
def test_a_pass_finishes_what_a_kill_left(mirror: World, *, after: bool) -> None:
    """Each step that writes the output can be the last one of the command."""
    steps = 0
    mirror.kills.after = after
    while True:
        mirror.kills.at = steps
        try:
            forgotten(mirror)
            break
        except Killed:
            steps += 1
        assert mirror.sync() == DONE
        assert texts_in(mirror.where) == []
        with mirror.state() as state:
            mirror_again(state, load(None, {}, **mirror.flags), [DEMO], mirror.clock.time)
        mirror.up.upload("demo", f"{steps + 2}.0")
        mirror.up.yank("demo", "2.0", "a secret reason")
        assert mirror.sync() == DONE
    assert steps > 3


def test_a_bundle_takes_it_away_elsewhere(mirror: World, where: Path) -> None:
    (where / "receiver").mkdir()
    receiver = Receiver(where / "receiver")
    receiver.apply(bundle_of(mirror, "first.bundle"))
    forgotten(mirror)
    receiver.apply(bundle_of(mirror, "second.bundle", 1))
    assert receiver.files() == mirror.files()
    assert texts_in(receiver.output) == []


def test_what_cannot_be_removed_is_removed_by_the_next_pass(mirror: World) -> None:
    obstacle = mirror.where / "out/simple/demo/index.html.br"
    obstacle.mkdir()  # to delete a file of this name fails

    def work(world: Mirror) -> ExitCode:
        forget(world, [DEMO])
        return ExitCode.DONE

    assert mirror.work(work) == ExitCode.FAILED
    assert mirror.error is not None
    assert "could not be removed; the next 'yanksync sync' tries again" in mirror.error
    assert unfinished(mirror) == ("demo",)
    mirror.up.upload("other", "3.0")
    assert mirror.sync() == ExitCode.FAILED
    assert "other-3.0.tar.gz" in filenames(mirror, "other")
    assert unfinished(mirror) == ("demo",)
    obstacle.rmdir()
    assert mirror.sync() == DONE
    assert texts_in(mirror.where) == []
    assert unfinished(mirror) == ()


def test_a_pass_begins_what_the_output_did_not_let_begin(mirror: World) -> None:
    pages = mirror.where / "out/simple"
    pages.rename(mirror.where / "out/away")
    pages.write_text("a file in its place")

    def work(world: Mirror) -> ExitCode:
        forget(world, [DEMO])
        return ExitCode.DONE

    assert mirror.work(work) == ExitCode.FAILED
    assert unfinished(mirror) == ("demo",)
    pages.unlink()
    (mirror.where / "out/away").rename(pages)
    assert mirror.sync() == DONE
    assert texts_in(mirror.where) == []


def test_files_in_an_earlier_place_go_too(mirror: World) -> None:
    assert len(list(mirror.where.rglob("state.db.withheld/**/demo-1.0*"))) == 1
    mirror.configure(files_withheld=str(mirror.where / "elsewhere"))
    assert mirror.sync() == DONE
    forgotten(mirror)
    assert list(mirror.where.rglob("demo-*")) == []


def test_an_earlier_place_that_is_gone_is_named(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    place = mirror.where / "state.db.withheld"
    mirror.configure(files_withheld=str(mirror.where / "elsewhere"))
    assert mirror.sync() == DONE
    place.rename(mirror.where / "unmounted")

    def work(world: Mirror) -> ExitCode:
        forget(world, [DEMO])
        return ExitCode.DONE

    assert mirror.work(work) == ExitCode.FAILED
    assert f"demo: {place}, an earlier files.withheld, may still have files of it" in caplog.text
    assert unfinished(mirror) == ("demo",)
    (mirror.where / "unmounted").rename(place)
    assert mirror.sync() == DONE
    assert list(mirror.where.rglob("demo-*")) == []


def test_a_full_resync_says_that_it_was_forgotten(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    forgotten(mirror)
    assert mirror.resync("demo") == ExitCode.FAILED
    assert "'yanksync forget --undo demo' lets it be mirrored again" in caplog.text
    assert mirror.sync() == DONE


def test_the_index_of_deleted_files_forgets_it_too(mirror: World) -> None:
    mirror.configure(files_deleted_index="yes")
    mirror.started("old", "kept", upload_time="2020-01-01T00:00:00Z")
    mirror.up.remove_release("old", "1.0")
    mirror.up.remove_release("kept", "1.0")
    assert mirror.sync() == DONE
    index = mirror.where / "out/deleted/simple"
    assert {path.name for path in index.iterdir() if path.is_dir()} == {"kept", "old"}
    forgotten(mirror, "old")
    assert {path.name for path in index.iterdir() if path.is_dir()} == {"kept"}
    assert b"old" not in (index / "index.v1_json").read_bytes()
    assert not list(mirror.where.rglob("old-*"))


def test_bytes_that_were_set_aside_go_too(mirror: World) -> None:
    (copy,) = mirror.where.glob("out/packages/*/*/*/demo-2.0.tar.gz")
    copy.write_bytes(b"altered bytes")
    path = copy.relative_to(mirror.where / "out").as_posix()

    def work(opened: Mirror) -> ExitCode:
        altered = opened.state.package_files.by_path([path])[path]
        take_out_altered(opened, [AlteredCopy(altered, path, "has other bytes")])
        return ExitCode.DONE

    assert mirror.work(work) == DONE
    assert len(list(mirror.where.rglob("demo-2.0*"))) == 1
    forgotten(mirror)
    assert list(mirror.where.rglob("demo-2.0*")) == []
