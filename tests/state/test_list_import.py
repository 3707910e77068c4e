"""A list of projects held against the state (rules R3, R7)."""

from __future__ import annotations

import pytest

from tests.support.builders.state_rows import NOW, project, record
from yanksync.core.model import PublishedForms
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.state.state import State


def load(state: State, **serials: int | None) -> None:
    state.list_import.import_rows(
        (name, name.capitalize(), serial, None) for name, serial in serials.items()
    )


def asked(state: State) -> dict[str, tuple[int | None, bool]]:
    looks = state.fetch_queue.take(99, NOW, 99, at_once=True)
    return {look.name: (look.required_serial, look.forced) for look in looks}


@pytest.fixture
def known(state: State) -> State:
    """A project held at 10, one gone at 10, one quarantined at 10, one unknown."""
    for name in ("held", "gone", "shut"):
        record(state, name, quarantined=name == "shut")
    state.projects.remove("gone", 10)
    state.projects.add([("unknown", "unknown")])
    state.projects.set_unknown("unknown")
    return state


@pytest.mark.parametrize(
    ("name", "serial", "reach"),
    [
        pytest.param("held", 10, None, id="as-held"),
        pytest.param("held", 9, None, id="older-list"),
        pytest.param("held", 11, 11, id="newer"),
        pytest.param("held", None, None, id="list-without-serials"),
        pytest.param("gone", 10, None, id="at-the-tombstone"),
        pytest.param("gone", 11, 11, id="above-the-tombstone"),
        pytest.param("unknown", 5, 5, id="appears"),
        pytest.param("fresh", 5, 5, id="new"),
    ],
)
def test_mark_newer(known: State, name: str, serial: int | None, reach: int | None) -> None:
    load(known, **{name: serial})
    known.list_import.mark_newer(NOW)
    assert asked(known) == ({} if reach is None else {name: (reach, False)})


def test_mark_newer_asks_for_a_new_project_without_serial_once(known: State) -> None:
    load(known, fresh=None)
    known.list_import.mark_newer(NOW)
    assert asked(known) == {"fresh": (None, False)}


def test_mark_missing_asks_only_for_what_no_page_is_held_of(known: State) -> None:
    load(known, held=99, fresh=5, unknown=6)
    known.list_import.mark_missing(NOW)
    assert asked(known) == {"fresh": (5, False), "unknown": (6, False)}


def test_mark_all_is_the_union_of_list_and_state_at_the_higher_serial(known: State) -> None:
    load(known, held=8, gone=8, fresh=5)
    known.fetch_queue.mark("shut", 12, NOW)
    known.list_import.mark_all(NOW)
    assert asked(known) == {
        "held": (10, True),
        "gone": (8, True),
        "fresh": (5, True),
        "shut": (12, True),
    }


@pytest.mark.rule("R3")
@pytest.mark.parametrize(("serial", "again"), [(10, False), (12, True)])
def test_only_a_higher_serial_is_news(known: State, serial: int, again: bool) -> None:
    known.fetch_queue.mark("held", 11, NOW)
    for _ in range(3):
        known.fetch_queue.failed("held", "old", NOW, stale=True)
    load(known, held=serial)
    known.list_import.mark_newer(NOW)
    assert [look.name for look in known.fetch_queue.take(1, NOW, 9)] == (["held"] if again else [])


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("serial", "entry", "left"),
    [
        pytest.param(10, None, ["held"], id="list-as-new-as-the-page"),
        pytest.param(9, None, [], id="older-than-the-page"),
        pytest.param(None, None, [], id="list-without-serial"),
        pytest.param(11, 12, [], id="older-than-the-newest-entry"),
        pytest.param(12, 12, ["held"], id="as-new-as-the-newest-entry"),
    ],
)
def test_leaving_the_list(
    known: State, serial: int | None, entry: int | None, left: list[str]
) -> None:
    if entry is not None:
        known.projects.note_entry("held", EntryKind.YANK, entry)
    load(known, other=1)
    assert known.list_import.note_left_out(serial, NOW) == left
    assert project(known, "held").omitted_at_serial == (serial if left else None)
    assert [look.name for look in known.fetch_queue.take(1, NOW, 9) if look.urgent] == left
    load(known, held=1)
    assert project(known, "held").omitted_at_serial is None, "back on the list"


def test_display_names_follow_the_list(known: State) -> None:
    published = PublishedForms(b"j", b"h")
    known.publish_queue.mark_published([(project(known, "held").id, published, True, 10)])
    known.facts.put(list_changed=None)
    load(known, held=10)
    assert known.facts.flag("list_changed")
    assert [row.display for row in known.projects.listing()] == ["Held"]
    known.facts.put(list_changed=None)
    load(known, held=10, fresh=3)
    assert not known.facts.flag("list_changed")
    assert project(known, "fresh").presence is Presence.NEW


def test_a_list_is_held_for_a_moment_only(known: State) -> None:
    load(known, a=1)
    load(known, b=1)
    known.list_import.mark_missing(NOW)
    assert list(asked(known)) == ["b"]
    known.list_import.drop()
    known.list_import.drop()


def test_of_several_spellings_the_highest_serial_counts(known: State) -> None:
    published = PublishedForms(b"j", b"h")
    known.publish_queue.mark_published([(project(known, "held").id, published, True, 10)])
    spellings = {"Held": 10, "HELD": 12, "hELD": 11, "held": None}
    known.list_import.import_rows(
        ("held", spelling, serial, None) for spelling, serial in spellings.items()
    )
    known.list_import.mark_newer(NOW)
    assert asked(known) == {"held": (12, False)}
    assert [row.display for row in known.projects.listing()] == ["HELD"]


def test_another_revision_asks_for_the_page_without_a_new_serial(known: State) -> None:
    def look(revision: int | None) -> dict[str, tuple[int | None, bool]]:
        known.list_import.import_rows([("held", "Held", 10, revision)])
        known.list_import.mark_newer(NOW)
        known.list_import.mark_revised(NOW)
        return asked(known)

    assert look(None) == {}
    assert look(3) == {}  # nothing says of which revision the held page is
    assert look(3) == {}
    assert look(4) == {"held": (None, False)}
