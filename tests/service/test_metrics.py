"""What Prometheus is told of passes, read with Prometheus' own parser."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_index.index import Fault, Served
from tests.support.metrics_text import parsed
from tests.support.system.file_size_limit import small_files
from tests.support.world import DONE, HELD, HOUR, PARTIAL, World
from yanksync.core import errors
from yanksync.core.exit_codes import ExitCode
from yanksync.service import metrics


class Watched(World):
    """A world in which each pass is counted."""

    def sync(self, *, later: float = 300.0, **request: Any) -> ExitCode:
        self.configure(health_metrics=str(self.where / "yanksync.prom"))
        begun = self.clock.time + later
        code = super().sync(later=later, **request)
        assert self.mirror is not None
        with self.state() as state:
            metrics.update_counters(state, self.mirror.totals, code)
            end = metrics.PassTiming(exit_code=code, started=begun, ended=self.clock.time)
            families = (*metrics.pass_metrics(end), *metrics.state_metrics(state, end.ended))
        self.sample = parsed(metrics.format_metrics(families))
        return code

    def latency(self) -> tuple[float, float]:
        """Return how many withdrawals were counted, and the seconds that they took together."""
        name = "withdrawal_latency_seconds"
        return self.sample[f"{name}_count"], self.sample[f"{name}_sum"]


@pytest.fixture
def world(served: Served, where: Path) -> Watched:
    world = Watched(served, where)
    for name in ("demo", "other"):
        for version in ("1.0", "2.0"):
            world.up.upload(name, version)
    assert world.sync() == DONE
    return world


def at(world: World, ago: float) -> None:
    """Let upstream write its next entries ``ago`` seconds before the next pass."""
    world.up.clock, world.up.tick = int(world.clock.time + 300.0 - ago), 0


def test_a_first_build(world: Watched) -> None:
    last = world.up.last_serial
    wanted = {
        "last_run_exit_code": 0,
        "last_run_duration_seconds": 0,
        "last_success_timestamp_seconds": world.clock.time,
        "complete_timestamp_seconds": world.clock.time,
        "lag_seconds": 0,
        "lag_serials": 0,
        "journal_serial": last,
        "upstream_serial": last,
        "projects": 2,
        "yanked_releases": 0,
        "pending_projects": 0,
        "unpublished_projects": 0,
        "held": 0,
        "behind_projects": 0,
        "runs_total{exit=0}": 1,
        "runs_total{exit=1}": 0,
        "failures_total{cause=stale}": 0,
        "page_requests_total": 2,
        "pages_recorded_total": 2,
        "projects_published_total": 2,
        "projects_removed_total": 0,
    }
    assert {key: world.sample[key] for key in wanted} == wanted
    assert world.latency() == (0, 0)  # a baseline has no withdrawals
    named = {key.partition("{")[0] for key in world.sample}
    named -= {f"withdrawal_latency_seconds{suffix}" for suffix in ("_bucket", "_sum", "_count")}
    assert named | {"withdrawal_latency_seconds"} == set(metrics.HELP)


def test_an_empty_pass_leaves_what_is_dear_alone(world: Watched) -> None:
    assert world.sync() == DONE
    assert (world.sample["projects"], world.sample["runs_total{exit=0}"]) == (2, 2)


def test_how_long_withdrawals_took(world: Watched) -> None:
    at(world, 100)
    world.up.yank("demo", "2.0", "broken")
    at(world, 200)
    world.up.upload("other", "3.0")  # no withdrawal
    assert world.sync() == DONE
    assert world.latency() == (1, 100)
    assert world.sample["yanked_releases"] == 1
    at(world, 4000)  # upstream's clock, or a pass that came late
    world.up.remove_release("demo", "1.0")
    assert world.sync() == DONE
    assert world.latency() == (2, 4100)
    assert world.sync() == DONE  # nothing is counted again
    assert world.latency() == (2, 4100)
    bucket = "withdrawal_latency_seconds_bucket{le=%s}"
    assert [world.sample[bucket % le] for le in ("60", "300", "3600", "7200", "+Inf")] == [
        0, 1, 1, 2, 2,
    ]  # fmt: skip


def test_what_is_withdrawn_on_the_journals_word_is_counted_once(world: Watched) -> None:
    at(world, 60)
    world.up.quarantine_project("demo")
    world.up.remove_project("other")
    world.up.fail("^/simple/demo/", Fault.status(500), times=None)  # its page does not confirm it
    assert world.sync() == PARTIAL
    assert world.latency() == (2, 120)
    world.up.heal()
    assert world.settle() == DONE
    assert world.latency() == (2, 120)
    assert world.sample["projects_removed_total"] == 1


def test_a_clock_before_upstreams_counts_as_no_time(world: Watched) -> None:
    at(world, -500)
    world.up.yank("demo", "2.0")
    assert world.sync() == DONE
    assert world.latency() == (1, 0)


def test_what_was_published_before_metrics_were_asked_for_is_not_counted(
    served: Served, where: Path
) -> None:
    plain = World(served, where)
    plain.up.upload("demo", "1.0")
    plain.sync()
    plain.up.yank("demo", "1.0")
    plain.sync()
    with plain.state() as state:
        assert state.counters.all() == {}
    watched = Watched(served, where)
    watched.up = served.upstream = plain.up
    watched.clock = plain.clock
    watched.memory = plain.memory
    watched.kills.store = plain.memory
    watched.up.upload("demo", "2.0")
    assert watched.sync() == DONE
    assert watched.latency() == (0, 0)


def test_lag_in_serials_grows_with_what_is_left(world: Watched) -> None:
    whole = world.up.last_serial
    world.up.upload("demo", "3.0")
    world.up.fail("^/simple/demo/", Fault.status(500), times=None)
    assert world.sync() == PARTIAL
    assert world.sample["lag_serials"] == world.up.last_serial - whole
    assert (
        world.sample["lag_seconds"] == world.clock.time - world.sample["complete_timestamp_seconds"]
    )
    assert world.sample["lag_seconds"] >= 300
    assert world.sample["pending_projects"] == 1
    assert world.sample["runs_total{exit=3}"] == 1
    world.up.heal()
    assert world.settle() == DONE
    assert (world.sample["lag_serials"], world.sample["lag_seconds"]) == (0, 0)


def test_failures_are_counted_by_cause(world: Watched) -> None:
    world.up.yank("demo", "2.0")
    world.up.upload("other", "3.0")
    world.up.fail("^/simple/demo/", Fault.status(403), times=None)
    world.up.fail("^/simple/other/", Fault.maintenance(), times=None)
    assert world.sync() == PARTIAL
    failed = {key: value for key, value in world.sample.items() if "cause=" in key and value}
    assert failed == {"failures_total{cause=refused}": 1, "failures_total{cause=bad-answer}": 1}
    world.up.heal()
    world.up.fail("^/pypi", Fault.status(500), times=None)
    assert world.sync(later=HOUR) != DONE
    assert world.sample["failures_total{cause=unreachable}"] == 1
    assert world.sample["last_run_exit_code"] == 1
    assert world.sample["failures_total{cause=refused}"] == 1  # it stays


def test_what_is_held_is_told(world: Watched) -> None:
    for index in range(120):
        world.up.upload(f"many-{index}", "1.0")
    assert world.sync() == DONE
    for index in range(120):
        world.up.remove_project(f"many-{index}")
    assert world.sync() == HELD
    assert world.sample["held"] == 120
    assert world.latency()[0] == 0
    world.approve()
    assert world.settle() == DONE
    assert world.latency()[0] == 120  # when it was let through


def test_what_cooldown_hides_and_what_it_averted_are_told(world: Watched) -> None:
    world.configure(cooldown_age="1d")
    at(world, 0)
    for version in ("3.0", "4.0"):
        world.up.upload("demo", version)
        world.up.upload("demo", version, filename=f"demo-{version}-py3-none-any.whl")
    assert world.sync() == DONE
    sample = world.sample
    assert (sample["cooldown_waiting_files"], sample["averted_files_total"]) == (4, 0)
    world.up.remove_release("demo", "3.0")
    assert world.sync() == DONE
    sample = world.sample
    assert (sample["cooldown_waiting_files"], sample["averted_files_total"]) == (2, 2)
    assert world.sync(later=25 * HOUR) == DONE
    sample = world.sample
    assert (sample["cooldown_waiting_files"], sample["averted_files_total"]) == (0, 2)


def test_every_kind_of_error_has_a_cause_that_is_told() -> None:
    def kinds(of: type[errors.YanksyncError]) -> set[type[errors.YanksyncError]]:
        return {of, *(found for kind in of.__subclasses__() for found in kinds(kind))}

    never = {"other", "upstream", "configuration", "input", "locked", "stdout"}  # no pass ends so
    assert {kind.cause for kind in kinds(errors.YanksyncError)} - never < set(metrics.CAUSES)


def test_what_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "yanksync.prom"
    metrics.write_metrics_file(path, "old")
    with small_files(1000), pytest.raises(OSError, match="File too large"):
        metrics.write_metrics_file(path, "x" * 2000)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


def test_no_link_is_written_through(tmp_path: Path) -> None:
    path, precious = tmp_path / "yanksync.prom", tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / ".yanksync.prom.tmp").symlink_to(precious)
    metrics.write_metrics_file(path, "new")
    assert (path.read_text(), precious.read_text()) == ("new", "precious")


def test_the_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a" / "yanksync.prom"
    metrics.write_metrics_file(path, "old\n")
    with path.open() as reader:
        metrics.write_metrics_file(path, "new\n")
        assert (reader.read(), path.read_text()) == ("old\n", "new\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [found.name for found in path.parent.iterdir()] == ["yanksync.prom"]
