"""Random histories of an upstream and its mirror, which must end up equal, and know the history.

``YANKSYNC_HISTORIES`` is the number of histories to run, each with up to ``YANKSYNC_STEPS`` steps.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.histories import Histories


def _count(variable: str, default: int) -> int:
    return int(os.environ.get(variable, default))


def test_any_history_ends_in_upstreams_state() -> None:
    with serve(FakeUpstream()) as served:
        Histories.served = served
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=_count("YANKSYNC_HISTORIES", 20),
                stateful_step_count=_count("YANKSYNC_STEPS", 25),
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
