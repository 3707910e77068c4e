"""The forms of a page and of the list as bytes: JSON and HTML, and the older JSON API for peers."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import msgspec

from .shapes import Name, PageDict

JSON, HTML = "v1_json", "html"
"""Extensions of the files that nginx serves; it knows their types by them."""

_encode = msgspec.json.Encoder().encode


def page_json(page: PageDict) -> bytes:
    """Return a project page as Warehouse's JSON: sorted keys, no spaces."""
    return _encode(page)


def page_html(page: PageDict) -> bytes:
    """Return a project page as HTML."""
    title = f"Links for {page['name']}"
    links = "".join(_link(file) for file in page["files"])
    serial = page["meta"]["_last-serial"]
    return _document(title, links, f"<!--SERIAL {serial}-->")


def legacy(page: PageDict, display: str) -> bytes:
    """Return what ``/pypi/<name>/json`` says, which both peers read."""
    releases: dict[str, list[PageDict]] = {version: [] for version in page["versions"]}
    for file in page["files"]:
        releases[version_of(page, file["filename"])].append(_legacy_file(file))
    serial = page["meta"]["_last-serial"]
    latest = page["versions"][-1]
    info = {"name": display, "version": latest, "summary": "A project", "yanked": False}
    return _encode(
        {
            "info": info,
            "last_serial": serial,
            "releases": releases,
            "urls": releases[latest],
            "vulnerabilities": [],
        }
    )


def version_of(page: PageDict, filename: str) -> str:
    """Return the version that stands in a file name made by :mod:`.shapes`."""
    stem = str(page["name"]).replace("-", "_") + "-"
    return filename.removeprefix(stem).removesuffix(".tar.gz").partition("-")[0]


def list_json(projects: Iterable[Name], serial: int) -> bytes:
    """Return the list of projects as JSON, with serials."""
    rows = ",".join(f'{{"_last-serial":{p.serial},"name":"{p.display}"}}' for p in projects)
    head = f'{{"meta":{{"_last-serial":{serial},"api-version":"1.4"}},"projects":['
    return f"{head}{rows}]}}".encode()


def list_html(projects: Iterable[Name]) -> bytes:
    """Return the list of projects as HTML."""
    links = "".join(f'    <a href="/simple/{p.name}/">{p.display}</a>\n' for p in projects)
    return _document("Simple index", links, "")


def _link(file: PageDict) -> str:
    attributes = [f'href="{file["url"]}#sha256={file["hashes"]["sha256"]}"']
    if file["requires-python"]:
        attributes.append(f'data-requires-python="{html.escape(file["requires-python"])}"')
    if (yanked := file["yanked"]) is not False:
        attributes.append(f'data-yanked="{"" if yanked is True else html.escape(yanked)}"')
    if metadata := file["core-metadata"]:
        digest = f"sha256={metadata['sha256']}"
        attributes += [f'data-dist-info-metadata="{digest}"', f'data-core-metadata="{digest}"']
    return f"<a {' '.join(attributes)}>{file['filename']}</a><br />\n"


def _document(title: str, links: str, comment: str) -> bytes:
    return (
        "<!DOCTYPE html>\n<html>\n  <head>\n"
        '    <meta name="pypi:repository-version" content="1.4">\n'
        f"    <title>{title}</title>\n  </head>\n  <body>\n    <h1>{title}</h1>\n"
        f"{links}</body>\n</html>\n{comment}"
    ).encode()


def _legacy_file(file: PageDict) -> dict[str, Any]:
    yanked, filename = file["yanked"], str(file["filename"])
    sha256 = file["hashes"]["sha256"]
    wheel = filename.endswith(".whl")
    return {
        "comment_text": None,
        "digests": {"blake2b_256": sha256[::-1], "md5": sha256[:32], "sha256": sha256},
        "downloads": -1,
        "filename": filename,
        "has_sig": False,
        "md5_digest": sha256[:32],
        "packagetype": "bdist_wheel" if wheel else "sdist",
        "python_version": "py3" if wheel else "source",
        "requires_python": file["requires-python"],
        "size": file["size"],
        "upload_time": file["upload-time"][:19],
        "upload_time_iso_8601": file["upload-time"],
        "url": file["url"],
        "yanked": yanked is not False,
        "yanked_reason": yanked if isinstance(yanked, str) else None,
    }
