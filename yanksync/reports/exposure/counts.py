"""Counts, for each withdrawn file, who fetched it before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b, sha256

from msgspec import Struct

from yanksync.core.formats.access_logs import UNCHANGED, FileRequest
from yanksync.reports.exposure.withdrawal import Withdrawal
from yanksync.state.request_counts import FileTotals, RequestCount, RequestCounts


class FileCounts(Struct, frozen=True):
    """All requests for a withdrawn file."""

    number: int  # of the file in this report
    withdrawal: Withdrawal
    totals: FileTotals
    partial: int  # requests that brought a part of it (206), of those before and after


class _File(Struct):
    """A withdrawn file that was requested."""

    number: int
    withdrawal: Withdrawal
    partial: int = 0


class Exposure:
    """What the logs say.

    Memory grows with the withdrawn files that were requested alone; ``counts`` has their clients.
    """

    def __init__(self, counts: RequestCounts) -> None:
        self.lines = 0
        self.requests = 0  # for files, withdrawn or not
        self.skipped = 0  # lines in no format that is known
        self.first_skipped: str | None = None  # where the first one is
        self._counts = counts
        self._files: dict[str, _File] = {}

    def skip(self, place: str) -> None:
        """Count a line that cannot be read."""
        self.skipped += 1
        self.first_skipped = self.first_skipped or place

    def add(self, request: FileRequest, withdrawal: Withdrawal, client: str, at: float) -> None:
        """Count a request of ``client`` for a withdrawn file.

        Raises :class:`yanksync.core.errors.StateError`.
        """
        file = self._files.get(withdrawal.filename)
        if file is None:
            file = self._files[withdrawal.filename] = _File(len(self._files), withdrawal)
        one = self._counts.of(file.number, client)
        one.last = max(one.last, at)
        if request.status == UNCHANGED:
            one.unchanged += 1
            return
        file.partial += request.status == 206
        if withdrawal.since is not None and at < withdrawal.since:
            one.before += 1
        else:
            one.after += 1

    def by_severity(self) -> list[FileCounts]:
        """Return the files, those fetched most often after their withdrawal first.

        Raises :class:`yanksync.core.errors.StateError`.
        """
        totals = self._counts.totals()
        found = [
            FileCounts(one.number, one.withdrawal, totals[one.number], one.partial)
            for one in self._files.values()
        ]
        return sorted(
            found,
            key=lambda one: (-one.totals.after, -one.totals.before, one.withdrawal.filename),
        )

    def clients(self, file: FileCounts) -> Iterator[tuple[str, RequestCount]]:
        """Yield a file's clients, most requests after the withdrawal first.

        Raises :class:`yanksync.core.errors.StateError`.
        """
        return self._counts.clients(file.number)


def pseudonyms(key: bytes) -> Callable[[str], str]:
    """Return a function that replaces addresses, the same way for each key."""
    secret = sha256(key).digest()
    return lambda address: blake2b(
        address.encode("utf-8", "surrogateescape"), key=secret, digest_size=8
    ).hexdigest()
