"""The interface of a store for published files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.errors import PublishError
from yanksync.output.files import OutputFile
from yanksync.output.inventory import DirectoryContent
from yanksync.output.reconcile import Operation


class StoreFailure(Struct, frozen=True):
    """A project that could not be published.

    Its files can be partly old, partly new.
    """

    name: str
    why: str
    fatal: bool = False  # no other project could be written either


class FreeSpace(Struct, frozen=True):
    """The free space at the place of the output."""

    bytes: int
    files: int | None  # inodes; None: the file system does not count them

    def exceeds(self, free: FreeSpace) -> bool:
        """Return whether this is more than ``free``."""
        files = self.files is not None and free.files is not None and self.files > free.files
        return self.bytes > free.bytes or files


def room_for(projects: int, siblings: int, *, legacy_json: bool) -> FreeSpace:
    """Return the disk space that a first build needs, roughly."""
    forms = 3 if legacy_json else 2  # with two inodes for three names
    files = projects * (1 + forms * (1 + siblings))  # a directory, forms, compressed copies
    return FreeSpace(projects * (4096 * (1 + forms * siblings) + 12_000 * forms), files)


class ListForm(Struct, frozen=True):
    """One form of the list of projects.

    Each call of ``chunks`` makes its body again.
    """

    filename: str
    chunks: Callable[[], Iterable[bytes]]


def obsolete_list_files(forms: Sequence[ListForm]) -> tuple[str, ...]:
    """Return the files to delete if only ``forms`` are written."""
    legacy = layout.LEGACY.filename
    return () if legacy in [form.filename for form in forms] else layout.with_compressed(legacy)


class PublishedList(Struct, frozen=True):
    """The list of projects that is published."""

    serial: int | None  # None: there is no list, or it lacks one
    stamp: str  # identifies this list at little cost; empty: there is no list


Etags = dict[str, str | None]
"""By file name; None: unknown, because a put failed."""


class EtagTable(Protocol):
    """Keeps the ETags of published files: :class:`yanksync.state.etags.EtagTable`."""

    def of(self, names: Iterable[str]) -> dict[str, Etags]:
        """Return the ETags of each of ``names``; empty for missing ones."""

    def put(self, tags: Mapping[str, Etags]) -> None:
        """Store these as the tags of their projects."""


class Store(Protocol):
    """The place where pages are published.

    Every method raises :class:`yanksync.core.errors.PublishError` if the storage fails, unless it
    says otherwise.
    """

    def prepare(self) -> None:
        """Prepare for writing, and remove what a dead run left."""

    @property
    def is_conditional(self) -> bool:
        """True if writes need the ETag in the state (R11)."""

    def conditions(self, etags: EtagTable, names: Iterable[str]) -> AbstractContextManager[None]:
        """Allow writes of ``names`` inside, if they still have ``etags``.

        At its end, ``etags`` gets the tags of the published files. The list of projects is
        :data:`yanksync.core.layout.LIST_KEY`.
        """

    def forget_etags(self, etags: EtagTable, name: str, filenames: Iterable[str]) -> None:
        """Read the ETags of these files again before the next put.

        Another program has changed them.
        """

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        """Do ``operations``; return the failures.

        All other operations are on stable storage then. All forms and copies of a project are
        written one directly after the other, copies before their page (R12).
        """

    def write_list(self, forms: Sequence[ListForm], codecs: tuple[str, ...]) -> tuple[str, ...]:
        """Replace the list of projects, durably, each file in one step.

        The form for followers is removed if it is not among ``forms``. Returns the compressed
        copies that are there now, without those of second names.
        """

    def write_files(self, files: Iterable[OutputFile]) -> None:
        """Replace files beside the pages, durably, each in one step.

        The files of one batch become visible in any order, and before the files of the next batch.
        """

    def read_file(self, path: str) -> bytes | None:
        """Return a file beside the pages, or None."""

    def file_chunks(self, path: str) -> Iterator[bytes] | None:
        """Return the bytes of a file beside the pages, or None.

        The file may be too long for memory. An error of the storage may come with any chunk.
        """

    def file_digest(self, path: str) -> bytes | None:
        """Return the digest of a file beside the pages, or None."""

    def list_files(self, directory: str) -> Iterator[str]:
        """Yield the paths of all files below a directory, temporary ones, too."""

    def delete_files(self, paths: Iterable[str]) -> None:
        """Delete files beside the pages; missing ones are no error."""

    def compress(self, codec: str, body: bytes) -> bytes | None:
        """Return the compressed copy of ``body``; None: no copy."""

    def read(self, name: str | None, filename: str) -> bytes | None:
        """Return a published file of a project or the list, or None.

        A file larger than :data:`yanksync.output.published_serials.LARGEST` is an error.
        """

    def serial(self, name: str) -> int | None:
        """Return the highest serial in a project's files and copies.

        A dead run may have replaced only some of them.
        """

    def serials(
        self, names: Sequence[str], *, quick: bool = False
    ) -> Iterator[int | PublishError | None]:
        """Yield for each of ``names`` what :meth:`serial` returns, or raises.

        ``quick``: only the JSON form is read, and only as far as needed.
        """

    def published_list(self) -> PublishedList:
        """Return facts that identify the published list."""

    def names(self) -> Iterator[str]:
        """Yield the names of the directories below ``simple/``, in no particular order."""

    def directory_content(self, name: str | None) -> DirectoryContent:
        """Return the content of a directory; None: beside the projects.

        It names what cannot be read. Changes nothing.
        """

    def directory_contents(self, names: Sequence[str]) -> Iterator[DirectoryContent]:
        """Yield the content of the directory of each of these projects."""

    def reset_mode(self, name: str | None) -> None:
        """Give a directory the mode of a new one.

        None: the directory of all projects.
        """

    def free_space(self) -> FreeSpace | None:
        """Return the free space; None: there is no limit."""

    def close(self) -> None:
        """Release all resources; the store is not used afterwards."""
