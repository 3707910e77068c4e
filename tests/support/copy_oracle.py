"""What a mirror that copies files must serve, judged from its output and upstream's truth alone.

It shares nothing with the package. It does not read the state or the log.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from tests.support.page_assertions import HtmlPage

_PLACE = re.compile(r"packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+")
INCOMING = "packages/.incoming/"


def served_copies(output: Path) -> dict[str, bytes]:
    """Return what is below packages/, received files aside."""
    found = {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in (output / "packages").rglob("*")
        if path.is_file()
    }
    return {path: body for path, body in found.items() if not path.startswith(INCOMING)}


def check_links(output: Path, may_lack: Collection[str] = ()) -> set[str]:
    """Check that all copies which a page names are there, with the right bytes; return them.

    This is so at any moment, also after a kill. Only ``may_lack`` are paths that may be missing.
    """
    named: set[str] = set()
    for page in _pages(output, "index.v1_json"):
        parsed = json.loads(page.read_bytes())
        for file in parsed["files"]:
            named.update(_check_file(output, page, file, may_lack))
    for page in _pages(output, "index.html"):
        for _, attributes in HtmlPage(page.read_bytes()).anchors:
            link, _, digest = str(attributes["href"]).partition("#sha256=")
            if "://" not in link:
                path = _target(output, page, unquote(link))
                if path in may_lack and not (output / path).exists():
                    continue
                body = (output / path).read_bytes()
                assert hashlib.sha256(body).hexdigest() == digest, (page, link)
    return named


def _pages(output: Path, name: str) -> Iterator[Path]:
    for root in ("simple", "deleted/simple"):
        yield from (output / root).glob(f"*/{name}")


def _check_file(
    output: Path, page: Path, file: Mapping[str, Any], may_lack: Collection[str]
) -> Iterator[str]:
    if "://" in file["url"]:
        assert "output.invalid" not in file["url"], file
        return
    path = _target(output, page, unquote(file["url"]))
    if path in may_lack and not (output / path).exists():
        return
    body = (output / path).read_bytes()
    assert hashlib.sha256(body).hexdigest() == file["hashes"]["sha256"], (page, path)
    assert _PLACE.fullmatch(path), path
    yield path
    claimed = file.get("core-metadata")
    if isinstance(claimed, dict):
        metadata = (output / f"{path}.metadata").read_bytes()
        assert hashlib.sha256(metadata).hexdigest() == claimed["sha256"], (page, path)
        yield f"{path}.metadata"


def _target(output: Path, page: Path, link: str) -> str:
    """Return what a relative link leads to, as a path below the output."""
    parts = PurePosixPath(page.parent.relative_to(output), link).parts
    found: list[str] = []
    for part in parts:
        if part == "..":
            found.pop()
        else:
            found.append(part)
    return "/".join(found)


def check_settled(output: Path) -> None:
    """Check what holds after a pass that has nothing left to do: copies and pages agree."""
    named = check_links(output)
    assert set(served_copies(output)) == named
    for page in _pages(output, "index.v1_json"):
        for file in json.loads(page.read_bytes())["files"]:
            assert "://" not in file["url"], (page.parent.name, file["filename"])
    assert not list((output / "packages").glob(".incoming/*"))


def check_out_of_service(output: Path, contents: Mapping[str, bytes]) -> None:
    """Check that these contents, by file name, are nowhere in the output."""
    bodies = set(contents.values())
    found = [path for path, body in served_copies(output).items() if body in bodies]
    assert not found, found
