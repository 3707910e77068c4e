"""Statements for package files, bundles and forgotten projects."""

from __future__ import annotations

PACKAGE_FILES = (
    # Copies of package files. A project's row may be gone before its copies are.
    """CREATE TABLE package_files (
        id INTEGER PRIMARY KEY,
        project TEXT NOT NULL,            -- normalised
        path TEXT NOT NULL UNIQUE,        -- below the output
        file TEXT NOT NULL,               -- JSON of File, as upstream's page had it last
        status TEXT NOT NULL,             -- wanted, served, leaving, withheld
        size INTEGER,                     -- bytes of the copy; NULL: it was never copied
        has_metadata INTEGER NOT NULL DEFAULT 0,
        cause TEXT,                       -- why it is leaving or withheld
        since REAL NOT NULL,
        delete_at REAL,                   -- of a withheld one; NULL: not by itself
        was_quarantined INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_try REAL NOT NULL DEFAULT 0,
        problem TEXT
    )""",
    "CREATE INDEX package_files_project ON package_files (project)",
    "CREATE INDEX package_files_wanted ON package_files (id) WHERE status = 'wanted'",
    "CREATE INDEX package_files_leaving ON package_files (id) WHERE status = 'leaving'",
    """CREATE INDEX package_files_metadata ON package_files (id)
        WHERE status = 'served' AND next_try > 0""",
    """CREATE INDEX package_files_deletion ON package_files (delete_at)
        WHERE delete_at IS NOT NULL""",
)

# From the first bundle on, triggers note for each change of the output that the next bundle has it.
# They act only if there are bundles.
NEXT_BUNDLE = """INSERT INTO output_changes
    SELECT '{}', {}, max(cursor) + 1 FROM bundles WHERE true
    ON CONFLICT (kind, name) DO UPDATE SET bundle = excluded.bundle"""
ARE_BUNDLES = "EXISTS (SELECT 1 FROM bundles)"


def _noted(name: str, event: str, when: str, kind: str, column: str) -> str:
    return f"""CREATE TRIGGER {name} AFTER {event} WHEN {when} AND {ARE_BUNDLES}
        BEGIN {NEXT_BUNDLE.format(kind, column)}; END"""


BUNDLES = (
    """CREATE TABLE bundles (
        cursor INTEGER PRIMARY KEY,
        token TEXT NOT NULL,              -- tells it from that of a state that was put back
        list TEXT,                        -- digest of the list of projects that it has
        log TEXT,                         -- the log of withdrawals that it has; NULL: none
        event INTEGER                     -- the newest event that it has
    )""",
    """CREATE TABLE output_changes (
        kind TEXT NOT NULL,               -- page, file
        name TEXT NOT NULL,               -- the project; the path of the file
        bundle INTEGER NOT NULL,          -- the cursor of the first bundle with the change
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID""",
    "CREATE INDEX output_changes_bundle ON output_changes (bundle)",
    _noted(
        "page_changed", "UPDATE OF json_digest, html_digest ON projects",
        "(NEW.json_digest IS NOT OLD.json_digest OR NEW.html_digest IS NOT OLD.html_digest)",
        "page", "NEW.name",
    ),
    _noted("page_added", "INSERT ON projects", "NEW.json_digest IS NOT NULL", "page", "NEW.name"),
    _noted("page_gone", "DELETE ON projects", "OLD.json_digest IS NOT NULL", "page", "OLD.name"),
    _noted(
        "file_changed", "UPDATE OF status, has_metadata ON package_files",
        "((NEW.status = 'served') <> (OLD.status = 'served') OR "
        "NEW.has_metadata <> OLD.has_metadata)",
        "file", "NEW.path",
    ),
    _noted("file_added", "INSERT ON package_files", "NEW.status = 'served'", "file", "NEW.path"),
    _noted("file_gone", "DELETE ON package_files", "OLD.status = 'served'", "file", "OLD.path"),
)  # fmt: skip
# Projects that lost every file by rules of [files], so that this is logged once.
UNCHOSEN = """CREATE TABLE unchosen (
    project TEXT PRIMARY KEY,             -- normalised
    rules TEXT NOT NULL
) WITHOUT ROWID"""

KEPT_FILES = (
    # Copies of files that upstream removed.
    "ALTER TABLE package_files ADD COLUMN added REAL NOT NULL DEFAULT 0",
    "ALTER TABLE package_files ADD COLUMN removed_at REAL",  # the pass that saw it
    "ALTER TABLE package_files ADD COLUMN removed_on REAL",  # by the journal, if known
    "ALTER TABLE package_files ADD COLUMN kept INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE package_files ADD COLUMN restored INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX package_files_kept ON package_files (removed_at) WHERE kept",
    # Pages of the index of deleted files. The name '' is its list.
    """CREATE TABLE deleted_pages (
        project TEXT PRIMARY KEY,
        digest BLOB                       -- of what is published; NULL: it is to be written
    ) WITHOUT ROWID""",
    # So code that changes copies cannot forget the pages with these copies.
    """CREATE TRIGGER kept_changed AFTER UPDATE OF status, kept, removed_on ON package_files
        WHEN OLD.kept OR NEW.kept
        BEGIN INSERT OR REPLACE INTO deleted_pages VALUES (NEW.project, NULL); END""",
    """CREATE TRIGGER kept_forgotten AFTER DELETE ON package_files WHEN OLD.kept
        BEGIN INSERT OR REPLACE INTO deleted_pages VALUES (OLD.project, NULL); END""",
)

FORGOTTEN = (
    # Forgotten projects: they are excluded, and their texts are erased.
    """CREATE TABLE forgotten (
        project TEXT PRIMARY KEY,         -- normalised
        since REAL NOT NULL,
        erased INTEGER NOT NULL           -- nothing of it is left
    ) WITHOUT ROWID""",
    # The hashes of their files, so that other projects do not bring the files back.
    # The key comes first: SQLite 3.40 calls other tables WITHOUT ROWID malformed.
    """CREATE TABLE forgotten_files (
        project TEXT NOT NULL,
        algorithm TEXT NOT NULL,
        digest TEXT NOT NULL,
        file INTEGER NOT NULL,            -- a number, in place of its name
        PRIMARY KEY (project, algorithm, digest)
    ) WITHOUT ROWID""",
)

# A page of the index of deleted files that must be written has no digest yet.
BUNDLED_DELETED_INDEX = (
    _noted("deleted_page_written", "INSERT ON deleted_pages", "true", "deleted", "NEW.project"),
    _noted("deleted_page_gone", "DELETE ON deleted_pages", "true", "deleted", "OLD.project"),
    _noted(
        "deleted_page_changed",
        "UPDATE OF digest ON deleted_pages",
        "true",
        "deleted",
        "NEW.project",
    ),
)

# The files that bundles brought to this output, so that they can be checked here.
RECEIVED = """CREATE TABLE received (
    path TEXT PRIMARY KEY,                -- below the output
    size INTEGER NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID"""
