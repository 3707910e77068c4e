"""What the output must show, derived from the fake index.

Both page forms are read with the standard library's parsers and none of yanksync's.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from yanksync.config.load import load

if TYPE_CHECKING:
    from tests.support.world import World

JSON, HTML, V1_HTML = "index.v1_json", "index.html", "index.v1_html"
_STATUS = "pypi:project-status"


class HtmlPage(HTMLParser):
    """The HTML form, read with the standard library's parser."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.anchors: list[tuple[str, Mapping[str, str | None]]] = []
        self.metas: dict[str, str | None] = {}
        self.serial: int | None = None
        self._open: dict[str, str | None] | None = None
        self._text = ""
        self.feed(body.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "meta" and "name" in named:
            self.metas[str(named["name"])] = named.get("content")
        elif tag == "a":
            self._open, self._text = named, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._open is not None:
            self.anchors.append((self._text, self._open))
            self._open = None

    def handle_comment(self, data: str) -> None:
        if match := re.fullmatch(r"SERIAL (\d+)", data):
            self.serial = int(match[1])


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def address(file: Mapping[str, Any]) -> str:
    """Return the address of a file's copy on the page of its project."""
    digest = file["hashes"]["sha256"]
    name = quote(file["filename"], safe="~!$()*+,;=:@")
    return f"../../packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{name}"


def assert_equal_to_upstream(world: World, *, but: Sequence[str] = ()) -> None:
    """Hold everything published against upstream's truth, in whatever yanked mode is configured.

    ``but`` are projects that are not looked at. Projects that were quarantined before we heard of
    them are in no list, so they may be missing.
    """
    settings = load(None, {}, **world.flags)
    others = ("packages/", "deleted/")
    files = {path: body for path, body in world.files().items() if not path.startswith(others)}
    omit = settings.mirror.yanked == "omit"
    mirrored = [name for name in world.up.all_names() if settings.is_mirrored(name)]
    directories = {path.split("/")[1] for path in files if path.count("/") == 2}
    offered = {*world.up.names()}
    mirrored = [name for name in mirrored if name in offered or name in directories]
    assert directories - {*but} == {*mirrored} - {*but}
    for name in mirrored:
        if name not in but:
            _assert_page(world, name, omit=omit)
    _assert_list(world, [name for name in world.up.names() if settings.is_mirrored(name)], but)
    _assert_files(files, settings.mirror.compress, legacy=settings.mirror.legacy_json)


def _assert_page(world: World, name: str, *, omit: bool) -> None:
    truth, pages = world.up.truth(name), world.pages(name)
    assert truth is not None and pages is not None, name
    in_json, in_html = pages
    status = truth["project-status"]["status"]
    wanted = {file["filename"]: file for file in truth["files"]}
    if omit:
        wanted = {key: file for key, file in wanted.items() if file["yanked"] is False}
    if world.flags.get("mirror_files") == "copy":
        wanted = {key: {**file, "url": address(file)} for key, file in wanted.items()}
    stored = world.up.project(name)
    assert stored is not None
    versions = sorted({stored.files[key].version for key in wanted})
    assert sorted(in_json["versions"]) == versions, (name, in_json, truth)
    if status == "quarantined":
        assert truth["files"] == in_json["files"] == in_html.anchors == []
    assert in_json["name"] == name
    assert in_json.get("project-status", {"status": "active"})["status"] == status
    assert in_html.metas.get(_STATUS, "active") == status
    serial = in_json["meta"].get("_last-serial")
    assert in_html.serial == serial
    assert (serial is None) == ("_last-serial" not in truth["meta"])
    assert serial is None or serial <= truth["meta"]["_last-serial"]
    assert {file["filename"]: _facts(file) for file in in_json["files"]} == {
        key: _facts(file) for key, file in wanted.items()
    }
    assert len(in_json["files"]) == len(wanted)
    assert dict(in_html.anchors) == {key: _attributes(file) for key, file in wanted.items()}
    assert [text for text, _ in in_html.anchors] == [file["filename"] for file in in_json["files"]]


def _facts(file: Mapping[str, Any]) -> dict[str, Any]:
    """What the JSON form must say of a file: what upstream says, without what it does not know."""
    yanked = file["yanked"]
    assert yanked is True or yanked is False or (isinstance(yanked, str) and yanked)
    return {
        key: value
        for key, value in file.items()
        if value is not None and key != "data-dist-info-metadata"
    }


def _attributes(file: Mapping[str, Any]) -> dict[str, str | None]:
    """The attributes that the HTML anchor of a file must have."""
    found: dict[str, str | None] = {"href": f"{file['url']}#sha256={file['hashes']['sha256']}"}
    if file["requires-python"] is not None:
        found["data-requires-python"] = file["requires-python"]
    if file["core-metadata"]:
        claim = f"sha256={file['core-metadata']['sha256']}"
        found["data-core-metadata"] = found["data-dist-info-metadata"] = claim
    if file["provenance"] is not None:
        found["data-provenance"] = file["provenance"]
    if file["yanked"] is not False:
        reason = "" if file["yanked"] is True else file["yanked"]
        found["data-yanked"] = re.sub("[\0\ud800-\udfff]", "\ufffd", reason)
    return found


def _assert_list(world: World, names: Sequence[str], but: Sequence[str]) -> None:
    wanted = sorted({*names} - {*but})
    assert [name for name in world.listed() if name not in but] == wanted
    body = world.kills.store.read(None, HTML)
    assert body is not None
    anchors = HtmlPage(body).anchors
    linked = {normal(text): attributes["href"] for text, attributes in anchors}
    assert sorted({*linked} - {*but}) == wanted
    for name, link in linked.items():
        assert str(link).rstrip("/").rsplit("/")[-1] == name


def _assert_files(files: Mapping[str, bytes], codecs: Sequence[str], *, legacy: bool) -> None:
    """Twins are equal, copies say the same and save a packet, and nothing else is there."""
    forms = (HTML, V1_HTML, JSON, *(["index.legacy_json"] if legacy else []))
    homes = {path.rpartition("/")[0] for path in files}
    pages = {f"{home}/{form}" for home in homes for form in forms}
    saved = {f"{path}.gz": saved_by_gzip(files[path]) for path in pages if path in files}
    copies = saved.items() if "gzip" in codecs else ()
    wanted = pages | {copy for copy, size in copies if size >= PACKET + EDGE}
    allowed = pages | {copy for copy, size in copies if size >= PACKET - EDGE}
    assert wanted <= {*files} <= allowed, sorted((wanted - {*files}) | ({*files} - allowed))
    for home in homes:
        assert files[f"{home}/{HTML}"] == files[f"{home}/{V1_HTML}"]
    for path in files:
        if path.endswith(".gz"):
            assert gzip.decompress(files[path]) == files[path.removesuffix(".gz")]


PACKET, EDGE = 1400, 100  # what a copy has to save; libraries differ a little


def saved_by_gzip(body: bytes) -> int:
    """Return how many bytes a compressed copy of ``body`` saves."""
    return len(body) - len(gzip.compress(body, 6))
