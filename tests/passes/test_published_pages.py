"""From upstream's page to both published forms: what is emitted, and what never is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import unquote, urljoin, urlsplit

import html5lib
import pytest

from tests.support.builders.upstream_pages import DEMO, HEX
from tests.support.page_assertions import HTML, JSON, HtmlPage, assert_equal_to_upstream
from tests.support.world import DONE, World
from yanksync.core.names import normalize
from yanksync.output.reconcile import Operation, RemoveProject
from yanksync.output.store import ListForm, Store, StoreFailure


def refetched(world: World, doctor: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Let ``doctor`` change upstream's page of ``demo``; return what is then published."""
    world.up.doctor = lambda page: doctor(page) if page["name"] == "demo" else page
    world.resync("demo")
    page = world.page("demo")
    assert page is not None
    return page


OURS = {
    "": {"meta", "name", "project-status", "versions", "files"},
    "meta": {"_last-serial", "api-version"},
    "file": {
        "core-metadata", "filename", "gpg-sig", "hashes", "provenance", "requires-python", "size",
        "upload-time", "url", "yanked",
    },
}  # fmt: skip


def test_keys_that_are_upstreams_own_are_kept_and_not_published(
    world: World,
) -> None:
    world.started()
    meta = {"api-version": "1.5", "tracks": ["https://other.example/simple/demo/"], "_secret": 1}
    top = {
        "alternate-locations": ["https://other.example/simple/demo/"],
        "namespaces": [{"name": "demo", "owned": True}],
        "_upstreams-own": "x",
        "frobs": [1],
    }

    def doctor(page: dict[str, Any]) -> dict[str, Any]:
        files = [{**file, "_blob": 1, "frob": 2, "gpg-sig": True} for file in page["files"]]
        return {**page, **top, "meta": {**page["meta"], **meta}, "files": files}

    page = refetched(world, doctor)
    assert page["meta"]["api-version"] == "1.1"  # it has versions and sizes, and no more
    assert {*page} <= OURS[""] and {*page["meta"]} <= OURS["meta"]
    for file in page["files"]:
        assert {*file} <= OURS["file"] and file["gpg-sig"] is True
    said = b"".join(world.files().values())
    for word in (b"tracks", b"alternate", b"namespaces", b"_upstreams", b"frob", b"_blob"):
        assert word not in said
    with world.state() as state:
        (row,) = state.projects.get([DEMO]).values()
        kept = state.projects.page(row.id)
    assert kept is not None and json.loads(kept.text)["frobs"] == [1]


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("Foo", "foo"),
        ("a.-_b", "a-b"),
        ("A__B--C..D", "a-b-c-d"),
        ("1", "1"),
        ("a" * 200, "a" * 200),
        ("a" * 201, None),
        ("", None),
        ("-a", None),
        ("a.", None),
        ("a b", None),
        ("a\n", None),
        ("a/b", None),
        ("\u0130stanbul", None),  # with IGNORECASE alone these three pass for I, S and K
        ("\u017fnake", None),
        ("\u212aelvin", None),
        ("a\u0661", None),
    ],
)
def test_names(spelled: str, name: str | None) -> None:
    assert normalize(spelled) == name


def test_the_list_is_sorted_by_normalised_name_without_the_quarantined(world: World) -> None:
    world.started("Zope", "b", "a.b", "AB", "bad", "A-a")
    world.up.quarantine_project("bad")
    assert world.sync() == DONE
    files = world.files()
    spelled = [row["name"] for row in json.loads(files[f"simple/{JSON}"])["projects"]]
    assert spelled == ["A-a", "a.b", "AB", "b", "Zope"]
    assert [text for text, _ in HtmlPage(files[f"simple/{HTML}"]).anchors] == spelled


ODD = [
    "demo-1.0-py2.7.egg",
    "demo-1.0.win32.exe",
    "demo-1.0.win-amd64-py3.8.msi",
    "demo-1.0-1.noarch.rpm",
    "demo-1.0.dmg",
    "demo-1.0.linux-x86_64.tar.gz",
    "demo-1.0-variants.json",  # PEP 825
    "Demo.1.0.zip",
    "demo-1.0+local.1.tar.gz",
    "demo-1!1.0.tar.gz",
    "demo-1.0 beta.zip",
    "demo-é-1.0~x'&(2).zip",
    "demo",
    "d-100%25.zip",
]


@pytest.mark.parametrize("quoted", [False, True], ids=["as-upstream", "all-percent-encoded"])
def test_files_of_any_name_end_their_links_in_it(world: World, quoted: bool) -> None:
    world.started("other")
    for number, name in enumerate(ODD):
        world.up.upload("demo", f"1.{number}", name)

    def spoil(page: dict[str, Any]) -> dict[str, Any]:
        for file in page["files"] if quoted else ():
            head, _, last = file["url"].rpartition("/")
            file["url"] = f"{head}/{''.join(f'%{byte:02X}' for byte in unquote(last).encode())}"
        return page

    world.up.doctor = spoil
    assert world.sync() == DONE
    page, in_html = world.pages("demo") or ({}, None)
    assert in_html is not None
    links = {text: str(attributes["href"]) for text, attributes in in_html.anchors}
    assert {file["filename"] for file in page["files"]} == {*links} == {*ODD}
    for file in page["files"]:
        link, _, fragment = links[file["filename"]].partition("#")
        assert link == file["url"] and fragment == f"sha256={file['hashes']['sha256']}"
        assert unquote(urlsplit(link).path.rpartition("/")[2]) == file["filename"]
        assert link.isascii() and " " not in link


def test_a_file_that_may_change_under_its_name_is_no_alarm(world: World) -> None:
    """PEP 825 (a draft) lets the description of a release's variants change."""
    world.up.upload("demo", "1.0")
    world.up.upload("demo", "1.0", "demo-1.0-variants.json")
    assert world.sync() == DONE

    def another(page: dict[str, Any]) -> dict[str, Any]:
        for file in page["files"]:
            if file["filename"].endswith(".json"):
                file["hashes"] = {"sha256": HEX}
        return page

    world.up.doctor = another
    world.up.raw_row("demo", None, "frobnicate")
    assert world.sync() == DONE
    page = world.page("demo")
    assert page is not None and HEX in [file["hashes"]["sha256"] for file in page["files"]]


@pytest.mark.parametrize("root", ["https://m.example/simple/", "https://m.example/a/b/simple/"])
def test_links_hold_wherever_the_tree_is_served(world: World, root: str) -> None:
    world.started("demo", "Foo.Bar")
    files = world.files()
    links = HtmlPage(files[f"simple/{HTML}"]).anchors
    targets = {text: urljoin(root, str(about["href"])) for text, about in links}
    assert targets == {"demo": f"{root}demo/", "Foo.Bar": f"{root}foo-bar/"}
    for path, body in files.items():
        if not path.endswith(JSON):
            tree = html5lib.parse(body, namespaceHTMLElements=False, transport_encoding="utf-8")
            assert tree.find(".//base") is None
    for name in ("demo", "foo-bar"):
        page = world.page(name)
        assert page is not None
        for file in page["files"]:
            assert urljoin(f"{root}{name}/", file["url"]) == file["url"], "absolute"


class Order:
    """A store that notes the order of what is written; passes all on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.told: list[str] = []

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        for operation in operations:
            self.told.append(
                f"{'-' if isinstance(operation, RemoveProject) else '+'}{operation.name}"
            )
        return self._store.apply(operations)

    def write_list(self, forms: Sequence[ListForm], codecs: tuple[str, ...]) -> tuple[str, ...]:
        self.told.append("list")
        return self._store.write_list(forms, codecs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_withdrawals_go_first_and_the_list_goes_last(world: World) -> None:
    world.started("gone", "yanked", "other")
    order = Order(world.kills.store)
    world.kills.store = cast(Store, order)
    world.up.upload("new", "1.0")
    world.up.yank("yanked", "1.0")
    world.up.remove_project("gone")
    assert world.sync() == DONE
    assert order.told == ["-gone", "+yanked", "+new", "list"]
    assert_equal_to_upstream(world)


def without(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda page: {
        **page,
        "files": [{k: v for k, v in file.items() if k != key} for file in page["files"]],
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", None), ("upload-time", None), ("upload-time", ""), ("upload-time", "yesterday"),
     ("requires-python", None), ("provenance", None), ("core-metadata", None), ("gpg-sig", None)],
)  # fmt: skip
def test_what_is_not_known_is_neither_null_nor_invented(
    world: World, key: str, value: object
) -> None:
    world.started()

    def doctor(page: dict[str, Any]) -> dict[str, Any]:
        page = without(key)(without("data-dist-info-metadata")(page))
        return {**page, "files": [{**file, key: value} for file in page["files"]]}

    page = refetched(world, doctor)
    assert all(key not in file for file in page["files"])
    sized = key != "size"
    assert page["meta"]["api-version"] == ("1.1" if sized else "1.0")
    assert ("versions" in page) == sized
    assert b"null" not in world.files()[f"simple/demo/{JSON}"]


@pytest.mark.parametrize("status", ["active", "archived", "deprecated", "frozen"])
@pytest.mark.parametrize("reason", [None, 'because "<b>'])
def test_a_status_is_passed_on_and_the_files_stay(
    world: World, status: str, reason: str | None
) -> None:
    world.started()
    world.up.set_status("demo", status, reason)
    world.resync("demo")
    page, in_html = world.pages("demo") or ({}, None)
    assert in_html is not None and len(page["files"]) == len(in_html.anchors) == 2
    wanted = {"status": status} if reason is None else {"status": status, "reason": reason}
    assert page.get("project-status", {"status": "active"}) == wanted
    assert in_html.metas.get("pypi:project-status", "active") == status
    assert in_html.metas.get("pypi:project-status-reason") == reason
    assert page["meta"]["api-version"] == ("1.1" if wanted == {"status": "active"} else "1.4")


def test_of_what_is_quarantined_nothing_is_left_and_all_comes_back(disk: World) -> None:
    disk.started("demo", "other")
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    whole = disk.page("demo")
    disk.up.quarantine_project("demo")
    assert disk.sync() == DONE
    assert b"demo-1.0" not in b"".join(disk.files().values())
    page, in_html = disk.pages("demo") or ({}, None)
    assert page["project-status"] == {"status": "quarantined"} and page["versions"] == []
    assert in_html is not None and in_html.metas["pypi:project-status"] == "quarantined"
    disk.up.clear_project_quarantine("demo")
    assert disk.sync() == DONE
    assert whole is not None
    assert (disk.page("demo") or {})["files"] == whole["files"]
