"""The CDN before the fake upstream's pages: old answers, two POPs, purges that do not happen."""

from __future__ import annotations

import re

from tests.support.fake_index.faults import Switchboard
from tests.support.fake_index.pages import Answer
from tests.support.fake_index.values import normalise

_NO_PURGE = re.compile(r"(invite|revoke_invite) ")


class Cdn(Switchboard):
    """Which moment of a project a page request sees."""

    def __init__(self) -> None:
        super().__init__()
        self.cdn = False  # True: pages are kept until a row that purges
        self._edge: dict[str, Answer] = {}
        self._held: dict[str, Answer] = {}
        self._stale: dict[str, tuple[Answer, int | None]] = {}
        self._stale_gzip: dict[str, Answer] = {}
        self._pops: dict[str, tuple[Answer, Answer | None]] = {}
        self._turn: dict[str, int] = {}
        self._before: dict[str, Answer] = {}

    def answer(self, name: str) -> Answer:
        """Return the true answer for ``name`` now; it stays as it is for ever."""
        raise NotImplementedError

    def before(self, name: str) -> Answer:
        """Return the answer as it was before the project's last mutation (404 before creation)."""
        key = normalise(name)
        with self.lock:
            return self._before.get(key) or Answer(key, None, 0)

    def cdn_hold(self, name: str, answer: Answer | None = None) -> None:
        """Give the answer of now (or ``answer``) for ``name`` until :meth:`cdn_release`."""
        with self.lock:
            self._held[normalise(name)] = answer or self.answer(name)

    def serve_stale(
        self, name: str, times: int | None = None, answer: Answer | None = None
    ) -> None:
        """Give the answer of before the last mutation (or ``answer``) ``times`` times."""
        with self.lock:
            self._stale[normalise(name)] = (answer or self.before(name), times)

    def cdn_alternate(
        self, name: str, old: Answer | None = None, new: Answer | None = None
    ) -> None:
        """Give ``old`` and ``new`` in turn, ``old`` first (warehouse #10390).

        ``old`` is by default the answer of before the last mutation, ``new`` what is true.
        """
        with self.lock:
            key = normalise(name)
            self._pops[key] = (old or self.before(name), new)
            self._turn[key] = 0

    def cdn_stale_gzip(self, name: str, answer: Answer | None = None) -> None:
        """Give the old answer to those who ask for gzip, the true one to others (#12214)."""
        with self.lock:
            self._stale_gzip[normalise(name)] = answer or self.before(name)

    def cdn_release(self, name: str) -> None:
        """Purge ``name``: from here on its answer is the true one."""
        key = normalise(name)
        with self.lock:
            self._edge.pop(key, None)
            self._held.pop(key, None)
            self._stale.pop(key, None)
            self._stale_gzip.pop(key, None)
            self._pops.pop(key, None)

    def cdn_clear(self) -> None:
        """Purge everything."""
        with self.lock:
            for held in (self._edge, self._held, self._stale, self._stale_gzip, self._pops):
                held.clear()

    def purge(self, key: str, action: str | None) -> None:
        """Drop what :attr:`cdn` keeps of a project, if ``action`` purges it."""
        if _NO_PURGE.match(action or "") is None:
            self._edge.pop(key, None)

    def page_answer(self, name: str, *, gzipped: bool = False) -> Answer:
        """Return what the next page request for ``name`` gets, counting down."""
        key = normalise(name)
        with self.lock:
            if key in self._stale:
                return self._take_stale(key)
            if key in self._pops:
                old, new = self._pops[key]
                self._turn[key] += 1
                return old if self._turn[key] % 2 else new or self.answer(key)
            if gzipped and key in self._stale_gzip:
                return self._stale_gzip[key]
            if key in self._held:
                return self._held[key]
            return self._edge.setdefault(key, self.answer(key)) if self.cdn else self.answer(key)

    def _take_stale(self, key: str) -> Answer:
        answer, left = self._stale[key]
        if left is not None:
            self._stale[key] = (answer, left - 1)
            if left <= 1:
                del self._stale[key]
        return answer
