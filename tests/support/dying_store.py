"""A store that dies on command."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any, cast

from yanksync.core.errors import PublishError
from yanksync.output.files import OutputFile
from yanksync.output.package_store import IncomingFile, PackageStore
from yanksync.output.reconcile import Operation
from yanksync.output.store import ListForm, Store, StoreFailure


class Killed(BaseException):
    """The process died here."""


class KilledThread(Killed, Exception):
    """The process died here, in a thread that hands its errors to the main one."""


class Kills:
    """A store that dies on command, before or after doing its work; passes all else on."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at: int | None = None  # calls that still succeed before the dying one
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


class PackageKills:
    """A store of package files that dies, or has no room, on command; passes all else on."""

    def __init__(self) -> None:
        self.store: PackageStore | None = None
        self.at: int | None = None  # steps that still succeed before the dying one
        self.after = False  # die after the work instead of before it
        self.full = False  # the disk has no room for more bytes
        self._lock = threading.Lock()  # downloads use several threads

    def around(self, store: PackageStore | None) -> PackageStore | None:
        """Return this store around ``store``, if there is one."""
        self.store = store
        return None if store is None else cast("PackageStore", self)

    def receive(self, path: str) -> Any:
        assert self.store is not None
        return _KilledFile(self, self.store.receive(path))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name not in _STEPS:
            return found

        def step(*given: Any) -> Any:
            self.tick(done=False)
            answer = found(*given)
            self.tick(done=True)
            return answer

        return step

    def tick(self, *, done: bool) -> None:
        """Count a step; raises :class:`Killed` when it is the last."""
        with self._lock:
            if self.at is None or done != self.after:
                return
            if self.at <= 0:
                raise KilledThread
            self.at -= 1


_STEPS = {
    *("publish_packages", "withhold", "put_back", "delete_withheld", "keep_incoming"),
    *("set_aside", "delete_packages"),
}


class _KilledFile:
    """A file that a process receives while it may die."""

    def __init__(self, kills: PackageKills, file: IncomingFile) -> None:
        self._kills, self._file = kills, file

    def __enter__(self) -> _KilledFile:
        self._file.__enter__()
        return self

    def __exit__(self, *given: Any) -> None:
        self._file.__exit__(*given)

    def write(self, chunk: bytes) -> None:
        if self._kills.full:
            self._file.write(chunk[: len(chunk) // 2])
            raise PublishError("the disk", "No space left on device")
        self._kills.tick(done=False)
        self._file.write(chunk[: len(chunk) // 2])
        self._kills.tick(done=True)
        self._file.write(chunk[len(chunk) // 2 :])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
