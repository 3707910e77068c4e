"""``bundle create`` and ``bundle apply`` as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, ended
from tests.support.fake_index.index import FakeUpstream, Served


@pytest.fixture
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program on a machine without an upstream."""
    made = Cli(tmp_path_factory.mktemp("receiver"), None)
    made.config.write_text('[mirror]\noutput = "mirror"\nstate = "yanksync.db"\n')
    return made


def feed(mirror: Cli, receiver: Cli) -> None:
    """Carry all of a mirror to the receiver."""
    bundle = receiver.home / "first.bundle"
    assert mirror("bundle", "create", str(bundle)).code == 0
    assert receiver("bundle", "apply", str(bundle)).code == 0


def test_a_mirror_crosses_an_air_gap(synced: Cli, receiver: Cli) -> None:
    bundle = receiver.home / "first.bundle"
    made = synced("bundle", "create", str(bundle))
    assert made.code == 0, made.err
    assert made.out.splitlines()[-1] == "next: yanksync bundle create --since 1 FILE"
    assert receiver("bundle", "apply", "--dry-run", str(bundle)).code == 0
    assert not receiver.state.exists()
    applied = receiver("bundle", "apply", str(bundle))
    assert applied.code == 0, applied.err
    assert applied.out.splitlines()[-1] == "2 pages and 0 files; removed: 0 pages and 0 files"
    assert {path: one[0] for path, one in receiver.tree().items()} == {
        path: one[0] for path, one in synced.tree().items()
    }
    assert receiver("check").out.startswith("OK: up to date with bundle 1, 2 projects")


def test_the_receiver_asks_no_upstream(
    synced: Cli, receiver: Cli, upstream: FakeUpstream, served: Served
) -> None:
    feed(synced, receiver)
    before, pip = receiver.tree(), {"PIP_INDEX_URL": served.simple_url}
    upstream.clear_log()
    shown = receiver("status", **pip)
    assert "upstream          none; bundles feed this output" in shown.out.splitlines()
    assert "projects          2" in shown.out.splitlines()
    checked = receiver("doctor", **pip)
    assert (checked.code, "bundle 1 was applied" in checked.out) == (0, True), checked.out
    assert receiver("verify", "--hash").silent
    for command in (["sync"], ["full-resync", "demo"]):
        refused = receiver(*command, **pip)
        assert refused.code == 1
        assert "is made of bundles, so nothing was done" in refused.err
    for command in (["history"], ["why", "demo"], ["forget", "demo"]):
        refused = receiver(*command, **pip)
        assert (refused.code, refused.out) == (1, "")
        assert "is made of bundles, which bring pages and no history" in refused.err
    assert upstream.requests == []
    assert receiver.tree() == before


def test_run_says_once_that_a_receiver_follows_no_upstream(
    synced: Cli, receiver: Cli, served: Served, upstream: FakeUpstream
) -> None:
    feed(synced, receiver)
    before = receiver.tree()
    receiver.configure(f'simple_url = "{served.simple_url}"', mirror='output = "mirror"')
    with receiver.config.open("a") as file:
        file.write('[schedule]\nevery = "1s"\n')
    upstream.clear_log()
    done = receiver("run")
    assert done.code == 2
    assert done.err.count("is made of bundles, so nothing was done") == 1
    assert done.err.splitlines()[-1].endswith("stopped")
    assert upstream.requests == []
    assert receiver.tree() == before


def test_a_receiver_can_be_made_to_follow_upstream(
    synced: Cli, receiver: Cli, served: Served, upstream: FakeUpstream
) -> None:
    feed(synced, receiver)
    upstream.upload("demo", "3.0")
    receiver.state.rename(receiver.home / "before.db")
    receiver.configure(f'simple_url = "{served.simple_url}"', mirror='output = "mirror"')
    assert receiver("sync").code == 0
    assert b"demo-3.0" in (receiver.output / "simple/demo/index.html").read_bytes()
    assert receiver("verify").silent
    assert "upstream          http" in receiver("status").out


def test_files_quarantined_before_the_take_over_go_out_of_service(
    yanksync: Cli, receiver: Cli, served: Served, upstream: FakeUpstream
) -> None:
    upstream.upload("gone", "1.0")
    yanksync.config.write_text(yanksync.config.read_text() + '[mirror]\nfiles = "copy"\n')
    assert yanksync("sync").code == 0
    feed(yanksync, receiver)
    assert list(receiver.output.rglob("gone-1.0.tar.gz"))
    upstream.quarantine_project("gone")
    receiver.state.rename(receiver.home / "before.db")
    receiver.configure(
        f'simple_url = "{served.simple_url}"', mirror='output = "mirror"\nfiles = "copy"'
    )
    assert receiver("sync").code == 0
    left = {path.name for path in receiver.output.rglob("*.tar.gz")}
    assert "demo-2.0.tar.gz" in left and "gone-1.0.tar.gz" not in left
    assert receiver("verify", "--hash").silent


def test_a_killed_apply_is_made_up_for(
    yanksync: Cli, receiver: Cli, upstream: FakeUpstream
) -> None:
    for number in range(150):
        upstream.upload("demo", f"{number}.0")
    yanksync.config.write_text(yanksync.config.read_text() + '[mirror]\nfiles = "copy"\n')
    assert yanksync("sync").code == 0
    bundle = receiver.home / "first.bundle"
    assert yanksync("bundle", "create", str(bundle)).code == 0
    while True:
        apply = receiver.start("bundle", "apply", str(bundle))
        while apply.poll() is None and not any(receiver.output.rglob("*.tar.gz")):
            pass
        apply.kill()
        if ended(apply).code != 0:
            break
        shutil.rmtree(receiver.output)  # it was faster than the kill
        receiver.state.unlink()
    assert missing_copies(receiver.output) == []
    again = receiver("bundle", "apply", str(bundle))
    assert again.code == 0, again.err
    assert missing_copies(receiver.output) == []
    assert {path: one[0] for path, one in receiver.tree().items()} == {
        path: one[0] for path, one in yanksync.tree().items()
    }
    assert receiver("verify", "--hash").silent


def missing_copies(output: Path) -> list[str]:
    """Return the files that pages name and that are not there."""
    return [
        file["url"]
        for page in output.glob("simple/*/index.v1_json")
        for file in json.loads(page.read_bytes())["files"]
        if not (page.parent / file["url"]).is_file()
    ]


@pytest.mark.parametrize("command", ["status", "check", "verify", "doctor"])
def test_before_the_first_bundle_commands_name_it(
    receiver: Cli, served: Served, command: str
) -> None:
    done = receiver(command, PIP_INDEX_URL=served.simple_url)
    assert done.code != 0 or command == "doctor"
    assert "'yanksync bundle apply'" in done.out + done.err


def test_a_lost_state_needs_a_full_bundle(synced: Cli, receiver: Cli) -> None:
    feed(synced, receiver)
    receiver.state.unlink()
    advice = "apply one that was made without --since"
    for command in ("status", "check", "verify"):
        done = receiver(command)
        assert done.code != 0 or command == "status"
        assert advice in done.err
    again = receiver("bundle", "apply", str(receiver.home / "first.bundle"))
    assert again.code == 0
    assert "only a bundle that was made without --since can be applied" in again.err
    assert "sync" not in again.err.removeprefix("yanksync: ").replace("yanksync.db", "")


def test_nothing_is_restored_where_bundles_feed_the_output(synced: Cli, receiver: Cli) -> None:
    feed(synced, receiver)
    for files in ("link", "copy"):
        receiver.configure(mirror=f'output = "mirror"\nfiles = "{files}"')
        for command in (["restore"], ["restore", "demo"]):
            refused = receiver(*command)
            assert (refused.code, refused.out) == (1, "")
            assert "is made of bundles, which bring pages and no history" in refused.err


def test_what_no_bundle_corrects_is_not_left_to_one(synced: Cli, receiver: Cli) -> None:
    feed(synced, receiver)
    page = receiver.output / "simple/demo"
    page.rename(receiver.home / "page")
    page.symlink_to(receiver.home / "page")
    done = receiver("verify")
    assert done.code == 1
    assert done.err.endswith("could not be checked; each line says why\n"), done.err


def test_a_bundle_replaces_no_file(synced: Cli) -> None:
    (synced.home / "first.bundle").write_text("mine")
    refused = synced("bundle", "create", "first.bundle")
    assert refused.code == 2
    assert (synced.home / "first.bundle").read_text() == "mine"


def test_a_bundle_that_does_not_fit_leaves_nothing(synced: Cli) -> None:
    refused = synced("bundle", "create", "/dev/full/first.bundle")
    assert refused.code == 1
    assert "cannot be written" in refused.err
    assert synced("bundle", "create", "first.bundle", "--json").json["cursor"] == 1


def test_a_damaged_bundle_exits_with_1(synced: Cli, receiver: Cli) -> None:
    bundle = receiver.home / "first.bundle"
    assert synced("bundle", "create", str(bundle)).code == 0
    bundle.write_bytes(bundle.read_bytes().replace(b"demo-1.0", b"demo-1.1"))
    refused = receiver("bundle", "apply", str(bundle))
    assert refused.code == 1
    assert "is damaged" in refused.err
    assert not receiver.output.exists()
