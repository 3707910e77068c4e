"""Trees as other mirrors leave them, written from the fake upstream's truth.

The shapes come from runs of bandersnatch 8.2 (6.8 writes the same) and shadowmire 2.0 against an
upstream. They have one serial as text. A yank is a boolean in JSON and has its reason in HTML.
Project status and provenance are missing.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.fake_index.index import FakeUpstream

JSON, HTML, V1_HTML = "index.v1_json", "index.html", "index.v1_html"


class Tree:
    """The directory that another mirror made of ``up``; ``root`` is what its links begin with."""

    def __init__(self, up: FakeUpstream, output: Path, *, root: str | None = None) -> None:
        self.up = up
        self.simple = output / "simple"
        self.root = root  # None: upstream's own links; "../.." as it is by default
        self.linked = False  # index.html is a link, as shadowmire makes it

    def make(self, *names: str) -> None:
        """Write the pages of ``names``, all by default, and the list."""
        for name in names or self.up.names():
            self.page(name)
        self.list()

    def page(self, name: str) -> None:
        """Write the page of a project as it is now."""
        truth = self.up.truth(name)
        assert truth is not None
        home = self.simple / name
        home.mkdir(parents=True, exist_ok=True)
        (home / JSON).write_text(json.dumps(self.in_json(truth)))
        text = self.in_html(truth)
        (home / V1_HTML).write_text(text)
        (home / HTML).unlink(missing_ok=True)
        if self.linked:
            (home / HTML).symlink_to(V1_HTML)
        else:
            (home / HTML).write_text(text)

    def in_json(self, truth: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON page."""
        files = [
            {
                "filename": file["filename"],
                "hashes": {"sha256": file["hashes"]["sha256"]},
                "requires-python": file["requires-python"],
                "size": file["size"],
                "upload-time": file["upload-time"],
                "url": self._url(file["url"]),
                "yanked": file["yanked"] is not False,
            }
            | ({"core-metadata": False} if file["core-metadata"] is False else {})
            for file in truth["files"]
        ]
        serial = str(truth["meta"]["_last-serial"])
        return {
            "files": files,
            "meta": {"api-version": "1.1", "_last-serial": serial},
            "name": truth["name"],
            "versions": truth["versions"],
        }

    def in_html(self, truth: dict[str, Any]) -> str:
        """Return the HTML page."""
        links = []
        for file in truth["files"]:
            tags, yanked = "", file["yanked"]
            if file["requires-python"] is not None:
                tags += f' data-requires-python="{html.escape(file["requires-python"])}"'
            if yanked is not False:
                tags += f' data-yanked="{"" if yanked is True else html.escape(yanked)}"'
            href = f"{self._url(file['url'])}#sha256={file['hashes']['sha256']}"
            links.append(f'    <a href="{href}"{tags}>{file["filename"]}</a><br/>')
        title = f"Links for {truth['name']}"
        return (
            "<!DOCTYPE html>\n<html>\n  <head>\n"
            '    <meta name="pypi:repository-version" content="1.0">\n'
            f"    <title>{title}</title>\n  </head>\n  <body>\n    <h1>{title}</h1>\n"
            + "\n".join(links)
            + f"\n  </body>\n</html>\n<!--SERIAL {truth['meta']['_last-serial']}-->"
        )

    def list(self, serial: int | None = None, names: Sequence[str] | None = None) -> None:
        """Write the list of the projects that have a directory."""
        self.simple.mkdir(parents=True, exist_ok=True)
        found = names or sorted(path.name for path in self.simple.iterdir() if path.is_dir())
        meta = {
            "_last-serial": self.up.last_serial if serial is None else serial,
            "api-version": "1.1",
        }
        rows = [{"name": name} for name in found]
        (self.simple / JSON).write_text(json.dumps({"meta": meta, "projects": rows}))
        links = "".join(f'    <a href="{name}/">{name}</a><br/>\n' for name in found)
        for form in (HTML, V1_HTML):
            (self.simple / form).write_text(f"<!DOCTYPE html>\n<html><body>{links}</body></html>")

    def _url(self, url: str) -> str:
        return url if self.root is None else self.root + re.sub("^https?://[^/]*", "", url)
