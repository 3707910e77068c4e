"""Files of the output beside the pages, such as feeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from msgspec import Struct

from yanksync.core.layout import Headers

BATCH = 256
"""Files that reach stable storage together."""


class OutputFile(Struct, frozen=True):
    """A file of the output.

    Each call of ``chunks`` makes its body again.
    """

    path: str  # below the output, with slashes
    headers: Headers
    chunks: Callable[[], Iterable[bytes]]

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks())


def batches(files: Iterable[OutputFile]) -> Iterator[list[OutputFile]]:
    """Yield ``files`` in batches, in their order."""
    remaining = iter(files)
    while batch := list(islice(remaining, BATCH)):
        yield batch
