"""Passes that copy package files, killed or failed at each of their calls."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tests.soak.kills import Point, Scenario
from tests.support.copy_oracle import check_links, check_settled
from tests.support.fake_index.index import Fault, Served
from tests.support.world import DONE

FILES = "files"
"""The group of calls on package files, wherever they are."""


class CopyScenario(Scenario):
    """A pass in which files come and go."""

    flags: ClassVar[dict[str, object]] = {"mirror_files": "copy", "files_free_space": "0"}
    more = 'files = "copy"\n[files]\nfree_space = 0\n'

    def __init__(self, served: Served, where: Path) -> None:
        self._places: set[str] = set()
        super().__init__(served, where)
        check_settled(self.work / "out")

    def _list_points(self) -> Iterator[Point]:
        yield from super()._list_points()
        assert self._places

    def _group(self, arguments: str) -> str:
        for root in (f"{self.work}/out/packages", f"{self.work}/state.db.withheld"):
            _, found, rest = arguments.partition(root)
            if found:
                self._places.add(root + rest.partition('"')[0].partition(">")[0])
                return FILES
        return super()._group(arguments)

    def _paths(self, group: str) -> list[str]:
        return sorted(self._places) if group == FILES else super()._paths(group)

    def check_tree(self, *, listed: bool = True) -> None:
        """Each page is whole, and names no copy that is missing or wrong."""
        check_links(self.work / "out")
        for path, body in self.files().items():
            text = gzip.decompress(body) if path.endswith(".gz") else body
            if "json" in path:
                json.loads(text)
            else:
                assert b"</html>" in text, path

    def _check_failed(self, done: subprocess.CompletedProcess[str]) -> None:
        self.tally["errors"] += 1
        assert done.stdout == "" and "internal error" not in done.stderr, done
        assert done.returncode in (DONE, 1, 3, 75), done
        assert "Traceback" not in done.stderr or "yanksync: " not in done.stderr, done
        self.check_tree()

    def _finish_alone(self) -> None:
        """Without upstream no page gets worse."""
        self.world.up.fail(".", Fault.status(503, 0), None)
        assert self.world.sync(later=0) != DONE
        self.world.up.heal()
        self.check_tree()
        self.tally["finished alone"] += 1

    def _heal(self) -> None:
        super()._heal()
        check_settled(self.work / "out")
