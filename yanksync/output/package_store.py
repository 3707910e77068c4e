"""What a store can do with copies of package files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

from msgspec import Struct


class PackageEntry(Struct, frozen=True):
    """A file below ``packages/``."""

    path: str  # below the output
    size: int  # bytes


class IncomingFile(Protocol):
    """A file that is being received; a context manager.

    No web server can read it. What is not published stays, and a later pass goes on behind it.
    """

    size: int  # bytes that are there already

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

    def discard(self) -> None:
        """Delete the file: its bytes are wrong."""


class PackageStore(Protocol):
    """Where copies stand.

    Every method raises :class:`yanksync.core.errors.PublishError` for what can happen in the world.
    """

    def receive(self, path: str) -> IncomingFile:
        """Open the file that is to stand at ``path``."""

    def drop_incoming(self, paths: Iterable[str]) -> None:
        """Delete what was received of files that are not wanted any more."""

    def incoming(self) -> Iterator[str]:
        """Yield the paths of files of which a part was received."""

    def publish_packages(self, paths: Sequence[str]) -> None:
        """Put received files in their places, durably, each in one step."""

    def withhold(self, paths: Sequence[str]) -> None:
        """Move copies out of the output, durably; missing ones are no error."""

    def put_back(self, paths: Sequence[str]) -> None:
        """Move withheld copies to their places, durably; missing ones are no error."""

    def delete_withheld(self, paths: Sequence[str]) -> None:
        """Delete withheld copies; missing ones are no error."""

    def package_sizes(self, paths: Sequence[str]) -> Mapping[str, int]:
        """Return the sizes of copies in bytes; missing ones are left out."""

    def package_chunks(self, path: str) -> Iterator[bytes]:
        """Yield what a copy holds. Raises :class:`FileNotFoundError` when it is not there."""

    def packages(self) -> Iterator[PackageEntry]:
        """Yield all files below ``packages/``, received ones aside."""
