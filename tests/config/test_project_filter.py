"""The projects that are selected, and the form of patterns."""

from __future__ import annotations

import subprocess
import sys

import pytest

from yanksync.config.project_filter import ProjectFilter


@pytest.mark.parametrize(
    ("projects", "exclude", "selected", "left"),
    [
        (["*"], [], ["a", "zope-interface"], []),
        (["Foo.Bar"], [], ["foo-bar"], ["foo", "foo-bar-x", "x-foo-bar"]),
        (["foo_*"], [], ["foo-", "foo-x"], ["foo", "x-foo-x"]),
        (["a?c", "z"], [], ["abc", "a-c", "z"], ["ac", "abbc"]),
        (["d[0-9]"], [], ["d0", "d9"], ["da", "d10"]),
        (["D[!A-C]"], [], ["dd", "d-"], ["da", "db"]),
        (["*"], ["Bad.One", "tmp-*"], ["bad", "tmp"], ["bad-one", "tmp-x"]),
        (["foo", "bar"], ["foo"], ["bar"], ["foo"]),
        ([], [], [], ["a"]),
    ],
)
def test_selects(
    projects: list[str], exclude: list[str], selected: list[str], left: list[str]
) -> None:
    selection = ProjectFilter(tuple(projects), tuple(exclude))
    assert [name for name in selected + left if selection.includes(name)] == selected


@pytest.mark.parametrize(
    "pattern",
    ["", " foo", "foo/..", "-foo", "foo[", "foo]", "[]x]", "a[b.c]*", "ſ*", "\u212a*", "a\n*"],
)
def test_what_can_match_no_name_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is no (valid project name|pattern of project names)"):
        ProjectFilter((pattern,))


@pytest.mark.parametrize(
    ("projects", "exclude", "explicit", "everything"),
    [
        (("*",), (), None, True),
        (("**", "x"), (), None, True),
        (("*",), ("x",), None, False),
        (("a", "B.c", "a"), (), ("a", "b-c"), False),
        (("a", "b"), ("B*",), ("a",), False),
        (("a", "b*"), (), None, False),
    ],
)
def test_explicit_and_everything(
    projects: tuple[str, ...],
    exclude: tuple[str, ...],
    explicit: tuple[str, ...] | None,
    everything: bool,
) -> None:
    selection = ProjectFilter(projects, exclude)
    assert (selection.explicit_names, selection.includes_all) == (explicit, everything)


def test_equal_selections_have_one_text() -> None:
    one, same = ProjectFilter(("b", "A_a", "b"), ("x",)), ProjectFilter(("a-a", "b"), ("X",))
    assert (one, hash(one), one.text) == (same, hash(same), same.text)
    others = [
        ProjectFilter(("a-a", "b", "x")),
        ProjectFilter(("a-a",), ("b", "x")),
        ProjectFilter(),
    ]
    assert one.text not in {other.text for other in others}


@pytest.mark.parametrize(
    "selection",
    [
        ProjectFilter(),
        ProjectFilter(("a", "b*")),
        ProjectFilter(("*",), ("x-*", "y")),
        ProjectFilter(("a",), ("b",)),
    ],
)
def test_a_selection_comes_back_from_its_text(selection: ProjectFilter) -> None:
    assert ProjectFilter.from_text(selection.text) == selection


@pytest.mark.parametrize("text", ["", "\n", "no pattern!\n"])
def test_no_text_of_a_selection(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        ProjectFilter.from_text(text)


@pytest.mark.parametrize(
    ("before", "after", "covered"),
    [
        ((("*",),), (("a*", "b"),), True),
        ((("*",),), (("*",), ("a",)), True),
        ((("*",), ("a",)), (("*",), ("a*",)), True),  # what was left out still is
        ((("*",), ("a",)), (("*",),), False),
        ((("a*",),), (("a-one",),), True),
        ((("a*",),), (("aa*",),), False),  # it does, but that is not easy to see
        ((("a*",),), (("a*", "b"),), False),
        ((("a*",), ("a-*",)), (("a*",), ("b",)), False),
        ((("a*",), ("a-x",)), (("a-y",),), False),
    ],
)
def test_what_certainly_was_selected_before(
    before: tuple[tuple[str, ...], ...], after: tuple[tuple[str, ...], ...], *, covered: bool
) -> None:
    assert ProjectFilter(*before).covers(ProjectFilter(*after)) == covered


def test_the_text_is_the_same_in_every_run() -> None:
    code = (
        "from yanksync.config.project_filter import ProjectFilter as S; print(S(('b', 'a')).text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ProjectFilter(("a", "b")).text + "\n"
