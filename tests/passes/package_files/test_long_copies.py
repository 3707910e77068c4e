"""A pass that copies files for long goes on following upstream."""

from __future__ import annotations

from pathlib import Path

from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.world import DONE, HOUR, Clock, World


class _YankedMeanwhile(Clock):
    """An hour passes, and a release is yanked, while a file is under way."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.time, self._world = world.clock.time, world
        self._is_yanked = False
        self.told = ""  # what the log of withdrawals had while the file was under way

    def monotonic(self) -> float:
        up, output = self._world.up, self._world.where / "out"
        if not self._is_yanked and list(output.glob("packages/.incoming/*")):
            self._is_yanked = True
            up.yank("demo", "1.0", "broken")
            self.time += HOUR
        if self._is_yanked and not list(output.glob("packages/*/*/*/big-1.0*")):
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
    mirror.clock = clock = _YankedMeanwhile(mirror)
    assert mirror.sync() == DONE
    assert '"broken"' in clock.told
