"""Finds the known hashes of a release.

They come from a lock file, from options, or from the state.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from yanksync.core.errors import InputFileError, InvalidAnswer
from yanksync.core.formats.file_checks import check_filename
from yanksync.core.formats.reader_rules import InvalidFile
from yanksync.core.model import Hashes
from yanksync.core.names import NormalizedName
from yanksync.core.versions import same_version
from yanksync.reports.rescue.findings import STRONG, KnownHash, Wanted
from yanksync.state.state import State
from yanksync.state.views.stored_page import parse_stored_page
from yanksync.system.pin_files import read_pin_files

log = logging.getLogger("yanksync")


def hashes_of_locks(
    paths: Sequence[str], project: NormalizedName, version: str
) -> tuple[KnownHash, ...]:
    """Return the hashes of a release from lock files.

    Raises :class:`InputFileError` if a file cannot be read, or if none has a hash.
    """
    pins = [
        pin
        for pin in read_pin_files(paths, ()).pins
        if pin.project == project and same_version(pin.version, version)
    ]
    found = [
        one for pin in pins for file in pin.files for one in _strong(file.filename, file.hashes)
    ]
    if not found:
        has = "pins it without a SHA-2 hash" if pins else "has no such pin"
        raise InputFileError(
            ", ".join(paths),
            f"{has}: {project}=={version}, so no file could be verified and nothing was done. Name "
            "another lock file, or a hash with --hash",
        )
    return tuple(dict.fromkeys(found))


def hashes_of_state(state: State, project: NormalizedName, version: str) -> tuple[KnownHash, ...]:
    """Return the state's hashes of a release, past ones included.

    Raises :class:`yanksync.core.errors.StateError`.
    """
    row = state.projects.get([project]).get(project)
    if row is None:
        return ()
    files: list[tuple[str, Hashes]] = []
    stored = state.projects.page(row.id)
    if stored is not None:
        try:
            page = parse_stored_page(project, stored)
        except InvalidAnswer as error:
            log.warning("%s; only what it lost is known", error)
        else:
            files += [(one.filename, one.hashes) for one in page.files]
    files += [(one.file.filename, one.file.hashes) for one in state.lost_files.one(row.id)]
    files += [(one.filename, one.hashes) for one in state.removed_files.of(row.id)]
    release = Wanted(project=project, version=version, source="", hashes=())
    return tuple(_undoubted(pair for pair in files if release.has(pair[0])))


def _undoubted(files: Iterable[tuple[str, Hashes]]) -> Iterator[KnownHash]:
    """Yield the hashes of each file, unless it had different ones."""
    by_name: dict[tuple[str, str], dict[str, KnownHash]] = defaultdict(dict)
    for filename, hashes in files:
        for one in _strong(filename, hashes):
            by_name[filename, one.algorithm][one.digest] = one
    for (filename, algorithm), known in by_name.items():
        if len(known) == 1:
            yield from known.values()
        else:
            log.warning(
                "%s has had %d %s hashes, so none of them counts; name the right one with --hash",
                filename,
                len(known),
                algorithm,
            )


def _strong(filename: str | None, hashes: Hashes) -> Iterator[KnownHash]:
    """Yield the hashes that verify a file."""
    if filename is not None:
        try:
            check_filename(filename)
        except InvalidFile:  # the name is not safe; use the file's own name
            filename = None
    for algorithm, digest in hashes:
        if algorithm in STRONG:
            yield KnownHash(algorithm, digest, filename)
