"""Checks the files below ``packages/``, and removes wrong ones."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from yanksync.core.layout import PACKAGES
from yanksync.core.package_files.paths import metadata_path
from yanksync.output.disk.incoming import PRIVATE
from yanksync.output.disk.inventory import umask, wrong_mode
from yanksync.output.disk.published_files import UNREADABLE, publish_errors
from yanksync.output.disk.staging import unlink
from yanksync.output.package_store import PackageEntry
from yanksync.system.atomic_files import FILE_MODE

log = logging.getLogger("yanksync")

INCOMING = ".incoming"
"""The directory of received files below ``packages/``; the web server cannot read it."""

WITHHELD_KEY = "files.withheld"
_ALTERED = "altered"  # the directory of altered files among those out of service
_CHUNK = 1 << 20  # bytes
_COPIES = rf"{PACKAGES}/[0-9a-f]{{2}}(/[0-9a-f]{{2}}(/[0-9a-f]{{60}})?)?"  # directories of copies


class PackageInspection:
    """The files below ``packages/`` of an output directory, as they are found."""

    def __init__(self, output: Path, withheld: Path) -> None:
        """``withheld`` is the directory of copies that are out of service."""
        self._output, self._withheld = str(output), str(withheld)
        self._root = f"{self._output}/{PACKAGES}"

    def package_entries(self, paths: Sequence[str]) -> Mapping[str, PackageEntry]:
        """Return what is at these paths; missing ones are left out."""
        fresh = FILE_MODE & ~umask()
        found = {}
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError):
                found[path] = _entry(f"{self._output}/{path}", path, fresh)
        return found

    def package_chunks(self, path: str) -> Iterator[bytes]:
        """Yield a copy's bytes. Raises :class:`OSError`, also for a link."""
        return chunks(f"{self._output}/{path}")

    def packages(self) -> Iterator[str]:
        """Yield the paths of files below ``packages/``, without received ones."""
        with publish_errors(self._root), suppress(FileNotFoundError):
            yield from _below(self._root, PACKAGES, os.path.realpath(self._root))

    def set_aside(self, paths: Sequence[str]) -> str:
        """Move altered files out of the output; return where they are now."""
        place = f"{self._withheld}/{_ALTERED}"
        with publish_errors(place, WITHHELD_KEY):
            for path in paths:
                target = self._set_aside(path)
                os.makedirs(self._withheld, PRIVATE, exist_ok=True)
                os.makedirs(os.path.dirname(target), PRIVATE, exist_ok=True)
                with suppress(FileNotFoundError):
                    _move_away(f"{self._output}/{path}", target)
        return place

    def _set_aside(self, path: str) -> str:
        return f"{self._withheld}/{_ALTERED}/{path.removeprefix(PACKAGES + '/')}"

    def delete_packages(self, paths: Sequence[str]) -> None:
        """Delete files, and directories that become empty."""
        with publish_errors(self._root):
            places = [f"{self._output}/{path}" for path in paths]
            for place in places:
                unlink(place)
            remove_empty(places, self._root)

    def reset_package_modes(self, paths: Sequence[str]) -> None:
        """Give files the mode of a new file."""
        fresh = FILE_MODE & ~umask()
        for path in paths:
            place = f"{self._output}/{path}"
            with publish_errors(place), suppress(FileNotFoundError):
                if not os.path.islink(place):
                    os.chmod(place, fresh)


def remove_empty(places: Sequence[str], root: str) -> None:
    """Remove the empty directories above ``places``, up to ``root``."""
    for base in dict.fromkeys(map(os.path.dirname, places)):
        while len(base) > len(root):
            try:
                os.rmdir(base)
            except FileNotFoundError:
                pass
            except OSError:  # it is not empty
                break
            base = os.path.dirname(base)


def chunks(place: str) -> Iterator[bytes]:
    """Yield a file's bytes. Raises :class:`OSError`, also for a link."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(place, flags), "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _entry(place: str, path: str, fresh: int) -> PackageEntry:
    try:
        found = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        return PackageEntry(path, 0, problem=error.strerror or str(error))
    if stat.S_ISLNK(found.st_mode):
        return PackageEntry(path, 0, problem="is a symbolic link", is_file=False)
    if not stat.S_ISREG(found.st_mode):
        return PackageEntry(path, 0, problem="is there and no file", is_file=False)
    return PackageEntry(path, found.st_size, wrong_mode=wrong_mode(found.st_mode, fresh))


def _below(directory: str, path: str, root: str) -> Iterator[str]:
    """Yield the paths of everything except directories, in order.

    A link to a directory of copies is followed: an operator may have put copies on another disk. A
    link that leads back to ``root`` would show copies a second time, so it is not followed. A
    directory of copies that cannot be read is an error; another one is left alone.
    """
    with os.scandir(directory) as entries:
        found = sorted((entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries)
    for name, is_directory, is_link in found:
        place, below = f"{directory}/{name}", f"{path}/{name}"
        if not is_directory:
            yield below
        elif name != INCOMING and (not is_link or _leads_out(place, below, root)):
            try:
                yield from _below(place, below, root)
            except FileNotFoundError:
                pass
            except PermissionError as error:
                if error.filename != place or _has_copies(below):
                    raise
                log.warning(UNREADABLE, place, error.strerror)  # such as lost+found


def _has_copies(path: str) -> bool:
    """Return whether a directory below the output has the place of copies."""
    return re.fullmatch(_COPIES, path) is not None


def _leads_out(place: str, path: str, root: str) -> bool:
    """Return whether a link leads to copies elsewhere.

    ``root`` and what is above it would be looked through again.
    """
    target = os.path.realpath(place)
    return _has_copies(path) and os.path.commonpath((target, root)) not in (target, root)


def _move_away(place: str, target: str) -> None:
    """Move a file; on another file system, delete it instead."""
    try:
        os.replace(place, target)
    except FileNotFoundError:
        raise
    except OSError:
        os.unlink(place)


def with_metadata(paths: Sequence[str]) -> list[str]:
    """Return the paths of copies and of their metadata."""
    return [one for path in paths for one in (path, metadata_path(path))]
