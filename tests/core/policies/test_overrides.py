"""The operator's decisions, malware advisories, and how they go together."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.builders.dated_files import DAY, T, file, page
from tests.support.builders.random_pages import CALM
from tests.support.offer_oracle import oracle_choice
from yanksync.core.model import File, Yank
from yanksync.core.policies.cooldown import UNKNOWN_TIMES, Cooldown
from yanksync.core.policies.offer import Offer, OfferRules, offer
from yanksync.core.policies.overrides import (
    Action,
    Advisory,
    Match,
    Override,
    names_version,
    parse_match,
)

COOLDOWN = Cooldown(age=DAY)


def override(match: str, action: str, reason: str = "", until: float | None = None) -> Override:
    return Override(
        text=match, match=parse_match(match), action=Action(action), reason=reason, until=until
    )


def offered(*files: File, cutoff: float = T + DAY, **rules: Any) -> Offer:
    return offer(page(*files), OfferRules(**rules), UNKNOWN_TIMES, cutoff)


def marks(of: Offer) -> dict[str, str | None]:
    found = ((one.filename, one.yanked) for one in of.page.files)
    return {name: None if yank is None else yank.reason for name, yank in found}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("Foo.Bar", Match("foo-bar")),
        ("Foo_Bar==1.0", Match("foo-bar", "1.0")),
        ("foo == 1.0", Match("foo", "1.0")),
        ("foo-1.0.tar.gz", Match(file="foo-1.0.tar.gz")),
        ("foo-1.0-py3-none-any.whl", Match(file="foo-1.0-py3-none-any.whl")),
    ],
)
def test_what_a_match_means(text: str, match: Match) -> None:
    assert parse_match(text) == match


@pytest.mark.parametrize(
    "text", ["", "==1.0", "foo==", "a b", "../x.zip", "foo*", "foo===1", "foo==1.*"]
)
def test_what_matches_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|names no|neither"):
        parse_match(text)


def test_a_release_is_compared_as_pep_440_does() -> None:
    got = offered(file("demo-1.0.zip", T), file("demo-1.1.zip", T),
                  overrides=(override("demo==1.0.0", "hide"),))  # fmt: skip
    assert list(marks(got)) == ["demo-1.1.zip"]


def test_allow_cancels_all_of_cooldown() -> None:
    young = file("demo-1.0.zip", T)
    rules: dict[str, Any] = {"cooldown": Cooldown(age=DAY, not_after=T - 1)}
    assert marks(offered(young, **rules)) == {}
    for match in ("demo", "demo==1", "demo-1.0.zip"):
        got = offered(young, **rules, overrides=(override(match, "allow", until=T + 2 * DAY),))
        assert list(marks(got)) == ["demo-1.0.zip"]
        assert got.changes_at == T + 2 * DAY


@pytest.mark.parametrize("mode", ["hide", "yank"])
def test_allow_cancels_an_age_of_new_projects_and_missing_times(mode: Any) -> None:
    files = (file("demo-1.0.zip", T), file("demo-2.0.zip", None))
    cooldown = Cooldown(age=DAY, new_projects=9 * DAY, mode=mode)
    got = offered(*files, cooldown=cooldown, overrides=(override("demo", "allow"),))
    assert marks(got) == {"demo-1.0.zip": None, "demo-2.0.zip": None}
    assert got.waiting == 0


@pytest.mark.parametrize("action", ["allow", "yank"])
def test_no_override_removes_a_yank_of_upstream(action: str) -> None:
    yanked = replace(file("demo-1.0.zip", T), yanked=Yank("theirs"))
    for match in ("demo", "demo==1.0", "demo-1.0.zip"):
        got = offered(
            yanked, cooldown=COOLDOWN, overrides=(override(match, action),), cutoff=T + 9 * DAY
        )
        assert marks(got) == {"demo-1.0.zip": "theirs"}


def test_an_override_expires_at_the_cut_off() -> None:
    rules: dict[str, Any] = {
        "cooldown": COOLDOWN,
        "overrides": (override("demo", "allow", until=T + 5),),
    }
    assert list(marks(offered(file("demo-1.0.zip", T), cutoff=T + 4, **rules)))
    assert not list(marks(offered(file("demo-1.0.zip", T), cutoff=T + 5, **rules)))


def test_upstreams_reason_comes_first_and_the_moment_last() -> None:
    yanked = File(
        filename="demo-1.0.zip",
        url="https://files.example/demo-1.0.zip",
        upload_time="2026-12-01T00:00:00Z",
        yanked=Yank("theirs"),
    )
    rules: dict[str, Any] = {
        "cooldown": Cooldown(age=DAY, mode="yank"),
        "overrides": (override("demo", "yank", "ours"),),
    }
    got = marks(offered(yanked, **rules))["demo-1.0.zip"]
    assert got is not None
    assert got.startswith("theirs; ours; ")
    assert got.endswith(" 2026-12-02T00:00:00Z")


def test_mode_yank_marks_the_young_and_hides_the_rest() -> None:
    rules: dict[str, Any] = {"cooldown": Cooldown(age=DAY, mode="yank", not_after=T + 5)}
    got = offered(
        file("demo-1.0.zip", T), file("demo-2.0.zip", None), file("demo-3.0.zip", T + 6), **rules
    )
    assert list(marks(got)) == ["demo-1.0.zip"]
    assert got.waiting == 1


def test_a_version_goes_with_its_last_visible_file() -> None:
    project = page(file("demo-1.0.zip", T - 9 * DAY), file("demo-2.0.zip", T))
    project = type(project)(name="demo", files=project.files, versions=("1.0", "2.0", "3.0"))
    got = offer(project, OfferRules(cooldown=COOLDOWN), UNKNOWN_TIMES, T)
    assert got.page.versions == ("1.0", "3.0")
    assert (got.changes_at, got.waiting) == (T + DAY, 1)


ADVISORY = {"demo": (Advisory("MAL-1", ("1.0",)),)}


def test_only_an_allow_of_exactly_that_release_cancels_an_advisory() -> None:
    old = file("demo-1.0.zip", T - 9 * DAY)
    assert marks(offered(old, advisories=ADVISORY)) == {}
    for match in ("demo", "demo-1.0.zip"):
        assert marks(offered(old, advisories=ADVISORY, overrides=(override(match, "allow"),))) == {}
    got = offered(old, advisories=ADVISORY, overrides=(override("demo==1.0", "allow"),))
    assert list(marks(got)) == ["demo-1.0.zip"]


def test_an_advisory_is_stronger_than_yank_and_than_cooldowns_mark() -> None:
    rules: dict[str, Any] = {"cooldown": Cooldown(age=DAY, mode="yank"), "advisories": ADVISORY}
    for of in (file("demo-1.0.zip", T), file("demo-1.0.zip", T - 9 * DAY)):
        assert marks(offered(of, **rules, overrides=(override("demo==1.0", "yank"),))) == {}


@pytest.mark.parametrize("chosen", list(product([False, True], repeat=3)))
def test_the_strongest_decision_counts(chosen: tuple[bool, bool, bool]) -> None:
    actions = dict(zip(("hide", "yank", "allow"), chosen, strict=True))
    overrides = tuple(
        override(match, action)
        for action, there in actions.items()
        for match in ("demo", "demo==1.0")
        if there
    )
    got = marks(offered(file("demo-1.0.zip", T), cooldown=COOLDOWN, overrides=overrides))
    # Without a decision, and under "yank", cooldown hides a young file.
    wanted = {"demo-1.0.zip": None} if oracle_choice(actions) == "allow" else {}
    assert got == wanted
    old = marks(offered(file("demo-1.0.zip", T - 9 * DAY), cooldown=COOLDOWN, overrides=overrides))
    assert old == {
        "hide": {}, "yank": {"demo-1.0.zip": ""}, "allow": {"demo-1.0.zip": None},
        None: {"demo-1.0.zip": None},
    }[oracle_choice(actions)]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([("introduced", "0")], ["0.1", "9!1", "2004d", None], []),
        ([("introduced", "1.0"), ("fixed", "1.2")], ["1.0", "1.1.post1"], ["0.9", "1.2", None]),
        ([("introduced", "1.0"), ("last_affected", "1.0")], ["1.0.0"], ["1.0.1", "2004d"]),
        ([("fixed", "1.2"), ("introduced", "0")], ["1.1"], ["1.2"]),
        ([("introduced", "1"), ("fixed", "2"), ("introduced", "3")], ["1", "3", "9"], ["2"]),
        ([], [], ["1.0"]),
    ],
)
def test_ranges(
    events: list[tuple[str, str]], inside: list[str | None], outside: list[str | None]
) -> None:
    advisory = Advisory("MAL-1", (), (tuple(events),))
    assert all(names_version(advisory, one) for one in inside)
    assert not any(names_version(advisory, one) for one in outside)


ALL = st.lists(
    st.builds(
        override,
        st.sampled_from(["demo", "demo==1.0", "demo-1.0.zip", "other"]),
        st.sampled_from(list(Action)),
        st.just("why"),
        st.none() | st.integers(-2, 5).map(lambda n: T + n * DAY),
    ),
    max_size=4,
)


@CALM
@given(ALL, st.booleans(), st.integers(0, 4))
def test_nothing_changes_before_it_is_said_to(
    overrides: list[Override], malware: bool, days: int
) -> None:
    rules = OfferRules(
        cooldown=COOLDOWN,
        overrides=tuple(overrides),
        advisories=ADVISORY if malware else {},
    )
    project = page(file("demo-1.0.zip", T), file("demo-2.0.zip", T + 2 * DAY))
    now = T + days * DAY
    first = offer(project, rules, UNKNOWN_TIMES, now)
    later = now + 90 * DAY if first.changes_at is None else max(first.changes_at - 0.001, now)
    assert offer(project, rules, UNKNOWN_TIMES, later).page == first.page
