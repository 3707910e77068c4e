"""The document for followers: what it says of a file is what the page's JSON form says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from msgspec.structs import replace

from tests.support.builders.known_pages import BARE, FULL, HEX, PAGE
from tests.support.builders.random_pages import CALM, pages
from yanksync.core.formats import json_page_writer as json_form
from yanksync.core.formats.legacy_json_writer import render_document
from yanksync.core.formats.project_list_writer import serial_rows
from yanksync.core.model import File, ListedProject, Page, Yank
from yanksync.core.policies.yanked import offered_page


def document(page: Page) -> dict[str, object]:
    return dict(json.loads(render_document(offered_page(page, "mark"))))


def test_the_document_byte_for_byte() -> None:
    file = (
        f'{{"comment_text":"","core-metadata":{{"sha256":"{HEX}"}},'
        f'"digests":{{"md5":"{"ab" * 16}","sha256":"{HEX}"}},"downloads":-1,'
        f'"filename":"demo-1.0.zip","has_sig":false,"md5_digest":"{"ab" * 16}",'
        '"packagetype":"sdist","python_version":"source","requires_python":">=3","size":5,'
        '"upload_time":"2026-11-06T17:37:01","upload_time_iso_8601":"2026-11-06T17:37:01Z",'
        '"url":"https://files.example/a&b/demo-1.0.zip","yanked":true,"yanked_reason":"bad"}'
    )
    assert render_document(PAGE).decode() == (
        '{"info":{"name":"demo","requires_python":">=3","version":"1.0","yanked":true,'
        f'"yanked_reason":"bad"}},"last_serial":7,"releases":{{"1.0":[{file}]}},"urls":[{file}]}}'
    )


@CALM
@given(pages)
def test_it_says_of_each_file_what_the_page_says(page: Page) -> None:
    for mode in ("mark", "omit"):
        shown = offered_page(page, mode)
        there, simple = json.loads(render_document(shown)), json.loads(json_form.render_page(shown))
        files = {one["filename"]: one for release in there["releases"].values() for one in release}
        assert sum(map(len, there["releases"].values())) == len(files) == len(simple["files"])
        assert there.get("last_serial") == simple["meta"].get("_last-serial")
        assert {*there["releases"]} >= {*(shown.versions or ())}
        assert len(there["urls"]) == len(there["releases"].get(there["info"]["version"], []))
        for said in simple["files"]:
            file = files[said["filename"]]
            reason = said["yanked"] if isinstance(said["yanked"], str) else None
            assert (file["yanked"], file["yanked_reason"]) == (said["yanked"] is not False, reason)
            assert (file["url"], file["digests"]) == (said["url"], said["hashes"])
            assert file["requires_python"] == said.get("requires-python")
            assert file["upload_time_iso_8601"] in (None, "2026-11-06T17:37:01.5Z")
            assert file.get("core-metadata") == said.get("core-metadata")
            if "size" in said:
                assert file["size"] == said["size"]


@pytest.mark.parametrize(
    ("filename", "kind", "python"),
    [
        ("demo-1.0-1-cp311-abi3-win32.whl", "bdist_wheel", "cp311"),
        ("demo.whl", "bdist_wheel", "any"),
        ("demo-1.0-py3.7.egg", "bdist_egg", "any"),
        ("demo-1.0.win32.EXE", "bdist_wininst", "any"),
        ("demo-1.0.msi", "bdist_msi", "any"),
        ("demo-1.0.rpm", "bdist_rpm", "any"),
        ("demo-1.0.dmg", "bdist_dmg", "any"),
        ("demo-1.0.deb", "bdist_deb", "any"),
        ("demo-1.0.tar.gz", "sdist", "source"),
    ],
)
def test_the_kind_of_a_file(filename: str, kind: str, python: str) -> None:
    said = document(Page(name="demo", files=(replace(BARE, filename=filename),)))
    ((file,),) = said["releases"].values()  # type: ignore[attr-defined]
    assert (file["packagetype"], file["python_version"]) == (kind, python)


def test_a_file_of_no_version_keeps_its_mark() -> None:
    odd = replace(BARE, filename="whatever", yanked=Yank())
    said = document(Page(name="demo", files=(odd,), versions=("1.0",)))
    assert said["releases"].keys() == {"", "1.0"}  # type: ignore[attr-defined]
    assert said["info"]["version"] == ""  # type: ignore[index]
    assert said["urls"][0]["yanked"] is True  # type: ignore[index]
    assert said["urls"][0]["yanked_reason"] is None  # type: ignore[index]


def test_the_newest_version_is_one_that_is_not_yanked() -> None:
    def file(version: str, yanked: Yank | None) -> File:
        return replace(FULL, filename=f"demo-{version}.zip", yanked=yanked)

    both = Page(name="demo", files=(file("1.0", None), file("2.0", Yank("bad"))))
    assert document(both)["info"] == {
        "name": "demo",
        "requires_python": ">=3",
        "version": "1.0",
        "yanked": False,
        "yanked_reason": None,
    }


@pytest.mark.parametrize("yanked", [None, Yank("bad")])
def test_versions_stand_in_their_order_and_the_last_is_the_newest(yanked: Yank | None) -> None:
    versions = ("1.10", "1.9", "2004d", "1.9rc1")
    files = tuple(replace(FULL, filename=f"demo-{one}.zip", yanked=yanked) for one in versions)
    said = document(Page(name="demo", files=files, versions=versions))
    assert [*said["releases"]] == ["2004d", "1.9rc1", "1.9", "1.10"]  # type: ignore[misc]
    assert said["info"]["version"] == "1.10"  # type: ignore[index]


@pytest.mark.parametrize("claim", [False, True, (), None])
def test_the_metadata_claim_is_that_of_the_page(claim: bool | tuple[()] | None) -> None:
    page = Page(name="demo", files=(replace(BARE, core_metadata=claim),))
    (file,) = json.loads(render_document(offered_page(page, "mark")))["urls"]
    (simple,) = json.loads(json_form.render_page(page))["files"]
    assert file.get("core-metadata") == simple.get("core-metadata")
    assert (file.get("core-metadata") is None) == (claim is None)


def test_a_quarantined_project_has_no_file() -> None:
    said = document(replace(PAGE, status="quarantined"))
    assert said["releases"] == {} and said["urls"] == [] and said["last_serial"] == 7


@pytest.mark.parametrize("count", [0, 1, 1300, 3000])
def test_the_serials(count: int) -> None:
    rows = [ListedProject(f"p{n}", f"P{n}", n) for n in range(count)]
    body = b"".join(serial_rows(lambda: [ListedProject("none", "none"), *rows]))
    assert json.loads(body) == {f"p{n}": n for n in range(count)}
