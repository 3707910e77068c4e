"""The state database. The only place that knows SQLite and sqlite-utils."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from yanksync.state.database import Database
from yanksync.state.history import History
from yanksync.state.meta import Meta
from yanksync.state.pending import Pending
from yanksync.state.projects import Projects
from yanksync.state.runs import Runs
from yanksync.state.unpublished import Unpublished


class State:
    """What a mirror remembers, opened. Use it as a context manager, or close it."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the database at ``path``; raises :class:`yanksync.errors.StateError`."""
        self._db = Database(path, create=create)
        self.meta = Meta(self._db)
        self.projects = Projects(self._db)
        self.pending = Pending(self._db)
        self.unpublished = Unpublished(self._db)
        self.history = History(self._db)
        self.runs = Runs(self._db)

    def __enter__(self) -> State:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all."""
        return self._db.transaction()

    def rehearsal(self) -> AbstractContextManager[None]:
        """Nothing inside stays (``--dry-run``)."""
        return self._db.rehearsal()

    def backup(self, target: Path) -> None:
        """Write a consistent copy to ``target``, which must not exist."""
        self._db.backup(target)
