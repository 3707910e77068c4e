"""A pass that copies files for long goes on following upstream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.passes.package_files.copied_mirror import copies, incoming, links
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.world import DONE, HOUR, Clock, World


class _Meanwhile(Clock):
    """An hour passes, and upstream changes, while a file is under way."""

    def __init__(self, world: World, change: Callable[[FakeUpstream], int]) -> None:
        super().__init__()
        self.time, self._world = world.clock.time, world
        self._change, self.has_changed = change, False
        self.told = ""  # what the log of withdrawals had while the file was under way

    def monotonic(self) -> float:
        output = self._world.where / "out"
        if not self.has_changed and list(output.glob("packages/.incoming/*")):
            self.has_changed = True
            self._change(self._world.up)
            self.time += HOUR
        if self.has_changed and not list(output.glob("packages/*/*/*/big-1.0*")):
            self.told = "".join(
                path.read_text() for path in output.glob("withdrawals/log/*.ndjson")
            )
        return super().monotonic()


def test_a_yank_is_published_and_logged_while_a_file_is_under_way(
    served: Served, tmp_path: Path
) -> None:
    mirror = World(served, tmp_path, disk=True, mirror_files="copy", withdrawals_publish=True)
    mirror.started()
    mirror.up.upload("big", "1.0")
    mirror.up.fail("big-1.0", Fault.delay(1.5))
    mirror.clock = clock = _Meanwhile(mirror, lambda up: up.yank("demo", "1.0", "broken"))
    assert mirror.sync() == DONE
    assert '"broken"' in clock.told


@pytest.mark.parametrize(
    "withdraw",
    [
        lambda up: up.remove_release("big", "1.0"),
        lambda up: up.quarantine_release("big", "1.0"),
        lambda up: up.quarantine_project("big"),
    ],
    ids=["removed", "release quarantined", "project quarantined"],
)
def test_a_file_that_is_withdrawn_while_it_is_under_way_is_not_served(
    served: Served, tmp_path: Path, withdraw: Callable[[FakeUpstream], int]
) -> None:
    mirror = World(served, tmp_path, disk=True, mirror_files="copy")
    mirror.up.upload("big", "1.0")
    mirror.up.upload("big", "2.0")
    mirror.up.fail("big-1.0", Fault.delay(1.0))
    mirror.clock = clock = _Meanwhile(mirror, withdraw)
    assert mirror.sync() == DONE
    assert clock.has_changed
    assert "big-1.0.tar.gz" not in {*copies(mirror), *links(mirror, "big")}
    assert incoming(mirror) == []
    assert sum(one.path.endswith("big-1.0.tar.gz") for one in mirror.requests) == 1
