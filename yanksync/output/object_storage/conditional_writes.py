"""Makes writes conditional if several machines share a mirror.

A run may be stopped, or wait for a request, while its lease runs out. The lease alone cannot keep
it from writing after that. So each put of a page has a condition: the state's ETag (``If-Match``),
or that there is no object (``If-None-Match: *``). Each deletion has a condition, too: the ETag that
the state has. If the state does not know an object, the condition is the ETag that a listing has
just shown. The argument:

1. A run learns the ETags from two sources. One is the state, fetched after the run took the lease.
   The other is the storage's answers while the run had the lease. So each condition names an object
   that was there before its lease ended.
2. A run that takes over lists the output before it writes anything. From then on its own puts name
   the ETags of that list. The list has everything that the earlier run wrote until then. It is
   compared with the state, and objects that differ are put again.
3. When the new run has put an object, the object has another ETag. Each request of the old run for
   that object then fails with 412, however late it arrives. The old run ends there, and writes
   nothing more.

So the old run overwrites nothing of the new one, whatever the clocks say. These cases stay open:

- An ETag of S3 or Google belongs to the bytes; Azure's belongs to one put. If a page went A, B, A
  while a run was stopped, the condition of that run's put or deletion would hold. Pages have the
  serial, which only grows, so this can only happen if upstream has no serials.
- A run may be stopped before it puts a *new* page. It puts the page later, even if the new run has
  put and removed that page since then. ``verify`` reports it as extra.
- Some storage has no conditional deletions. S3 has them since 2025, but some servers that speak S3
  ignore the header. The client has none for Azure and Google, so the ETag is read first. A run that
  is stopped between these two requests deletes the page when it goes on. If the project came back
  during that time, its page is missing until the next ``verify --repair`` or the next change of the
  project.

After a failed put the object may or may not have changed, so its ETag is read before the next put.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from yanksync.core import layout
from yanksync.core.errors import LeaseLost
from yanksync.output.object_storage.bucket import MUST_NOT_EXIST
from yanksync.output.store import Etags, EtagTable


class ConditionalWrites:
    """The ETags of the projects that are being written.

    The thread of the state and those that put share them.
    """

    def __init__(self, abandon: Callable[[str], LeaseLost]) -> None:
        """``abandon`` gives up the lease and returns an error with the reason."""
        self._abandon = abandon
        self._lock = threading.Lock()
        self._tags: dict[str, Etags] = {}
        self.has_written = False  #: whether anything was put or deleted

    @contextmanager
    def of(self, etags: EtagTable, names: Iterable[str]) -> Iterator[None]:
        """Begin to write these projects; record the result at the end.

        Enter and leave it in the thread of the state.
        """
        found = etags.of(names)
        with self._lock:
            self._tags |= found
        try:
            yield
        finally:
            with self._lock:
                done = {name: self._tags.pop(name) for name in found}
            etags.put(done)

    def condition(self, name: str | None, filename: str) -> str | None:
        """Return the condition for a put; None: its ETag is unknown."""
        with self._lock:
            return self._tags[name or layout.LIST_KEY].get(filename, MUST_NOT_EXIST)

    def note_etag(self, name: str | None, filename: str, etag: str | None) -> None:
        """Note the ETag of a file; None: unknown."""
        with self._lock:
            self.has_written = True
            self._tags[name or layout.LIST_KEY][filename] = etag

    def note_deleted(self, name: str | None, filename: str) -> None:
        """Note that a file was deleted."""
        with self._lock:
            self.has_written = True
            self._tags[name or layout.LIST_KEY].pop(filename, None)

    def changed_error(self, url: str) -> LeaseLost:
        """Return the error for an object with an unexpected ETag."""
        return self._abandon(f"{url} is not what this run knows of")
