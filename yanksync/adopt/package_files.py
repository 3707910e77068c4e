"""Takes over the package files of a tree.

Each is read once, and nothing is downloaded.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from msgspec import Struct

from yanksync.adopt.results import AdoptOutcome
from yanksync.core.errors import PublishError
from yanksync.core.model import File, Page
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.copies import CopyStatus, PackageFile, metadata_hash
from yanksync.core.package_files.paths import metadata_path, paths_of, strongest
from yanksync.mirror.context import Mirror
from yanksync.output.package_store import PackageEntry
from yanksync.state.package_files.checks import AdoptedCopy
from yanksync.sync.package_files.hashing import hash_problem, read_pace

Note = Callable[[AdoptOutcome, str, str, str | None], None]
"""Takes what becomes of a file, its project, its path, and why."""

_UNREADABLE = "the file stays in place; correct this, and run 'yanksync adopt' again"
_SAVED = 5.0  # seconds of reading that a killed run does again


class _Judged(Struct, frozen=True):
    """The judgement of a file in the tree."""

    problem: str | None = None  # why it is not taken over
    has_metadata: bool = False


class CopyAdoption:
    """Takes over the files of one project after the other."""

    def __init__(self, mirror: Mirror, note: Note, rate: int | None, *, dry_run: bool) -> None:
        """Take a rate in bytes per second; ``dry_run`` compares sizes only."""
        self._mirror = mirror
        self._note = note
        self._pace = read_pace(mirror, rate)
        self._dry_run = dry_run
        self._waiting: list[AdoptedCopy] = []
        self._saved = mirror.monotonic()

    def take(self, name: NormalizedName, page: Page) -> tuple[PackageFile, ...]:
        """Take over the files that a page of the tree names.

        Returns the present copies. Raises :class:`yanksync.core.errors.PublishError`.
        """
        table = self._mirror.state.package_files
        copies = table.by_project([name]).get(name, ())
        known = {one.path for one in copies if one.status is CopyStatus.SERVED}
        try:
            for file in page.files:
                self._take_file(name, file, known)
        finally:
            self._save(name)
        return table.by_project([name]).get(name, ())

    def _take_file(self, name: NormalizedName, file: File, known: set[str]) -> None:
        paths = paths_of(file)
        if not paths:
            return
        if not known.isdisjoint(paths):
            self._note(AdoptOutcome.COPY_KEPT, name, paths[0], "taken over before")
            return
        entries = self._mirror.packages.package_entries(paths)
        path = next((one for one in paths if one in entries), None)
        if path is None:
            self._note(AdoptOutcome.COPY_MISSING, name, paths[0], None)
            return
        entry = entries[path]
        judged = self._judge(path, file, entry)
        if judged.problem is not None:
            self._refuse(name, path, judged)
            return
        self._note(AdoptOutcome.COPY_KEPT, name, path, None)
        self._waiting.append(AdoptedCopy(path, file, entry.size, judged.has_metadata))
        if entry.wrong_mode is not None and not self._dry_run:
            self._mirror.packages.reset_package_modes([path])
        self._mirror.progress.advance(0, size=entry.size)
        if self._mirror.monotonic() - self._saved >= _SAVED:
            self._save(name)

    def _judge(self, path: str, file: File, entry: PackageEntry) -> _Judged:
        if not entry.is_file:
            return _Judged(entry.problem)
        if entry.problem is not None:
            raise PublishError(path, f"{entry.problem}; {_UNREADABLE}")
        if file.size is not None and entry.size != file.size:
            return _Judged(f"has {entry.size} bytes, and its page says {file.size}")
        if self._dry_run:
            return _Judged()
        problem = self._problem(path, strongest(file.hashes))
        if problem is not None:
            return _Judged(problem)
        wanted = metadata_hash(file)
        return _Judged(
            has_metadata=wanted is not None and self._problem(metadata_path(path), wanted) is None
        )

    def _problem(self, path: str, wanted: tuple[str, str] | None) -> str | None:
        """Return what is wrong with a file.

        A file that cannot be read now may be right, so that ends the adoption:
        :class:`yanksync.core.errors.PublishError`.
        """
        try:
            return hash_problem(self._mirror.packages, path, wanted, self._pace)
        except OSError as error:
            problem = error.strerror or str(error)
            if isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP:  # a link
                return problem
            raise PublishError(path, f"{problem}; {_UNREADABLE}") from error

    def _refuse(self, name: NormalizedName, path: str, judged: _Judged) -> None:
        """Leave a file out.

        A file with other bytes is no longer served.
        """
        self._note(AdoptOutcome.ALTERED, name, path, judged.problem)
        if not self._dry_run:
            self._mirror.packages.set_aside([path, metadata_path(path)])

    def _save(self, name: NormalizedName) -> None:
        """Note the copies that were read, to skip them next time."""
        waiting, self._waiting = self._waiting, []
        self._saved = self._mirror.monotonic()
        if waiting:
            with self._mirror.state.transaction():
                self._mirror.state.copy_checks.adopt(name, waiting, self._mirror.now())
