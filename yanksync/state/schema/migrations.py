"""The named migrations of the state database.

``VERSION`` is the number of migrations. ``PRAGMA user_version`` has it as well, so that a start
with an up-to-date database (288 times a day) does not import sqlite-utils.
"""

from __future__ import annotations

import sqlite3

VERSION = 20


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date.

    Every migration is one transaction, which also records it.
    """
    import sqlite_utils
    from sqlite_utils.migrations import Migrations

    from yanksync.state.schema.named import MIGRATIONS

    migrations = Migrations("yanksync")

    def add(number: int, name: str, statements: tuple[str, ...]) -> None:
        @migrations(name=f"{number:04}_{name}")
        def _(db: sqlite_utils.Database) -> None:
            for statement in statements:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")

    for number, (name, statements) in enumerate(MIGRATIONS, 1):
        add(number, name, statements)
    migrations.apply(sqlite_utils.Database(connection, execute_plugins=False))
