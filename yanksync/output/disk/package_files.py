"""Copies of package files in a directory.

Received, published, and moved out of service.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from yanksync.core.layout import PACKAGES
from yanksync.output.disk.file_system_limits import FileSystemRefusals
from yanksync.output.disk.incoming import (
    PRIVATE,
    IncomingDirectory,
    ReceivedFile,
    incoming_name,
)
from yanksync.output.disk.inventory import umask
from yanksync.output.disk.package_inspection import (
    INCOMING,
    WITHHELD_KEY,
    PackageInspection,
    chunks,
    remove_empty,
    with_metadata,
)
from yanksync.output.disk.published_files import publish_errors
from yanksync.output.disk.staging import make_directory, unlink
from yanksync.system import fsync
from yanksync.system.atomic_files import FILE_MODE


class DiskPackages(PackageInspection):
    """The copies below an output directory."""

    def __init__(self, output: Path, withheld: Path) -> None:
        """``withheld`` is the directory of copies that are out of service."""
        super().__init__(output, withheld)
        self._incoming = IncomingDirectory(f"{self._root}/{INCOMING}")
        self._refusals = FileSystemRefusals(self._root)

    def receive(self, path: str) -> ReceivedFile:
        """Open the file for ``path``."""
        return self._incoming.receive(path)

    def incoming(self) -> list[str]:
        """Return the paths of parts that a later download can continue."""
        return self._incoming.parts()

    def keep_incoming(self, paths: Collection[str]) -> None:
        """Delete received files, except the parts of ``paths``."""
        self._incoming.keep(paths)

    def free_space(self) -> int | None:
        """Return the free bytes of the file system."""
        with publish_errors(self._output):
            return shutil.disk_usage(self._output).free

    def publish_packages(self, paths: Sequence[str]) -> None:
        """Put received files in their places, durably, each in one step."""
        with publish_errors(self._root):
            received = [self._incoming.place(path) for path in paths]
            mode = FILE_MODE & ~umask()
            for place in received:
                os.chmod(place, mode)
            self._refusals.unsynced(fsync.sync_files(received, self._root), "files")
            for path in paths:
                self._incoming.forget_note(path)
            self._move(received, [f"{self._output}/{path}" for path in paths], self._output)

    def withhold(self, paths: Sequence[str]) -> None:
        """Move copies out of the output, durably."""
        with publish_errors(self._withheld, WITHHELD_KEY):
            os.makedirs(self._withheld, PRIVATE, exist_ok=True)
            both = with_metadata(paths)
            places = [f"{self._output}/{path}" for path in both]
            self._move(places, [self._kept(path) for path in both], self._withheld)
            remove_empty(places, self._root)

    def put_back(self, paths: Sequence[str]) -> None:
        """Move withheld copies to their places, durably."""
        with publish_errors(self._root):
            both = with_metadata(paths)
            kept = [self._kept(path) for path in both]
            self._move(kept, [f"{self._output}/{path}" for path in both], self._output)
            remove_empty(kept, self._withheld)

    def delete_withheld(self, paths: Sequence[str]) -> None:
        """Delete withheld copies, altered ones, too."""
        with publish_errors(self._withheld, WITHHELD_KEY):
            both = with_metadata(paths)
            kept = [*map(self._kept, both), *map(self._set_aside, both)]
            for place in kept:
                unlink(place)
            remove_empty(kept, self._withheld)

    def withheld_chunks(self, path: str) -> Iterator[bytes]:
        """Yield a withheld copy's bytes. Raises :class:`OSError`, also for a link."""
        return chunks(self._kept(path))

    def lacking(self, paths: Iterable[str]) -> set[str]:
        """Return those of ``paths`` that lack a served or withheld copy.

        What cannot be looked at counts as there.
        """
        return {
            path
            for path in paths
            if not (_is_there(f"{self._output}/{path}") or _is_there(self._kept(path)))
        }

    def _kept(self, path: str) -> str:
        return f"{self._withheld}/{path.removeprefix(PACKAGES + '/')}"

    def _move(self, places: Sequence[str], targets: Sequence[str], root: str) -> None:
        touched: dict[str, None] = {}
        for place, target in zip(places, targets, strict=True):
            base = os.path.dirname(target)
            try:
                self._rename(place, target, touched)
            except FileNotFoundError:
                if not os.path.lexists(place):
                    continue  # a dead run has moved it already
                self._make_above(base, touched)
                self._rename(place, target, touched)
            touched[base] = touched[os.path.dirname(place)] = None
        present = [one for one in touched if os.path.isdir(one)]
        self._refusals.unsynced(fsync.sync_directories(present, root), "directories")

    def _rename(self, place: str, target: str, touched: dict[str, None]) -> None:
        try:
            os.rename(place, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            between = f"{os.path.dirname(target)}/.{incoming_name(target)}"
            try:
                shutil.copyfile(place, between)
                refused = fsync.sync_files([between], os.path.dirname(target))
                self._refusals.unsynced(refused, "files")
                os.rename(between, target)
            except OSError:
                unlink(between)  # a half-written file takes room that a page may need
                raise
            os.unlink(place)

    def _make_above(self, base: str, touched: dict[str, None]) -> None:
        missing = []
        while not os.path.isdir(base):
            missing.append(base)
            base = os.path.dirname(base)
        touched[base] = None
        for one in reversed(missing):
            make_directory(one)
            touched[one] = None


def _is_there(place: str) -> bool:
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
