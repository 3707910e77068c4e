"""The log that a real mirror publishes, read by the audit: it tells what the state tells."""

from __future__ import annotations

import re

import pytest

from tests.support.fake_index.index import Fault
from tests.support.world import DONE, World
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin
from yanksync.reports.audit.findings import PinVerdict
from yanksync.reports.audit.judgement import judge
from yanksync.reports.audit.log_documents import decode_project, in_place
from yanksync.reports.audit.log_source import read_log
from yanksync.reports.audit.log_verdicts import judged_by_log
from yanksync.reports.audit.state_source import facts_of_state

NAMES = ("demo", "fine", "gone", "held", "made")
PINS = tuple(
    Pin(project=NormalizedName(name), version=version)
    for name in NAMES
    for version in ("1.0", "2.0")
)


@pytest.fixture
def published(world: World) -> World:
    """A mirror that has seen each kind of withdrawal; its log is served beside upstream."""
    world.configure(withdrawals_publish="true")
    world.started(*NAMES)
    world.up.yank("demo", "1.0", "bad\x1b[0m\ud800")
    world.up.yank("fine", "1.0")
    world.up.remove_project("gone")
    world.up.quarantine_project("held")
    world.up.remove_project("made")
    assert world.sync() == DONE
    world.up.unyank("fine", "1.0")
    world.up.remove_release("demo", "2.0")
    world.up.upload("made", "1.0")
    assert world.sync() == DONE
    for path, body in world.files().items():
        if path.startswith("withdrawals/"):
            answer = Fault.body(body, "application/octet-stream")
            world.up.fail(f"^/{re.escape(path)}$", answer, None)
    return world


def by_state(world: World) -> list[PinVerdict]:
    with world.state() as state:
        facts = facts_of_state(state, {pin.project for pin in PINS})
    return [judge(pin, facts[pin.project], "3.11") for pin in PINS]


def in_short(verdicts: list[PinVerdict]) -> list[tuple[str, list[tuple[object, ...]]]]:
    return [
        (
            f"{one.pin.project} {one.pin.version}",
            [(str(each.kind), each.reason, each.since) for each in one.findings],
        )
        for one in verdicts
    ]


def test_the_log_and_the_state_say_the_same(published: World) -> None:
    source, found = judged_by_log(published.served.root_url, {}, PINS, "3.11")
    assert source.startswith(f"the log of {published.served.root_url}withdrawals/ (epoch ")
    wanted = dict(in_short(by_state(published)))
    wanted["made 2.0"] = wanted["made 1.0"]  # the log does not know what a new project lacks
    assert dict(in_short(found)) == wanted
    assert [kind for _, findings in in_short(found) for kind, *_ in findings] == [
        "yanked",
        "removed",
        "project-gone",
        "project-gone",
        "quarantined",
        "quarantined",
        "project-recreated",
        "project-recreated",
    ]


def test_the_document_of_a_project_has_its_part_of_the_log(published: World) -> None:
    files = published.files()
    settings = published.mirror.settings if published.mirror is not None else None
    assert settings is not None
    read = read_log(
        settings, f"{published.served.root_url}withdrawals/", set(map(NormalizedName, NAMES))
    )
    for name in map(NormalizedName, NAMES):
        document = decode_project(files[f"withdrawals/project/{name}/events.json"], name)
        assert document.epoch == read.epoch
        assert in_place(document.events) == read.events[name]
