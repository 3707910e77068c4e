"""What a store can do with copies of package files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

from msgspec import Struct


class PackageEntry(Struct, frozen=True):
    """A file below ``packages/``."""

    path: str  # below the output
    size: int  # bytes
    problem: str | None = None  # why it cannot be read, or is no copy
    is_file: bool = True  # else something that is served in its place: a symbolic link
    wrong_mode: str | None = None


class IncomingFile(Protocol):
    """A file that is being received; a context manager.

    No web server can read it. A part that was noted stays for a later pass to continue.
    """

    size: int  # bytes that are there already
    validator: str  # by which the host knows them (for If-Range); "": they cannot be continued

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

        ``validator`` is by what its host knows the bytes (for If-Range); "": by nothing.
        """

    def discard(self) -> None:
        """Delete the file."""


class PackageStore(Protocol):
    """Where copies are.

    Every method raises :class:`yanksync.core.errors.PublishError` for what can happen in the world.
    """

    def receive(self, path: str) -> IncomingFile:
        """Open the file for ``path``."""

    def incoming(self) -> Sequence[str]:
        """Return the paths of parts that a later download can continue."""

    def keep_incoming(self, paths: Collection[str]) -> None:
        """Delete received files, the parts of ``paths`` aside."""

    def free_space(self) -> int | None:
        """Return the free bytes where copies go.

        None: there is no such limit.
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
        """Yield what a copy holds. Raises :class:`OSError`, also for a link."""

    def withheld_chunks(self, path: str) -> Iterator[bytes]:
        """Yield what a withheld copy holds. Raises :class:`OSError`, also for a link."""

    def packages(self) -> Iterator[str]:
        """Yield the paths of all files below ``packages/``, received ones aside."""

    def set_aside(self, paths: Sequence[str]) -> str:
        """Take altered files out of service, if they are there.

        Returns where they are kept; "" when they are deleted.
        """

    def delete_packages(self, paths: Sequence[str]) -> None:
        """Delete files below ``packages/``, if they are there."""

    def reset_package_modes(self, paths: Sequence[str]) -> None:
        """Give files the mode of a fresh one."""
