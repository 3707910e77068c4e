"""What ``--dry-run`` and ``verify`` say when the rules of ``[files]`` change."""

from __future__ import annotations

import json
import logging
import random
import string
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_index.http_server import Served
from tests.support.system.traced_memory import peak
from tests.support.world import DONE, World
from yanksync.cli.display.plan_lines import plan_json, plan_lines
from yanksync.core.exit_codes import ExitCode
from yanksync.core.rules.fetch_plan import PassPlan, PlannedCopies, PlannedCopy
from yanksync.mirror.context import Mirror
from yanksync.sync.plan import plan_pass
from yanksync.verify.check import verify_output


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    return World(served, tmp_path, disk=True, mirror_files="copy")


def plan(mirror: World) -> PassPlan:
    found: list[PassPlan] = []

    def work(opened: Mirror) -> ExitCode:
        found.append(plan_pass(opened))
        return DONE

    assert mirror.work(work) == DONE, mirror.error
    return found[0]


def differences(mirror: World) -> list[Any]:
    found: list[Any] = []
    mirror.work(lambda opened: verify_output(opened, found.append)[1])
    return found


def test_a_plan_of_twice_the_pages_takes_no_more_memory(mirror: World) -> None:
    reason = "".join(random.Random(1).choices(string.ascii_letters, k=900_000))
    peaks = []
    for number in range(6):
        mirror.up.upload(f"large-{number}", "1.0")
        mirror.up.upload(f"large-{number}", "2.0")
        for version in ("1.0", "2.0"):
            mirror.up.yank(f"large-{number}", version, f"{number} {version} {reason}")
        if number in (2, 5):
            mirror.configure(files_max_size=0)
            assert mirror.sync() == DONE
            mirror.configure(files_max_size=1)
            peaks.append(peak(lambda: plan(mirror)))
    assert plan(mirror).copies.removed == 12
    assert peaks[1] < 1.3 * peaks[0], peaks


def test_a_plan_counts_files_and_bytes(mirror: World) -> None:
    mirror.configure(files_newest=1)
    mirror.started("demo", "other")
    mirror.up.upload("many", "1.0", content=b"x" * 3000)
    assert mirror.sync() == DONE
    before = mirror.stamps()
    mirror.configure(files_newest=0, files_max_size=2048)
    found = plan(mirror)
    assert found.copies == PlannedCopies(
        first=(
            PlannedCopy("many-1.0.tar.gz", 3000, appears=False),
            PlannedCopy("demo-1.0.tar.gz", 16, appears=True),
            PlannedCopy("other-1.0.tar.gz", 17, appears=True),
        ),
        added=2,
        added_bytes=33,
        removed=1,
        removed_bytes=3000,
    )
    *lines, total = plan_lines(found)
    assert lines == [
        "- take out many-1.0.tar.gz  2.9 KiB",
        "+ copy demo-1.0.tar.gz  16 bytes",
        "+ copy other-1.0.tar.gz  17 bytes",
        "~ rewrite demo",
        "~ rewrite many",
        "~ rewrite other",
    ]
    counts = "2 files to copy (33 bytes), 1 files to take out (2.9 KiB), 3 to rewrite"
    assert total.startswith(f"{counts} (journal read")
    assert json.loads(plan_json(found))["copies"]["removed_bytes"] == 3000
    assert mirror.stamps() == before
    assert mirror.sync() == DONE
    assert plan(mirror).copies == PlannedCopies()


def test_a_plan_names_no_project_that_stays_as_it_is(mirror: World) -> None:
    mirror.started("demo", "other")
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    mirror.configure(files_newest=2)
    found = plan(mirror)
    assert found.rewrites == ("demo",)
    assert [one.filename for one in found.copies.first] == ["demo-1.0.tar.gz"]


def test_a_plan_has_what_a_lock_file_takes_out(mirror: World) -> None:
    mirror.started("demo", "other")
    path = mirror.where / "uv.lock"
    path.write_text(
        'version = 1\n[[package]]\nname = "demo"\nversion = "2.0"\n'
        'source = { registry = "https://upstream.example/simple/" }\n',
        encoding="utf-8",
    )
    mirror.configure(files_lock_files=[str(path)])
    found = plan(mirror)
    assert [removal.name for removal in found.removals] == ["other"]
    assert [one.filename for one in found.copies.first] == [
        "demo-1.0.tar.gz",
        "other-1.0.tar.gz",
        "other-2.0.tar.gz",
    ]


def test_a_plan_has_what_a_mirror_gives_up(mirror: World) -> None:
    mirror.started()
    mirror.configure(mirror_files="link")
    found = plan(mirror)
    assert (found.copies.removed, found.copies.removed_bytes) == (2, 32)
    assert [one.filename for one in found.copies.first] == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
    assert found.rewrites == ("demo",)


def test_a_long_plan_is_cut() -> None:
    first = (PlannedCopy("a.whl", None, appears=False), PlannedCopy("b.whl", 1, appears=True))
    copies = PlannedCopies(
        first=first, added=1001, added_bytes=2048, removed=3, removed_bytes=1 << 30
    )
    assert list(plan_lines(PassPlan(cursor=None, copies=copies))) == [
        "- take out a.whl  size unknown",
        "+ copy b.whl  1 bytes",
        "- and 2 more to take out",
        "+ and 1,000 more to copy",
        "1,001 files to copy (2.0 KiB), 3 files to take out (1.0 GiB); nothing was changed",
    ]


def test_verify_compares_with_the_rules_of_the_newest_pass(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.configure(files_newest=1)
    mirror.started()
    assert differences(mirror) == []
    assert caplog.messages == []
    mirror.configure(files_newest=0)
    assert differences(mirror) == []
    (record,) = (one for one in caplog.records if one.levelno == logging.WARNING)
    assert record.getMessage().startswith("the rules of [files] have changed in the configuration")
    (mirror.where / "out/simple/demo/index.html").write_text("")
    assert {one.project for one in differences(mirror)} == {"demo"}
