"""The interface of a store for copies of package files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

from msgspec import Struct


class PackageEntry(Struct, frozen=True):
    """A file below ``packages/``."""

    path: str  # below the output
    size: int  # bytes
    problem: str | None = None  # why it is unreadable, or not a copy
    is_file: bool = True  # False: a symbolic link, which is served instead
    wrong_mode: str | None = None


class IncomingFile(Protocol):
    """A file that is being received; a context manager.

    No web server can read it. A noted part stays, so that a later pass can continue it.
    """

    size: int  # bytes that are already there
    validator: str  # the host's ETag or time of these bytes (for If-Range); "": no continuation

    def __enter__(self) -> IncomingFile: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def feed(self, update: Callable[[bytes], None]) -> None:
        """Pass all bytes that are there to ``update``."""

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""

    def restart(self) -> None:
        """Drop all bytes that are there."""

    def note(self, validator: str) -> None:
        """Let a later pass continue this file.

        ``validator`` is the host's ETag or time of the bytes (for If-Range); "": there is none.
        """

    def discard(self) -> None:
        """Delete the file."""


class PackageStore(Protocol):
    """The place of copies.

    Every method raises :class:`yanksync.core.errors.PublishError` if the storage fails.
    """

    def receive(self, path: str) -> IncomingFile:
        """Open the file for ``path``."""

    def incoming(self) -> Sequence[str]:
        """Return the paths of parts that a later download can continue."""

    def keep_incoming(self, paths: Collection[str]) -> None:
        """Delete received files, except the parts of ``paths``."""

    def free_space(self) -> int | None:
        """Return the free bytes where copies go.

        None: there is no limit.
        """

    def publish_packages(self, paths: Sequence[str]) -> None:
        """Put received files in their places, durably, each in one step."""

    def withhold(self, paths: Sequence[str]) -> None:
        """Move copies out of the output, durably; missing ones are no error."""

    def put_back(self, paths: Sequence[str]) -> None:
        """Move withheld copies to their places, durably; missing ones are no error."""

    def delete_withheld(self, paths: Sequence[str]) -> None:
        """Delete withheld copies; missing ones are no error."""

    def package_entries(self, paths: Sequence[str]) -> Mapping[str, PackageEntry]:
        """Return what is at these paths; missing ones are left out."""

    def package_chunks(self, path: str) -> Iterator[bytes]:
        """Yield a copy's bytes. Raises :class:`OSError`, also for a link."""

    def withheld_chunks(self, path: str) -> Iterator[bytes]:
        """Yield a withheld copy's bytes. Raises :class:`OSError`, also for a link."""

    def lacking(self, paths: Iterable[str]) -> set[str]:
        """Return those of ``paths`` that lack a served or withheld copy."""

    def packages(self) -> Iterator[str]:
        """Yield the paths of files below ``packages/``, without received ones."""

    def set_aside(self, paths: Sequence[str]) -> str:
        """Take altered files out of service, if they are there.

        Returns the place where they are kept; "": they are deleted.
        """

    def delete_packages(self, paths: Sequence[str]) -> None:
        """Delete files below ``packages/``, if they are there."""

    def reset_package_modes(self, paths: Sequence[str]) -> None:
        """Give files the mode of a new file."""
