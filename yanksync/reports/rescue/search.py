"""Finds what may be a file of a release.

It searches caches, and trees of files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePath

from yanksync.reports.rescue.findings import Candidate, Kind, Wanted

_OLD_ENTRY = re.compile(r"[0-9a-f]{56}")  # pip's name for an address: SHA-224
_NOTED = re.compile(
    rb"sha256\xd9@([0-9a-f]{64})", re.IGNORECASE
)  # a text of 64 bytes in MessagePack
_HEAD = 4096  # bytes of uv's note that are read; the hash is at its beginning
_ORIGIN = "origin.json"  # pip puts it beside a wheel that it built


def candidates(
    root: str, wanted: Wanted, failed: Callable[[OSError], object]
) -> Iterator[Candidate]:
    """Yield candidates for files of the release below ``root``.

    ``failed`` is called for directories that cannot be read.
    """
    names = {one.filename for one in wanted.hashes if one.filename is not None}
    for directory, subdirectories, files in os.walk(root, onerror=failed):
        subdirectories.sort()
        for name in sorted(files):
            if name in names or (name[:1].isalnum() and wanted.has(name)):
                yield Candidate(
                    path=os.path.join(directory, name),
                    kind=Kind.FILE,
                    filename=name,
                    built=_is_built(directory, files),
                )
            elif name.endswith(".body"):
                yield Candidate(path=os.path.join(directory, name), kind=Kind.BODY)
            elif _OLD_ENTRY.fullmatch(name) and f"{name}.body" not in files:
                yield Candidate(path=os.path.join(directory, name), kind=Kind.ENTRY)
            elif name.endswith(".http"):
                yield from _unpacked(directory, name, wanted)


def _is_built(directory: str, files: Collection[str]) -> bool:
    """Return whether pip or uv built the wheels of a directory."""
    return _ORIGIN in files or any(
        part.startswith("sdists-v") for part in PurePath(directory).parts
    )


def _unpacked(directory: str, name: str, wanted: Wanted) -> Iterator[Candidate]:
    """Yield the unpacked files of the release in uv's cache."""
    place = PurePath(directory)
    if name == "revision.http":  # sdists-v*/INDEX/PROJECT/VERSION/revision.http, and ID/src beside
        if place.parent.name == wanted.project and wanted.has(f"{wanted.project}-{place.name}.zip"):
            yield _noted(directory, directory, name, None)
    elif place.name == wanted.project:  # wheels-v*/INDEX/PROJECT/VERSION-TAGS.http
        stem = name.removesuffix(".http")
        wheel = f"{wanted.project.replace('-', '_')}-{stem}.whl"
        unpacked = os.path.join(directory, stem)
        if wanted.has(wheel) and os.path.isdir(unpacked):
            yield _noted(os.path.realpath(unpacked), directory, name, wheel)


def _noted(path: str, directory: str, note: str, filename: str | None) -> Candidate:
    try:
        with open(os.path.join(directory, note), "rb") as file:
            match = _NOTED.search(file.read(_HEAD))
    except OSError:
        match = None
    recorded = None if match is None else match[1].decode()
    return Candidate(path=path, kind=Kind.UNPACKED, filename=filename, recorded=recorded)
