"""Which version a file belongs to, and the order of versions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from tests.support.builders.random_pages import CALM
from yanksync.core.model import File, Page
from yanksync.core.versions import (
    VersionFinder,
    file_versions,
    filename_matches_project,
    files_by_version,
    is_prerelease,
    minor_line,
    same_version,
    sort_key,
)

FROM_NAME = {
    "wheel": ("foo_bar-1.0-py3-none-any.whl", "1.0"),
    "wheel with build": ("foo_bar-1.0-1-py3-none-any.whl", "1.0"),
    "wheel cut": ("foo_bar-1.0.whl", None),
    "sdist": ("foo_bar-1.0.tar.gz", "1.0"),
    "sdist, own spelling": ("Foo.Bar-1.0.zip", "1.0"),
    "sdist, hyphen": ("foo-bar-1.0.tar.bz2", "1.0"),
    "sdist, long separator": ("foo__bar-1.0.tgz", "1.0"),
    "sdist, same length": ("fooxbar-1.0.zip", None),
    "sdist, post": ("foo-bar-1.0-1.tar.gz", "1.0-1"),
    "epoch, local": ("foo_bar-1!1.0+local.1.tar.gz", "1!1.0+local.1"),
    "no PEP 440": ("foo_bar-2004d.tar.gz", "2004d"),
    "egg": ("foo_bar-1.0-py2.7.egg", "1.0"),
    "egg with platform": ("foo_bar-1.0-py2.7-linux-x86_64.egg", "1.0"),
    "wininst": ("foo-bar-1.0.win-amd64-py2.7.exe", "1.0"),
    "msi": ("foo-bar-1.0.win32.msi", "1.0"),
    "dumb": ("foo-bar-1.0.macosx-10.9-x86_64.tar.gz", "1.0"),
    "rpm": ("foo-bar-1.0-1.noarch.rpm", "1.0"),
    "variants": ("foo_bar-1.0-variants.json", "1.0"),
    "other project": ("foo-1.0.tar.gz", None),
    "longer project": ("foo-bar-baz-1.0.tar.gz", "baz-1.0"),  # no versions known to tell
    "other extension": ("foo-bar-1.0.txt", None),
    "no version": ("foo-bar-.zip", None),
    "only a platform": ("foo-bar-win32.exe", "win32"),
    "name alone": ("foo-bar", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("filename", "version"), FROM_NAME.values(), ids=FROM_NAME)
def test_the_version_in_a_file_name(filename: str, version: str | None) -> None:
    assert VersionFinder("foo-bar", None).version_of(filename) == version


BELONGS = {
    "text": ("foo-1.0.zip", ["1", "1.0", "1.0.0", "01.0"], "1.0"),
    "other text": ("foo-01.0.zip", ["1", "1.0", "1.0.0", "01.0"], "01.0"),
    "equal": ("foo-1.0.zip", ["1.0.0", "2"], "1.0.0"),
    "equal, several": ("foo-1.0.zip", ["1.0.0", "01", "1"], "01"),
    "equal, spelling": ("foo-1.0.RC1.zip", ["1.0rc1"], "1.0rc1"),
    "none": ("foo-1.0.zip", ["1.1", "x"], None),
    "nothing listed": ("foo-1.0.zip", [], None),
    "not a prefix": ("foo-1.0.1.win32.exe", ["1.0"], None),
    "exe": ("foo-1.0.win32.exe", ["1.0"], "1.0"),
    "longest": ("foo-1.0-py3.zip", ["1.0", "1.0-py3"], "1.0-py3"),
    "shorter": ("foo-1.0-py3.zip", ["1.0"], "1.0"),
    "wheel, underscore": ("foo-1.0_1-py3-none-any.whl", ["1.0.post1"], "1.0.post1"),
    "wheel, no PEP 440": ("foo-1.0_x-py3-none-any.whl", ["1.0-x"], "1.0-x"),
    "longer project": ("foo-bar-1.0.zip", ["1.0"], None),
    "not readable": ("foo-1.0.weird", ["1.0"], None),
}


@pytest.mark.incident(10)
@pytest.mark.parametrize(("filename", "versions", "version"), BELONGS.values(), ids=BELONGS)
@pytest.mark.parametrize("kind", [tuple, set])
def test_the_version_that_a_file_belongs_to(
    filename: str, versions: list[str], version: str | None, kind: type[set[str]]
) -> None:
    assert VersionFinder("foo", kind(versions)).version_of(filename) == version


def page(*filenames: str, versions: tuple[str, ...] | None = None) -> Page:
    files = tuple(File(filename=name, url=f"https://files.example/{name}") for name in filenames)
    return Page(name="foo", files=files, versions=versions)


def test_files_are_grouped_in_version_order() -> None:
    got = page("foo-2.zip", "foo-x.zip", "foo-1.zip", "odd.exe", "foo-2.tar.gz")
    groups = [
        (version, [file.filename for file in files]) for version, files in files_by_version(got)
    ]
    assert groups == [
        (None, ["odd.exe"]),
        ("x", ["foo-x.zip"]),
        ("1", ["foo-1.zip"]),
        ("2", ["foo-2.zip", "foo-2.tar.gz"]),
    ]
    assert file_versions(got) == ("2", "x", "1", None, "2")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1.0", "1.0.0", True),
        ("1.0", "01", True),
        ("1.0-1", "1.post1", True),
        ("1.0RC1", "1rc1", True),
        ("2004d", "2004d", True),
        ("2004d", "2004D", False),
        ("x", "y", False),
        ("1.0", "1.0+local", False),
        ("1.0", "1!1.0", False),
        ("1.0a1", "1.0.dev1", False),
        ("1.0", "x", False),
    ],
)
def test_same_version(a: str, b: str, same: bool) -> None:
    assert same_version(a, b) is same
    assert same_version(b, a) is same


SPELLINGS = st.from_regex(
    r"(?:[12]!)?[0-2](?:\.[0-2]){0,2}(?:(?:a|b|rc)[01])?(?:\.post[01])?(?:\.dev[01])?"
    r"(?:\+[0-9a-b](?:\.[0-9a-b])?)?",
    fullmatch=True,
)


@CALM
@given(SPELLINGS, SPELLINGS)
def test_the_order_is_that_of_pep_440(a: str, b: str) -> None:
    assert same_version(a, b) == (Version(a) == Version(b))
    if Version(a) != Version(b):
        assert (sort_key(a) < sort_key(b)) == (Version(a) < Version(b))


@CALM
@given(st.lists(st.none() | SPELLINGS | st.text()))
def test_any_texts_have_one_order(texts: list[str | None]) -> None:
    ordered = sorted(set(texts), key=sort_key)
    assert all(sort_key(a) < sort_key(b) for a, b in itertools.pairwise(ordered))


@CALM
@given(st.text(), st.text(), st.none() | st.lists(st.text()))
def test_no_text_raises(filename: str, project: str, versions: list[str] | None) -> None:
    version = VersionFinder(project, versions).version_of(filename)
    assert version is None or versions is None or version in versions


@pytest.mark.parametrize("text", ["1" * 5000, "1." * 200 + "1", "\ud800", "1.0\0"])
def test_texts_beyond_all_measure_are_no_pep_440(text: str) -> None:
    assert sort_key(text)[0] == 1


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("my-demo-1.0.tar.gz", True),
        ("My.Demo-1.0.tar.gz", True),
        ("my__demo-1.0-py3-none-any.whl", True),
        ("my_demo-1.0.win32.exe", True),
        ("my-demo-extra-1.0.tar.gz", True),  # nobody can tell: a version may be called so
        ("my_demo_extra-1.0-py3-none-any.whl", False),
        ("my-demo-1.0-py3-none-any.whl", False),
        ("mydemo-1.0.tar.gz", False),
        ("my-demo.tar.gz", False),
        ("my-dem\u043e-1.0.tar.gz", False),
        ("", False),
    ],
)
def test_whether_a_file_is_named_after_its_project(filename: str, expected: bool) -> None:
    assert filename_matches_project(filename, "my-demo") is expected


@pytest.mark.parametrize("version", ["1.0", "1.0a1", "1.0.dev1", "1.0.post1", "1.0.post1.dev2"])
def test_pre_releases_are_those_of_packaging(version: str) -> None:
    assert is_prerelease(version) == Version(version).is_prerelease


def test_versions_share_a_line_by_their_first_two_numbers() -> None:
    assert minor_line("1.4") == minor_line("1.4.0rc1") == minor_line("v1.4.99+local")
    assert minor_line("1") == minor_line("1.0.3")
    assert len({minor_line(one) for one in ("1.4", "1.5", "2.4", "1!1.4", "2004d", None)}) == 5
