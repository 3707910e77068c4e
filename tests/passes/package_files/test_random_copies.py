"""Runs random histories of a mirror that copies files.

Each must end up equal to upstream. ``YANKSYNC_HISTORIES`` and ``YANKSYNC_STEPS`` are as for the
histories without files.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.copy_histories import CopyHistories
from tests.support.fake_index.index import FakeUpstream, serve


def test_any_history_ends_with_the_right_copies() -> None:
    with serve(FakeUpstream()) as served:
        machine = type("Copies", (CopyHistories,), {"served": served})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=int(os.environ.get("YANKSYNC_HISTORIES", 8)),
                stateful_step_count=int(os.environ.get("YANKSYNC_STEPS", 20)),
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
