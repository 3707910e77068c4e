"""Makes writes conditional, where several machines share a mirror.

A lease alone cannot keep a run from writing that was stopped, or whose request was under way, while
the lease ran out. So each put of a page carries a condition: the ETag that the state names
(``If-Match``), or that there is no object (``If-None-Match: *``). So does each deletion, with the
ETag that the state names, or that a listing has just shown of what the state does not know. The
argument:

1. A run learns the ETags from the state, which it fetched after it took the lease, or from answers
   of the storage that came while it held the lease. So each condition names an object that was
   there before its lease ended.
2. A run that takes over lists the output before it writes anything, and from then on conditions its
   own puts on what it has seen. What the run before it managed to write until then is in the list;
   it is compared with the state, and what differs is put again.
3. Once the new holder has put an object, its ETag is another. Whatever the old run still sends for
   it fails with 412, however late it arrives. It ends there, and writes nothing more.

So nothing of the new holder is overwritten by the old one, whatever the clocks say. What is left:

- An ETag in S3 is that of the bytes, and Google's, too; Azure's is of one put. A page that went
  A, B, A while a run stood still would let its put or its deletion pass. Pages carry the serial,
  which only grows, so this needs an upstream without serials.
- A run that stood still before it put a *new* page puts it even if the new holder had put and
  removed it again meanwhile. ``verify`` names it as extra.
- Storage without conditional deletions. Some that speaks like S3 ignores the header (S3 itself has
  them since 2025), and the client knows none for Azure and Google, where the ETag is looked at
  first. There a run that stood still in just that moment deletes, when it wakes, what its state
  said had to go. If the project came back meanwhile, its page is missing until the next
  ``verify --repair`` or the next change of it.

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
        """``abandon`` gives up the lease and returns the error that says why."""
        self._abandon = abandon
        self._lock = threading.Lock()
        self._tags: dict[str, Etags] = {}
        self.has_written = False  #: whether anything was put or deleted

    @contextmanager
    def of(self, etags: EtagTable, names: Iterable[str]) -> Iterator[None]:
        """Begin to write these projects; record the result at the end.

        To be entered and left in the state's thread.
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
        """Note that a file is not there any more."""
        with self._lock:
            self.has_written = True
            self._tags[name or layout.LIST_KEY].pop(filename, None)

    def changed_error(self, url: str) -> LeaseLost:
        """Return the error for an object with an unexpected ETag."""
        return self._abandon(f"{url} is not what this run knows of")
