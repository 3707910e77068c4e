"""Notes what a bundle brought, for later checks without the bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from yanksync.bundle.archive import Member, spool
from yanksync.bundle.check import CheckedBundle
from yanksync.core import layout
from yanksync.core.bundles.header import LogPart
from yanksync.core.bundles.members import FORMS
from yanksync.output.digests import new_digest
from yanksync.state.bundles.received import ReceivedFile, ReceivedTable


class WrittenFiles:
    """The files that a bundle brings; a context manager."""

    def __init__(self) -> None:
        self._lines = spool()
        self._encoder = msgspec.json.Encoder()

    def __enter__(self) -> WrittenFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def noted(self, member: Member, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes of a member; note the member at its end."""
        digest = new_digest()
        for chunk in chunks:
            digest.update(chunk)
            yield chunk
        file = ReceivedFile(member.path, member.size, digest.digest())
        self._lines.write(self._encoder.encode(file) + b"\n")

    def files(self) -> Iterator[ReceivedFile]:
        """Yield all files."""
        self._lines.seek(0)
        yield from map(msgspec.json.Decoder(ReceivedFile).decode, self._lines)


def note_received(
    table: ReceivedTable, bundle: CheckedBundle, written: Iterable[ReceivedFile]
) -> None:
    """Note what is in the output after a bundle.

    Use it inside a transaction.
    """
    if bundle.header.has_everything:
        table.clear()
    if bundle.header.log is not LogPart.CHANGED:
        table.remove_below(layout.WITHDRAWALS)
    removed = bundle.removed
    table.remove(removed.packages())
    pages = chain(map(layout.directory, removed.projects()), removed.deleted_index())
    table.remove(f"{one}/{form}" for one in pages for form in FORMS)
    table.put(written)
