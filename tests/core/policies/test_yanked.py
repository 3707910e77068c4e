"""What the mirror offers of a page."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.support.builders.random_pages import CALM, pages
from yanksync.core.model import File, Page, Yank
from yanksync.core.policies.yanked import offered_page


def file(filename: str, yanked: Yank | None = None) -> File:
    return File(filename=filename, url=f"https://files.example/{filename}", yanked=yanked)


def page(*files: File, versions: tuple[str, ...] | None = None, status: str = "active") -> Page:
    return Page(name="demo", files=files, versions=versions, status=status)


def names(of: Page) -> list[str]:
    return [file.filename for file in of.files]


@pytest.mark.parametrize("versions", [None, ("1.0",)])
def test_a_quarantined_project_offers_nothing(versions: tuple[str, ...] | None) -> None:
    got = offered_page(page(file("demo-1.0.zip"), versions=versions, status="quarantined"), "mark")
    assert (got.files, got.versions, got.status) == ((), (), "quarantined")


@pytest.mark.parametrize("status", ["archived", "deprecated", "frozen"])
def test_other_statuses_keep_their_files(status: str) -> None:
    assert names(offered_page(page(file("demo-1.0.zip"), status=status), "mark")) == [
        "demo-1.0.zip"
    ]


def test_files_stand_by_version_then_name() -> None:
    wanted = [
        "what.exe",  # belongs to none
        "demo-2004d.zip",  # not PEP 440
        "demo-1.0.dev1.zip",
        "demo-1.0a1.zip",
        "demo-1.0-py3-none-any.whl",
        "demo-1.0.zip",
        "demo-1.9.zip",
        "demo-1.10.zip",
        "demo-1!0.1.zip",
    ]
    got = offered_page(page(*map(file, reversed(wanted))), "mark")
    assert names(got) == wanted


def test_omit_drops_a_version_only_with_the_last_file_of_it() -> None:
    got = offered_page(
        page(
            file("demo-1.0.zip", Yank()),
            file("demo-1.0.tar.gz"),
            file("demo-2.0.zip", Yank("bad")),
            versions=("3.0", "2.0", "1.0"),
        ),
        "omit",
    )
    assert names(got) == ["demo-1.0.tar.gz"]
    assert got.versions == ("1.0", "3.0")  # 3.0 had no file to omit


def test_omit_tells_equal_versions_apart() -> None:
    got = offered_page(
        page(file("demo-1.0.zip", Yank()), file("demo-1.zip"), versions=("1.0", "1")), "omit"
    )
    assert (names(got), got.versions) == (["demo-1.zip"], ("1",))


def test_omit_without_versions_known() -> None:
    got = offered_page(page(file("demo-1.0.zip", Yank()), file("demo-2.zip")), "omit")
    assert (names(got), got.versions) == (["demo-2.zip"], None)


def test_versions_are_ordered_and_unique() -> None:
    got = offered_page(page(versions=("1.10", "1.9", "x", "1.9")), "mark")
    assert got.versions == ("x", "1.9", "1.10")


@CALM
@given(pages)
def test_no_yanked_file_goes_unmarked_or_comes_back(got: Page) -> None:
    marked, omitted = offered_page(got, "mark"), offered_page(got, "omit")
    yanked = {file.filename for file in got.files if file.yanked is not None}
    assert all((file.yanked is not None) == (file.filename in yanked) for file in marked.files)
    assert omitted.files == tuple(file for file in marked.files if file.yanked is None)
    assert offered_page(marked, "mark") == marked
