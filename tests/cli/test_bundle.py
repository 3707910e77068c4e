"""``bundle create`` and ``bundle apply`` as a user runs them."""

from __future__ import annotations

import pytest

from tests.support.cli_runner import Cli


@pytest.fixture
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program on a machine without an upstream."""
    made = Cli(tmp_path_factory.mktemp("receiver"), None)
    made.config.write_text('[mirror]\noutput = "mirror"\nstate = "yanksync.db"\n')
    return made


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
    assert receiver("check").out.startswith("OK: up to date")
    refused = receiver("sync", YANKSYNC_UPSTREAM_SIMPLE_URL="http://127.0.0.1:9/simple/")
    assert refused.code == 1
    assert "is made of bundles, so nothing was done" in refused.err


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
