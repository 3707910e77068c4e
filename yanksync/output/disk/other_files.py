"""Files of an output directory beside the pages of projects.

Written, listed and deleted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from yanksync.output.digests import digest_of
from yanksync.output.disk.file_system_limits import FileSystemRefusals
from yanksync.output.disk.inventory import chunks_in, open_published
from yanksync.output.disk.published_files import UNREADABLE, PublishedFiles, publish_errors
from yanksync.output.disk.staging import (
    StagedFiles,
    discard,
    make_directory,
    refresh_times,
    stage_chunks,
    unlink,
)
from yanksync.output.files import OutputFile, batches
from yanksync.system import fsync

log = logging.getLogger("yanksync")


class OtherFiles(PublishedFiles):
    """An output directory with files that belong to no project's page."""

    def __init__(self, output: Path) -> None:
        super().__init__(output)
        self._refusals = FileSystemRefusals(self._root)

    def write_files(self, files: Iterable[OutputFile]) -> None:
        """Replace these files, durably, each in one step."""
        with publish_errors(str(self.output)):
            for batch in batches(files):
                self._write_batch(batch)

    def _write_batch(self, files: Sequence[OutputFile]) -> None:
        staged: dict[str, StagedFiles] = {}
        try:
            for file in files:
                directory, _, filename = file.path.rpartition("/")
                if directory not in staged:
                    staged[directory] = StagedFiles(directory)
                    self._make_below(directory)
                base = f"{self.output}/{directory}"
                stage_chunks(base, filename, file.chunks(), staged[directory], None)
            self._make_durable(list(staged.values()), ())
            for one in staged.values():
                for temporary, final in one.renames:
                    os.replace(temporary, final)
                one.made.clear()
            parents = dict.fromkeys(above for one in staged for above in _with_parents(one))
            self._sync_directories([f"{self.output}/{one}" for one in ("", *parents)])
        finally:
            for one in staged.values():
                discard(one)

    def _make_below(self, directory: str) -> None:
        for path in reversed(_with_parents(directory)):
            make_directory(f"{self.output}/{path}")

    def _make_durable(self, staged: Sequence[StagedFiles], kept: Sequence[str]) -> None:
        """Bring staged files to stable storage, with later times.

        The files ``kept`` are synced, too: a dead run may have written them without a sync.
        """
        refresh_times(staged)
        self._refusals.undated(next((one.undated for one in staged if one.undated), None))
        paths = [*(path for one in staged for path in one.made), *kept]
        self._refusals.unsynced(fsync.sync_files(paths, self._root), "files")

    def _sync_directories(self, paths: Sequence[str]) -> None:
        self._refusals.unsynced(fsync.sync_directories(paths, self._root), "directories")

    def read_file(self, path: str) -> bytes | None:
        """Return a file of the output; None if it is missing."""
        with publish_errors(f"{self.output}/{path}"):
            file = open_published(f"{self.output}/{path}")
            if file is None:
                return None
            with file:
                return file.read()

    def file_chunks(self, path: str) -> Iterator[bytes] | None:
        """Return the bytes of a file; None if it is missing."""
        with publish_errors(f"{self.output}/{path}"):
            file = open_published(f"{self.output}/{path}")
        return None if file is None else self._chunks(file)

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        with publish_errors(file.name), file:
            yield from chunks_in(file)

    def file_digest(self, path: str) -> bytes | None:
        """Return the digest of a file; None if it is missing."""
        chunks = self.file_chunks(path)
        return None if chunks is None else digest_of(chunks)

    def list_files(self, directory: str) -> Iterator[str]:
        """Yield the paths of all files below a directory, by subdirectory."""

        root = f"{self.output}/{directory}"

        def stop(error: OSError) -> None:
            if isinstance(error, PermissionError) and error.filename != root:  # such as lost+found
                log.warning(UNREADABLE, error.filename, error.strerror)
            elif not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                raise error

        with publish_errors(root):
            for base, below, names in os.walk(root, onerror=stop):
                below.sort()
                place = Path(base).relative_to(self.output).as_posix()
                yield from (f"{place}/{name}" for name in sorted(names))

    def delete_files(self, paths: Iterable[str]) -> None:
        """Delete files, and directories that become empty."""
        with publish_errors(str(self.output)):
            for path in paths:
                unlink(f"{self.output}/{path}")
                for directory in _with_parents(path.rpartition("/")[0]):
                    with suppress(OSError):  # it is not empty
                        os.rmdir(f"{self.output}/{directory}")


def _with_parents(directory: str) -> list[str]:
    """Return a directory and its parents below the output."""
    parts = directory.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
