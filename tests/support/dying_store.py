"""A store that dies on command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from yanksync.output.files import OutputFile
from yanksync.output.reconcile import Operation
from yanksync.output.store import ListForm, Store, StoreFailure


class Killed(BaseException):
    """The process died here."""


class Kills:
    """A store that dies on command, before or after doing its work; passes all else on."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at: int | None = None  # calls that still succeed before the one that dies
        self.after = False  # die after the work instead of before it

    def _tick(self, *, done: bool) -> None:
        if self.at is None or done != self.after:
            return
        if self.at == 0:
            self.at = None
            raise Killed
        self.at -= 1

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        self._tick(done=False)
        failures = self.store.apply(operations)
        self._tick(done=True)
        return failures

    def write_list(self, forms: Sequence[ListForm], codecs: tuple[str, ...]) -> tuple[str, ...]:
        self._tick(done=False)
        copies = self.store.write_list(forms, codecs)
        self._tick(done=True)
        return copies

    def write_files(self, files: Iterable[OutputFile]) -> None:
        for file in files:
            self._tick(done=False)
            self.store.write_files([file])
            self._tick(done=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)
