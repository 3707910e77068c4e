"""Notices whether a run changed more than its own row."""

from __future__ import annotations

from yanksync.state.sqlite.database import Database

_ABOUT_RUNS = ("runs", "reads", "counters", "_sqlite_migrations", "sqlite_sequence")
_MEANWHILE = ("complete_read", "list_serial_writing")


class ChangeTracker:
    """Tracks changes with temporary triggers on one connection."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def watch(self) -> None:
        """Begin to watch."""
        self._db.execute("CREATE TEMP TABLE touched (once INTEGER PRIMARY KEY)")
        rows = self._db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
        # Not "OR IGNORE", because the statement that fires the trigger decides about conflicts.
        note = "BEGIN INSERT INTO touched SELECT 1 WHERE NOT EXISTS (SELECT * FROM touched); END"
        for (table,) in rows:
            if table in _ABOUT_RUNS:
                continue
            for event in ("INSERT", "UPDATE", "DELETE"):
                when, order = "", "AFTER"
                if table == "meta":
                    order = "BEFORE"
                    row = "OLD" if event == "DELETE" else "NEW"
                    when = f"WHEN {row}.key NOT IN {_MEANWHILE}"
                    if event == "INSERT":
                        when += " AND NEW.value IS NOT (SELECT value FROM meta WHERE key = NEW.key)"
                self._db.execute(
                    f"CREATE TEMP TRIGGER touched_{table}_{event} {order} {event} ON main.{table} "
                    f"{when} {note}"
                )

    def has_changed(self) -> bool:
        """Return whether anything has changed after that."""
        return self._db.first_row("SELECT 1 FROM touched") is not None
