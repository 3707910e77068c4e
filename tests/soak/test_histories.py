"""What the random histories expect, step by step."""

from __future__ import annotations

import pytest

from tests.soak.histories import Harder
from tests.support.fake_index.index import Served


@pytest.mark.rule("R14")
@pytest.mark.parametrize("disk", [False, True], ids=["memory", "disk"])
@pytest.mark.parametrize("dies", [False, True], ids=["whole", "died-before-its-list"])
def test_a_state_without_projects_is_put_back_at_another_address(
    served: Served, disk: bool, dies: bool
) -> None:
    """Hold the pages that the pass notices.

    They are in the output. With no list it notices none.
    """
    machine = type("Machine", (Harder,), {"served": served})()
    machine.begin(omit=False, begun=[], disk=disk)
    machine.poll(later=300.0)
    machine.back_up()
    machine.the_address_of_upstream_changes()
    machine.upload(name=("Alpha", "alpha"), other=False, version="1.0")
    if dies:
        machine.poll_killed_while_publishing(at=0, after=True)
    else:
        machine.poll(later=300.0)
    assert machine.world.page("alpha") is not None
    assert machine.world.listed() == ([] if dies else ["alpha"])
    machine.put_back()
    assert machine.kept == dies  # an approval makes it useless
    machine.teardown()
