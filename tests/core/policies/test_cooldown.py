"""Which files are too young to be offered, and until when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.dated_files import DAY, HOUR, T, file, iso, page
from tests.support.builders.random_pages import CALM
from tests.support.offer_oracle import Oracle, OracleFile, OracleRules
from yanksync.core.model import File, Page
from yanksync.core.policies.cooldown import (
    UNKNOWN_TIMES,
    Cooldown,
    FileCooldown,
    FileTimes,
    HiddenBy,
    ProjectCooldown,
    format_time,
    judge_files,
    parse_time,
)


def judge(
    files: tuple[File, ...],
    rules: ProjectCooldown,
    cutoff: float,
    times: FileTimes = UNKNOWN_TIMES,
) -> list[FileCooldown]:
    return list(judge_files(page(*files), rules, times, cutoff))


def hidden(*args: object, **kwargs: object) -> list[HiddenBy | None]:
    return [one.hidden_by for one in judge(*args, **kwargs)]  # type: ignore[arg-type]


def test_a_file_is_visible_only_when_it_is_strictly_older() -> None:
    files, rules = (file("demo-1.0.zip", T),), ProjectCooldown(age=DAY)
    assert judge(files, rules, T + DAY) == [FileCooldown(HiddenBy.AGE, T + DAY)]
    assert hidden(files, rules, T + DAY + 0.001) == [None]


def test_the_later_of_the_two_clocks_counts() -> None:
    rules = ProjectCooldown(age=DAY)
    late = FileTimes(added={"demo-1.0.zip": T})
    assert hidden((file("demo-1.0.zip", T - 90 * DAY),), rules, T + DAY, late) == [HiddenBy.AGE]
    early = FileTimes(added={"demo-1.0.zip": T - 90 * DAY})
    assert hidden((file("demo-1.0.zip", T),), rules, T + DAY, early) == [HiddenBy.AGE]


def test_neighbours_within_an_hour_become_visible_together() -> None:
    files = tuple(file(f"demo-1.0-{n}-py3-none-any.whl", T + n * HOUR) for n in range(4))
    apart = file("demo-1.0.zip", T - HOUR - 1)
    other = file("demo-2.0.zip", T)
    rules = ProjectCooldown(age=DAY)
    got = judge((*files, apart, other), rules, T + 2 * HOUR)
    assert [one.until for one in got] == [*[T + 3 * HOUR + DAY] * 4, T - HOUR - 1 + DAY, T + DAY]


def test_what_was_visible_is_not_hidden_by_a_later_file() -> None:
    files = (file("demo-1.0.zip", T), file("demo-1.0.tar.gz", T + HOUR / 2))
    rules, cutoff = ProjectCooldown(age=HOUR / 4), T + HOUR / 2 + 60
    assert hidden(files, rules, cutoff) == [HiddenBy.AGE] * 2
    shown = FileTimes(shown=frozenset({"demo-1.0.zip"}))
    assert hidden(files, rules, cutoff, shown) == [None, HiddenBy.AGE]


def test_files_without_a_time_are_hidden_only_where_there_is_an_age() -> None:
    files = (file("demo-1.0.zip", None),)
    assert hidden(files, ProjectCooldown(age=DAY), T) == [HiddenBy.MISSING]
    assert hidden(files, ProjectCooldown(not_after=T), T) == [None]
    allowing = ProjectCooldown(age=DAY, missing="allow")
    assert hidden(files, allowing, T) == [None]
    added = FileTimes(added={"demo-1.0.zip": T})
    assert hidden(files, allowing, T + DAY, added) == [HiddenBy.AGE]
    assert hidden(files, allowing, T + DAY + 1, added) == [None]


def test_a_new_project_is_hidden_as_a_whole() -> None:
    files = (file("demo-1.0.zip", T), file("demo-2.0.zip", T + 2 * DAY))
    rules = ProjectCooldown(age=DAY, new_projects=7 * DAY)
    assert hidden(files, rules, T + 6 * DAY) == [HiddenBy.NEW_PROJECT] * 2
    assert hidden(files, rules, T + 7 * DAY) == [None] * 2
    old = FileTimes(earliest=T - 90 * DAY)
    assert hidden(files, rules, T + 2 * DAY, old) == [None, HiddenBy.AGE]


def test_not_after_hides_for_good_and_needs_no_age() -> None:
    files = (file("demo-1.0.zip", T), file("demo-2.0.zip", T + 1))
    got = judge(files, ProjectCooldown(not_after=T), T + 900 * DAY)
    assert got == [FileCooldown(), FileCooldown(HiddenBy.NOT_AFTER)]


def test_the_first_pattern_that_matches_counts() -> None:
    rules = Cooldown(age=DAY, new_projects=9 * DAY, projects=(("our-*", 0.0), ("our-x", 5.0)))
    assert rules.for_project("our-x").is_off
    assert rules.for_project("demo") == ProjectCooldown(age=DAY, new_projects=9 * DAY)


def test_not_after_and_the_mode_count_where_a_pattern_says_that_there_is_no_age() -> None:
    rules = Cooldown(age=DAY, new_projects=9 * DAY, not_after=T, projects=(("our-*", 0.0),))
    own = rules.for_project("our-x")
    assert own == ProjectCooldown(not_after=T)
    files = (file("our_x-1.0.zip", T), file("our_x-2.0.zip", T + 1), file("our_x-3.0.zip", None))
    assert hidden(files, own, T + 1) == [None, HiddenBy.NOT_AFTER, None]


def test_off_means_off() -> None:
    assert Cooldown().is_off
    assert not Cooldown(projects=(("torch", DAY),)).is_off
    assert not Cooldown(not_after=T).is_off


def test_times_are_read_and_written_in_any_year() -> None:
    assert parse_time("2026-12-01T00:00:00.500000Z") == T + 0.5
    assert parse_time("soon") is None
    assert format_time(T + 0.5) == "2026-12-01T00:00:01Z"
    assert format_time(1e18).startswith("9999-")


NAMES = [f"demo-{v}{kind}" for v in ("1.0", "2.0") for kind in (".zip", ".tar.gz", ".egg")]
MOMENTS = st.integers(-6, 60).map(lambda n: T + n * HOUR / 4)
RULES = st.builds(
    OracleRules,
    age=st.sampled_from([0.0, HOUR / 4, HOUR, 3 * HOUR]),
    new_projects=st.sampled_from([0.0, 0.0, HOUR, 5 * HOUR]),
    missing=st.sampled_from(["hide", "allow"]),
    not_after=st.none() | MOMENTS,
)
FILES = st.lists(
    st.builds(
        lambda name, uploaded, added, arrives: (
            OracleFile(name, name[5:8], uploaded and iso(uploaded), added),
            arrives,
        ),
        st.sampled_from(NAMES),
        st.none() | MOMENTS,
        st.none() | MOMENTS,
        st.integers(0, 6),
    ),
    unique_by=lambda pair: pair[0].name,
    max_size=6,
)
STEPS = st.lists(st.integers(1, 12), min_size=7, max_size=7)


def mirrored(files: list[OracleFile]) -> tuple[Page, dict[str, float]]:
    shown = [
        File(filename=one.name, url=f"https://files.example/{one.name}", upload_time=one.uploaded)
        for one in files
    ]
    return page(*shown), {one.name: one.added for one in files if one.added is not None}


@CALM
@given(RULES, FILES, STEPS)
def test_it_agrees_with_the_oracle_pass_by_pass(
    rules: OracleRules, files: list[tuple[OracleFile, int]], steps: list[int]
) -> None:
    """Files arrive in several passes; each shows what the oracle does, and hides nothing again."""
    oracle, cutoff = Oracle(rules), T
    own = ProjectCooldown(
        rules.age,
        rules.new_projects,
        missing=rules.missing,  # type: ignore[arg-type]
        not_after=rules.not_after,
    )
    remembered: frozenset[str] = frozenset()
    before: set[str] = set()
    for number, step in enumerate(steps):
        cutoff += step * HOUR / 4
        there = [one for one, arrives in files if arrives <= number]
        now, added = mirrored(there)
        got = judge_files(now, own, FileTimes(added, None, remembered), cutoff)
        visible = {
            one.filename
            for one, found in zip(now.files, got, strict=True)
            if found.hidden_by is None
        }
        assert visible == oracle.visible(there, cutoff)
        if not rules.new_projects:  # an older file may show that a project is not new
            assert before <= visible
        before = visible
        remembered = frozenset(
            one.filename for one, found in zip(now.files, got, strict=True) if found.just_shown
        )


@CALM
@given(RULES, FILES)
def test_it_ends_when_it_says_so(rules: OracleRules, files: list[tuple[OracleFile, int]]) -> None:
    own = ProjectCooldown(rules.age, rules.new_projects, missing="allow")
    now, added = mirrored([one for one, _ in files])
    times = FileTimes(added)
    for place, found in enumerate(judge_files(now, own, times, T)):
        if found.until is not None:
            assert judge_files(now, own, times, found.until)[place].hidden_by is not None or (
                found.hidden_by is HiddenBy.NEW_PROJECT
            )
            assert judge_files(now, own, times, found.until + 1)[place].hidden_by is None
