"""Counts, for each withdrawn file, who fetched it before and after."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b, sha256

from msgspec import Struct, field

from yanksync.core.formats.access_logs import UNCHANGED, FileRequest
from yanksync.reports.exposure.withdrawal import Withdrawal


class ClientCounts(Struct):
    """What one client fetched of a file."""

    before: int = 0  # requests before the withdrawal
    after: int = 0
    unchanged: int = 0  # it had the file already (304)
    last: float = 0.0  # UTC seconds of the newest request


class FileCounts(Struct):
    """All requests for a withdrawn file."""

    withdrawal: Withdrawal
    clients: dict[str, ClientCounts] = field(default_factory=dict)
    partial: int = 0  # of these requests, those for a part of it (206)

    @property
    def before(self) -> int:
        """How many requests came before the withdrawal."""
        return sum(one.before for one in self.clients.values())

    @property
    def after(self) -> int:
        """How many requests came after it."""
        return sum(one.after for one in self.clients.values())

    @property
    def unchanged(self) -> int:
        """How many requests found the file unchanged."""
        return sum(one.unchanged for one in self.clients.values())

    @property
    def clients_before(self) -> int:
        """How many clients fetched it before."""
        return sum(one.before > 0 for one in self.clients.values())

    @property
    def clients_after(self) -> int:
        """How many clients fetched it after."""
        return sum(one.after > 0 for one in self.clients.values())


class Exposure(Struct):
    """The result of reading the logs.

    Memory grows only with the number of withdrawn files and their clients.
    """

    lines: int = 0
    requests: int = 0  # for files, withdrawn or not
    skipped: int = 0  # lines in no format that is known
    first_skipped: str | None = None  # where the first one is
    files: dict[str, FileCounts] = field(default_factory=dict)

    def skip(self, place: str) -> None:
        """Count a line that cannot be read."""
        self.skipped += 1
        self.first_skipped = self.first_skipped or place

    def add(self, request: FileRequest, withdrawal: Withdrawal, client: str, at: float) -> None:
        """Count a request of ``client`` for a withdrawn file."""
        counts = self.files.get(withdrawal.filename)
        if counts is None:
            counts = self.files[withdrawal.filename] = FileCounts(withdrawal)
        one = counts.clients.get(client)
        if one is None:
            one = counts.clients[client] = ClientCounts()
        one.last = max(one.last, at)
        if request.status == UNCHANGED:
            one.unchanged += 1
            return
        counts.partial += request.status == 206
        if withdrawal.since is not None and at < withdrawal.since:
            one.before += 1
        else:
            one.after += 1

    @property
    def by_severity(self) -> list[FileCounts]:
        """The files; those fetched most often after their withdrawal come first."""
        found = self.files.values()
        return sorted(found, key=lambda one: (-one.after, -one.before, one.withdrawal.filename))


def pseudonyms(key: bytes) -> Callable[[str], str]:
    """Return a function that replaces addresses, the same way for each key."""
    secret = sha256(key).digest()
    return lambda address: blake2b(
        address.encode("utf-8", "surrogateescape"), key=secret, digest_size=8
    ).hexdigest()
