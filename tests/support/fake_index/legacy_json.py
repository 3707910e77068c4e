"""The older JSON API of the fake upstream (``/pypi/<name>/json``), which other mirrors read."""

from __future__ import annotations

import json
from typing import Any

from tests.support.fake_index.repository import Repository
from tests.support.fake_index.values import StoredFile, StoredProject


def document(upstream: Repository, name: str) -> tuple[bytes, int] | None:
    """Return the document of a project and its serial; None where there is none."""
    truth, project = upstream.truth(name), upstream.project(name)
    if truth is None or project is None:
        return None
    stored = {file.filename: file for file in project.visible()}
    releases: dict[str, list[dict[str, Any]]] = {version: [] for version in truth["versions"]}
    for file in truth["files"]:
        found = stored[file["filename"]]
        releases[found.version].append(_file(file, found))
    newest = list(releases)[-1] if releases else None
    serial = int(truth["meta"]["_last-serial"])
    body = {
        "info": _info(project, newest),
        "last_serial": serial,
        "releases": releases,
        "urls": releases[newest] if newest is not None else [],
        "vulnerabilities": [],
    }
    return json.dumps(body).encode(), serial


def _info(project: StoredProject, newest: str | None) -> dict[str, Any]:
    return {"name": project.display, "version": newest, "summary": "", "classifiers": []}


def _file(file: dict[str, Any], stored: StoredFile) -> dict[str, Any]:
    reason = file["yanked"] if isinstance(file["yanked"], str) else None
    return {
        "comment_text": "",
        "digests": {"md5": "0" * 32, "blake2b_256": "0" * 64, **file["hashes"]},
        "downloads": -1,
        "filename": file["filename"],
        "has_sig": False,
        "md5_digest": "0" * 32,
        "packagetype": "bdist_wheel" if file["filename"].endswith(".whl") else "sdist",
        "python_version": "source",
        "requires_python": file["requires-python"],
        "size": len(stored.content),
        "upload_time": stored.upload_time[:19],
        "upload_time_iso_8601": stored.upload_time,
        "url": file["url"],
        "yanked": file["yanked"] is not False,
        "yanked_reason": reason,
    }
