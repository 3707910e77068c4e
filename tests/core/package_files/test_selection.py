"""Checks which files the rules of ``[files]`` choose.

It also checks which rule leaves out the others.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.dated_files import DAY, T, iso
from tests.support.builders.random_pages import CALM
from yanksync.core.model import File, Page, Yank
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.selection import (
    ChosenPage,
    FileChoice,
    FileRule,
    FileRules,
    ProjectAction,
    choose,
    unmet_pins,
)
from yanksync.core.pins import Pin, PinnedFile, PinOperator


def sdist(version: str, **about: Any) -> File:
    return file(f"demo-{version}.tar.gz", **about)


def file(name: str, **about: Any) -> File:
    return File(filename=name, url=f"https://files.example/{name}", **about)


def page(*files: File | str) -> Page:
    return Page(name="demo", files=tuple(sdist(f) if isinstance(f, str) else f for f in files))


def chosen(given: Page, after: float | None = None, **rules: Any) -> list[str]:
    """Return the names of the chosen files, without what all of them share."""
    found = choose(given, FileChoice(FileRules(**rules), after)).page.files
    return [
        one.filename.removeprefix("demo-").removesuffix(".tar.gz").removesuffix(".whl")
        for one in found
    ]


def left_out(given: Page, after: float | None = None, **rules: Any) -> dict[str, FileRule]:
    return dict(choose(given, FileChoice(FileRules(**rules), after)).left_out)


def test_without_rules_a_page_stays_as_it_is() -> None:
    given = page("1.0", "2.0a1")
    assert choose(given, FileChoice(FileRules())).page is given


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([("other", "exclude")], ["1.0"]),
        ([("de*", "exclude")], []),
        ([("demo", "copy"), ("*", "exclude")], ["1.0"]),
        ([("*", "exclude"), ("demo", "copy")], []),
        ([("demo", "link"), ("*", "exclude")], ["1.0"]),
    ],
)
def test_the_first_pattern_that_matches_counts(
    patterns: list[tuple[str, str]], expected: list[str]
) -> None:
    projects = tuple((pattern, ProjectAction(action)) for pattern, action in patterns)
    assert chosen(page("1.0"), projects=projects) == expected


def test_no_rule_applies_to_a_project_that_is_linked() -> None:
    projects = (("demo", ProjectAction.LINK),)
    choice = FileChoice(FileRules(projects=projects, sdists=False, newest=1))
    given = page("1.0", "2.0")
    assert choose(given, choice).page is given
    assert not choice.copies("demo")
    assert choice.copies("other")


def test_sdists_are_told_by_their_names() -> None:
    given = page("1.0", file("demo-1.0.zip"), file("demo-1.0-py3-none-any.whl"))
    assert chosen(given, sdists=False) == ["1.0-py3-none-any"]


WHEELS = page(
    "1.0",
    *(
        file(f"demo-1.0-{tags}.whl")
        for tags in (
            "py3-none-any",
            "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp312-cp312-musllinux_1_2_x86_64",
            "1-cp39-abi3-manylinux_2_28_aarch64",
            "cp312-cp312-macosx_11_0_arm64",
            "cp312-cp312-macosx_10_9_universal2",
            "cp312-cp312-win_amd64",
        )
    ),
    file("demo-1.0.win-amd64-py2.7.exe"),
    file("demo-1.0-py2.7.egg"),
    file("demo-1.0-cut.whl"),
)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["manylinux*_x86_64"], ["cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"]),
        (["manylinux2014_*"], ["cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"]),
        (["*linux*_aarch64"], ["1-cp39-abi3-manylinux_2_28_aarch64"]),
        (
            ["macosx_*_arm64"],
            ["cp312-cp312-macosx_11_0_arm64", "cp312-cp312-macosx_10_9_universal2"],
        ),
        (["macosx_*_x86_64"], ["cp312-cp312-macosx_10_9_universal2"]),
        (["macosx_*_ppc"], []),
        (["win32", "win_amd64"], ["cp312-cp312-win_amd64"]),
        (["any"], []),
    ],
)
def test_platforms(patterns: list[str], expected: list[str]) -> None:
    """Sdists and wheels for any platform are for each; other formats are for none."""
    wanted = ["1.0", *(f"1.0-{tags}" for tags in ("py3-none-any", *expected))]
    assert chosen(WHEELS, platforms=tuple(patterns)) == wanted


def test_a_name_with_a_million_tags_is_not_read() -> None:
    tags = "-".join([".".join(["a"] * 100)] * 3)
    assert chosen(page(file(f"demo-1.0-{tags}.whl")), platforms=("*",)) == []


PYTHONS = page(
    *(
        file(f"demo-1.0-{tags}-any.whl")
        for tags in (
            "py2-none",
            "py2.py3-none",
            "py313-none",
            "cp27-cp27mu",
            "cp37-cp37m",
            "cp39-abi3",
            "cp312-cp312",
            "cp313-cp313",
            "cp313-cp313t",
            "cp313-abi3",
            "cp314-none",
            "pp311-pypy311_pp73",
        )
    )
)


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        (["cp312"], ["py2.py3-none", "cp39-abi3", "cp312-cp312"]),
        (["cp313"], ["py2.py3-none", "py313-none", "cp39-abi3", "cp313-cp313", "cp313-abi3"]),
        (["cp313t"], ["py2.py3-none", "py313-none", "cp313-cp313t"]),
        (["pp311"], ["py2.py3-none", "pp311-pypy311_pp73"]),
        (["cp27", "cp37"], ["py2-none", "py2.py3-none", "cp27-cp27mu", "cp37-cp37m"]),
    ],
)
def test_pythons(pythons: list[str], expected: list[str]) -> None:
    found = [name.removeprefix("1.0-") for name in chosen(PYTHONS, pythons=tuple(pythons))]
    assert found == [f"{tags}-any" for tags in expected]


def test_a_size_or_an_age_that_is_not_known_leaves_nothing_out() -> None:
    given = page(
        sdist("1.0", size=10, upload_time=iso(T)),
        sdist("2.0", size=11, upload_time=iso(T + DAY)),
        sdist("3.0"),
    )
    assert chosen(given, max_size=10) == ["1.0", "3.0"]
    assert chosen(given, after=T + DAY) == ["2.0", "3.0"]


def test_pre_releases_are_chosen_per_project() -> None:
    given = page("1.0", "1.1a1", "1.1.dev3", "1.1.post1", "2004d")
    finals = ["1.0", "1.1.post1", "2004d"]
    assert chosen(given, prereleases=False) == finals
    assert chosen(given, prerelease_projects=(("demo", False),)) == finals
    assert chosen(given, prereleases=False, prerelease_projects=(("d*", True),)) == chosen(given)
    assert chosen(given, prerelease_projects=(("demo", True), ("*", False))) == chosen(given)


@pytest.mark.parametrize(
    ("versions", "count", "expected"),
    [
        (["1.9", "1.10", "1.11"], 2, ["1.10", "1.11"]),
        (["1.0", "2.0"], 5, ["1.0", "2.0"]),
        (["2004d", "1.0"], 1, ["1.0"]),
        (["1.0", "2.0a1", "2.0a2"], 2, ["1.0", "2.0a1", "2.0a2"]),  # a final one is among them
        (["1.0", "2.0", "2.1a1"], 2, ["2.0", "2.1a1"]),
        (["1.0.dev1", "1.0.dev2"], 1, ["1.0.dev2"]),
    ],
)
def test_the_newest_by_version(versions: list[str], count: int, expected: list[str]) -> None:
    assert chosen(page(*versions), newest=count) == expected


def test_the_newest_by_time_has_the_fix_of_an_older_line() -> None:
    given = page(
        sdist("1.1", upload_time=iso(T + 3 * DAY)),
        sdist("1.2", upload_time=iso(T)),
        sdist("2.0", upload_time=iso(T + DAY)),
        file("demo-1.2-py3-none-any.whl", upload_time=iso(T + 9 * DAY)),  # a late wheel
    )
    assert chosen(given, newest=2, newest_by="time") == ["1.1", "2.0"]
    assert chosen(given, newest=1) == ["2.0"]


def test_the_newest_of_each_line() -> None:
    given = page("1.0", "1.0.1", "1.0.2", "1.1", "1!1.0", "2", "2.0.1")
    assert chosen(given, newest=1, newest_per="minor") == ["1.0.2", "1.1", "1!1.0", "2.0.1"]


def test_a_yanked_release_takes_no_place() -> None:
    given = page("1.0", "2.0", sdist("3.0", yanked=Yank("broken")), sdist("0.9", yanked=Yank()))
    assert chosen(given, newest=1) == ["2.0", "3.0"]


def test_a_release_without_a_chosen_file_takes_no_place() -> None:
    given = page(file("demo-1.0-py3-none-any.whl"), "2.0")
    assert chosen(given, newest=1, sdists=False) == ["1.0-py3-none-any"]


def pin(version: str, *files: PinnedFile, **about: Any) -> Pin:
    return Pin(project=NormalizedName("demo"), version=version, files=files, **about)


SHA = (("sha256", "a" * 64),)


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        ([], []),
        ([pin("1.0")], ["1.0", "1.0-py3-none-any"]),
        ([pin("1.0.0", operator=PinOperator.EQUAL)], ["1.0", "1.0-py3-none-any"]),
        ([pin("1.0", PinnedFile("demo-1.0.tar.gz"))], ["1.0"]),
        ([pin("1.0", PinnedFile("other", SHA))], ["1.0"]),  # its hash is that of the sdist
        ([pin("1.0", PinnedFile(None, SHA))], ["1.0"]),
        ([pin("1.0", PinnedFile("demo-1.0.tar.gz", (("sha256", "b" * 64),)))], []),
        ([pin("1.0", PinnedFile("demo-1.0.tar.gz", (("sha512", "b" * 128),)))], ["1.0"]),
        ([pin("1.0", PinnedFile("demo-1.0.tar.gz")), pin("2.0")], ["1.0", "2.0"]),
        ([pin("3.0")], []),
    ],
)
def test_lock_files_choose_what_they_pin(pins: list[Pin], expected: list[str]) -> None:
    given = page(
        sdist("1.0", hashes=SHA, yanked=Yank("broken")), file("demo-1.0-py3-none-any.whl"), "2.0"
    )
    assert chosen(given, pins={"demo": tuple(pins)}) == expected
    assert chosen(given, pins={"other": tuple(pins)}) == chosen(given)  # it is on its way out


def test_each_file_has_the_first_rule_that_leaves_it_out() -> None:
    given = page(
        file("demo-1.0-cp312-cp312-win32.whl"),
        file("demo-1.0-py3-none-any.whl"),
        sdist("1.0", size=11),
        sdist("2.0a1", size=11),
        "2.0a2",
        "3.0",
    )
    rules: dict[str, Any] = {
        "platforms": ("manylinux*",),
        "prereleases": False,
        "newest": 1,
        "max_size": 10,
    }
    assert chosen(given, **rules) == ["3.0"]
    assert left_out(given, **rules) == {
        "demo-1.0-cp312-cp312-win32.whl": FileRule.PLATFORMS,
        "demo-1.0.tar.gz": FileRule.MAX_SIZE,
        "demo-2.0a1.tar.gz": FileRule.MAX_SIZE,
        "demo-2.0a2.tar.gz": FileRule.PRERELEASES,
        "demo-1.0-py3-none-any.whl": FileRule.NEWEST,
    }


def test_a_version_goes_with_the_last_of_its_files() -> None:
    files = (sdist("1.0"), file("demo-1.0-py3-none-any.whl"), sdist("2.0"))
    given = Page(name="demo", files=files, versions=("1.0", "2.0", "3.0"))
    found = choose(given, FileChoice(FileRules(sdists=False))).page
    assert found.versions == ("1.0", "3.0")  # 3.0 had no file before


def test_a_pinned_version_without_a_file_is_told() -> None:
    pins: dict[str, tuple[Pin, ...]] = {
        "demo": (pin("1.0"), pin("2.0", PinnedFile("other.whl")), pin("10"), pin("3"))
    }
    choice = FileChoice(FileRules(pins=pins))
    assert unmet_pins(choose(page("1.0", "2.0"), choice).page, choice) == ("2.0", "3", "10")
    assert unmet_pins(page("1.0"), FileChoice(FileRules())) == ()


VERSIONS = st.sampled_from(["1.0", "1.1", "1.1.2", "2.0a1", "2.0a2", "2.0", "2004d"])
KINDS = st.sampled_from([".tar.gz", "-py3-none-any.whl", "-cp312-cp312-win32.whl", ".egg"])
FILES = st.builds(
    lambda version, kind, day, yanked: file(
        f"demo-{version}{kind}",
        upload_time=None if day is None else iso(T + day * DAY),
        yanked=Yank() if yanked else None,
    ),
    VERSIONS,
    KINDS,
    st.none() | st.integers(0, 9),
    st.booleans(),
)
RULES = st.builds(
    FileRules,
    newest=st.integers(0, 3),
    newest_by=st.sampled_from(["version", "time"]),
    newest_per=st.sampled_from(["project", "minor"]),
    prereleases=st.booleans(),
    platforms=st.sampled_from([(), ("win32",), ("manylinux*",)]),
    sdists=st.booleans(),
)


@CALM
@given(st.lists(FILES, max_size=12, unique_by=lambda one: one.filename), RULES, st.integers(0, 9))
def test_each_file_is_chosen_or_has_a_rule(files: list[File], rules: FileRules, day: int) -> None:
    given_page, choice = page(*files), FileChoice(rules, T + day * DAY)
    found = choose(given_page, choice)
    assert [one for one in files if one.filename not in found.left_out] == list(found.page.files)
    assert choose(found.page, choice) == ChosenPage(found.page, {})  # a second time changes nothing
