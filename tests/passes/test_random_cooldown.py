"""Random histories under cooldown; and their oracle, which must notice planted faults.

``YANKSYNC_HISTORIES`` is the number of histories to run, each with up to ``YANKSYNC_STEPS`` steps.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.cooldown_histories import BEGUN, CooldownHistories
from tests.support.fake_index.index import Served
from tests.support.index_oracle import (
    Config,
    IndexOracle,
    Known,
    Table,
    Truth,
    Violation,
    Wanted,
    compare,
)
from tests.support.world import DAY, HOUR


def run(machine: type[CooldownHistories], histories: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=int(os.environ.get("YANKSYNC_STEPS", "20")),
            deadline=None,
            phases=(Phase.generate,),  # to shrink takes minutes
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_any_history_offers_what_the_oracle_says(served: Served) -> None:
    machine = type("Machine", (CooldownHistories,), {"served": served})
    run(machine, int(os.environ.get("YANKSYNC_HISTORIES", "15")))


# Faults are planted in the oracle: a mirror that differs from it in this way is what it notices.


class NoChains(IndexOracle):
    def chain_end(self, file: Truth, files: Sequence[Truth], moment: float) -> float:
        return moment


class UploadTimeAlone(IndexOracle):
    def effective(self, file: Truth) -> float | None:
        return super().effective(file if file.claimed is None else file._replace(added=None))


class JournalAlone(IndexOracle):
    def effective(self, file: Truth) -> float | None:
        return super().effective(file if file.added is None else file._replace(claimed=None))


class NoMemory(IndexOracle):
    def _file(self, project: str, file: Truth, files: Sequence[Truth], known: Known) -> Wanted:
        return super()._file(project, file, files, known._replace(shown=set()))


class LaterCutoff(IndexOracle):
    def _file(self, project: str, file: Truth, files: Sequence[Truth], known: Known) -> Wanted:
        return super()._file(project, file, files, known._replace(cutoff=known.cutoff + HOUR))


class NoPatterns(IndexOracle):
    def _ages(self, project: str) -> tuple[float, float]:
        return self.config.age, self.config.new_projects


class NoNewProjects(IndexOracle):
    def _ages(self, project: str) -> tuple[float, float]:
        return super()._ages(project)[0], 0.0


class EndlessOverrides(IndexOracle):
    def _applies(self, table: Table, project: str, file: Truth, cutoff: float) -> bool:
        return super()._applies(table._replace(until=None), project, file, cutoff)


class AllowsBeforeYanks(IndexOracle):
    def _is_allowed(self, actions: set[str]) -> bool:
        return "allow" in actions


class AllowsMalware(IndexOracle):
    def _is_hidden(self, project: str, file: Truth, tables: Sequence[Table]) -> bool:
        return any(one.action == "hide" for one in tables)


class Changed(IndexOracle):
    """An oracle with another configuration than the mirror."""

    changes: Config

    def begin_pass(self, config: Config) -> None:
        fields = {
            key: value
            for key, value in self.changes._asdict().items()
            if value != Config._field_defaults[key]
        }
        super().begin_pass(config._replace(**fields))


class HidesAlways(Changed):
    changes = Config(mode="mark nothing")


class AllowsMissing(Changed):
    changes = Config(missing="allow")


class NotAfterNever(Changed):
    changes = Config(not_after=1e12)


AGE = Config(age=6 * HOUR)
SHORT = Config(age=HOUR / 4)
Step = tuple[str, str, float | None, float]  # (project, version, lie about its time, then passes)
MINUTE = 60.0
# Per fault: a short history, of uploads each with a pass after it, that shows it.
PLANTED: list[tuple[type[IndexOracle], Config, list[Step]]] = [
    (NoChains, AGE, [("alpha", "1.0", 0.0, HOUR / 2), ("alpha", "1.0", 0.0, 5.75 * HOUR)]),
    (UploadTimeAlone, AGE, [("alpha", "1.0", -9e5, MINUTE)]),
    (JournalAlone, AGE, [("alpha", "1.0", 2 * HOUR, 7 * HOUR)]),
    (NoMemory, SHORT, [("alpha", "1.0", 0.0, HOUR / 2), ("alpha", "1.0", 0.0, MINUTE)]),
    (LaterCutoff, AGE, [("alpha", "1.0", 0.0, 5.5 * HOUR)]),
    (NoPatterns, AGE._replace(projects=(("al*", 0.0),)), [("alpha", "1.0", 0.0, MINUTE)]),
    (NoNewProjects, SHORT._replace(new_projects=12 * HOUR), [("alpha", "1.0", 0.0, HOUR)]),
    (
        EndlessOverrides,
        AGE._replace(tables=(Table("alpha", "allow", until=BEGUN + HOUR),)),
        [("alpha", "1.0", 0.0, 2 * HOUR)],
    ),
    (
        AllowsBeforeYanks,
        AGE._replace(
            tables=(Table("alpha", "allow", until=BEGUN + DAY), Table("alpha==1.0", "yank"))
        ),
        [("alpha", "1.0", 0.0, MINUTE)],
    ),
    (AllowsMalware, SHORT._replace(malware=(("alpha", "1.0"),)), [("alpha", "1.0", 0.0, HOUR)]),
    (HidesAlways, AGE._replace(mode="yank"), [("alpha", "1.0", 0.0, MINUTE)]),
    (AllowsMissing, SHORT, [("alpha", "1.0", None, HOUR)]),
    (
        NotAfterNever,
        Config(not_after=BEGUN + HOUR),
        [("alpha", "1.0", 0.0, 2 * HOUR), ("alpha", "2.0", 0.0, DAY)],
    ),
]


def live(machine: CooldownHistories, config: Config, steps: list[Step]) -> None:
    try:
        machine.begin(begun=[], config=config, sealed=False, narrow=False)
        for name, version, date, later in steps:
            machine.upload_and_sync(name=name, version=version, date=date, later=later)
    except Violation:
        shutil.rmtree(machine.where)
        raise


@pytest.mark.parametrize(
    ("oracle", "config", "steps"), PLANTED, ids=[one[0].__name__ for one in PLANTED]
)
def test_a_planted_fault_is_noticed(
    served: Served, oracle: type[IndexOracle], config: Config, steps: list[Step]
) -> None:
    right = type("Machine", (CooldownHistories,), {"served": served})()
    live(right, config, steps)
    right.teardown()
    wrong = type("Machine", (CooldownHistories,), {"served": served, "oracle": oracle})()
    with pytest.raises(Violation):
        live(wrong, config, steps)


def test_a_mirror_with_a_wrong_cutoff_is_noticed(served: Served) -> None:
    """Its clock is ahead by less than yanksync itself can notice."""
    machine = type("Machine", (CooldownHistories,), {"served": served, "wrong": 200.0})()
    with pytest.raises(Violation, match="cut-off"):
        live(machine, AGE, [("alpha", "1.0", 0.0, 6 * HOUR)])


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ({"a": False}, {"a": Wanted(False)}),
        ({}, {"a": Wanted(True)}),
        ({"gone": False}, {}),
        ({"a": True}, {"a": Wanted(True)}),
        ({"a": False}, {"a": Wanted(True, ())}),
        ({"a": "theirs"}, {"a": Wanted(True, ("theirs", "ours"))}),
        ({"a": "ours; theirs"}, {"a": Wanted(True, ("theirs", "ours"))}),
        ({"a": "until then"}, {"a": Wanted(True, ("2026-12-01T00:00:00Z",))}),
    ],
)
def test_pages_are_compared_file_by_file_and_mark_by_mark(
    offered: dict[str, bool | str], wanted: dict[str, Wanted]
) -> None:
    with pytest.raises(Violation):
        compare(offered, wanted)


def test_a_right_page_passes() -> None:
    until = "2026-12-01T00:00:00Z"
    compare(
        {"a": False, "b": True, "c": f"theirs; ours; too new until {until}"},
        {"a": Wanted(True), "b": Wanted(True, ()), "c": Wanted(True, ("theirs", "ours", until))},
    )
