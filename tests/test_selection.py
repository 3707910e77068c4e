"""Which projects are selected, and the form that patterns are brought to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from yanksync.selection import Selection


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
    selection = Selection(tuple(projects), tuple(exclude))
    assert [name for name in selected + left if selection.selects(name)] == selected


@pytest.mark.parametrize(
    "pattern",
    ["", " foo", "foo/..", "-foo", "foo[", "foo]", "[]x]", "a[b.c]*", "ſ*", "\u212a*", "a\n*"],
)
def test_what_can_match_no_name_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is no (valid project name|pattern of project names)"):
        Selection((pattern,))


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
    selection = Selection(projects, exclude)
    assert (selection.explicit, selection.everything) == (explicit, everything)


def test_equal_selections_have_one_fingerprint() -> None:
    one, same = Selection(("b", "A_a", "b"), ("x",)), Selection(("a-a", "b"), ("X",))
    assert (one, hash(one), one.fingerprint) == (same, hash(same), same.fingerprint)
    others = [Selection(("a-a", "b", "x")), Selection(("a-a",), ("b", "x")), Selection()]
    assert one.fingerprint not in {other.fingerprint for other in others}


def test_the_fingerprint_is_the_same_in_every_run() -> None:
    code = "from yanksync.selection import Selection as S; print(S(('b', 'a')).fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == Selection(("a", "b")).fingerprint
