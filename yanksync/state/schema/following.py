"""Statements for tables of projects, pages, queues and withdrawals."""

from __future__ import annotations

FIRST = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # This table is narrow because the list of projects is a scan of it. Pages have their own table.
    """CREATE TABLE projects (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,        -- normalised
        display TEXT NOT NULL,            -- as upstream spells it
        presence TEXT NOT NULL,           -- present, gone, new, unknown
        serial INTEGER,                   -- of the held page, or the tombstone of a removed project
        quarantined INTEGER NOT NULL DEFAULT 0,  -- by its page or on the journal's word
        word INTEGER,                     -- serial of the entry that withdrew it on its word
        etag TEXT,
        entry TEXT,                       -- kind of its newest page-changing entry
        entry_serial INTEGER,
        listed_at INTEGER,                -- serial of the list that left it out; NULL: it is listed
        checked REAL,                     -- when upstream last confirmed the held page
        due REAL,                         -- when the sweep asks again; NULL: never
        yanked INTEGER NOT NULL DEFAULT 0,  -- versions with at least one yanked file
        json_digest BLOB,                 -- of what stands in the tree; NULL: nothing does
        html_digest BLOB,
        codecs TEXT,                      -- precompressed siblings in the tree
        listed INTEGER NOT NULL DEFAULT 0,  -- belongs in the published list
        published_serial INTEGER
    )""",
    "CREATE INDEX projects_due ON projects (due) WHERE due IS NOT NULL",
    # The body as upstream sent it, compressed. It keeps unknown keys, and rendering uses it.
    """CREATE TABLE pages (
        id INTEGER PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
        media TEXT NOT NULL,
        url TEXT NOT NULL,
        header_serial TEXT,
        body BLOB NOT NULL
    )""",
    """CREATE TABLE pending (
        name TEXT PRIMARY KEY,
        reach INTEGER,                    -- the serial the page must reach; NULL: one look will do
        urgent INTEGER NOT NULL DEFAULT 0,
        forced INTEGER NOT NULL DEFAULT 0,  -- ask without ETag (full-resync)
        since REAL NOT NULL,              -- start of the read that first asked for it
        attempts INTEGER NOT NULL DEFAULT 0,
        next_try REAL NOT NULL DEFAULT 0,
        asked INTEGER NOT NULL DEFAULT 0,   -- the run that last asked for it
        stale_since REAL,
        behind INTEGER NOT NULL DEFAULT 0,
        problem TEXT,
        doubt TEXT,                       -- what a pass saw and did not believe
        doubt_run INTEGER,
        held TEXT,                        -- why a guard keeps it from being asked for
        held_since REAL
    ) WITHOUT ROWID""",
    "CREATE INDEX pending_queue ON pending (behind, urgent DESC, name)",
    """CREATE TABLE unpublished (
        id INTEGER PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
        sort TEXT NOT NULL,               -- page, explained, unexplained, excluded
        dirty INTEGER NOT NULL DEFAULT 0,   -- writing was begun: the digests say nothing
        since REAL NOT NULL,
        approved INTEGER NOT NULL DEFAULT 0,
        held TEXT,
        held_since REAL,
        problem TEXT
    )""",
    "CREATE INDEX unpublished_sort ON unpublished (sort)",
    """CREATE TABLE history (
        id INTEGER PRIMARY KEY,
        era INTEGER NOT NULL DEFAULT 0,   -- which journal: one more each time upstream is put back
        place INTEGER NOT NULL,           -- its order: the serial, or the serial where it was seen
        serial INTEGER,                   -- NULL: observed
        timestamp INTEGER NOT NULL,       -- UTC seconds
        project TEXT NOT NULL,
        version TEXT,
        kind TEXT,                        -- of the journal entry
        action TEXT NOT NULL,
        file TEXT,
        files TEXT,                       -- JSON array
        reason TEXT,                      -- JSON string: every reason is exact; NULL: unknown
        low INTEGER,                      -- observed: between the pages of these serials
        high INTEGER
    )""",
    "CREATE UNIQUE INDEX history_serial ON history (era, serial) WHERE serial IS NOT NULL",
    "CREATE INDEX history_project ON history (project, place)",
    "CREATE INDEX history_place ON history (era, place)",
    """CREATE TABLE unsettled (
        id INTEGER PRIMARY KEY,
        project TEXT NOT NULL,
        high INTEGER NOT NULL,
        seen TEXT NOT NULL                -- JSON of changes.Unsettled
    )""",
    "CREATE INDEX unsettled_high ON unsettled (high)",
    # Starts of journal and list reads that may not be published in full, and the newest that is.
    "CREATE TABLE reads (started REAL PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        command TEXT NOT NULL,
        started REAL NOT NULL,
        ended REAL,
        exit INTEGER,
        cursor INTEGER,
        asked INTEGER,
        recorded INTEGER,
        published INTEGER,
        removed INTEGER,
        failed INTEGER,
        problem TEXT
    )""",
)

# The list of projects is read in order from this index only. That is a third of the work of looking
# up 700,000 rows by name.
LIST_INDEX = "CREATE INDEX projects_list ON projects (name, display, published_serial) WHERE listed"

TOLD = (
    # Values for Prometheus that outlive a pass: counters, and figures too expensive to count in
    # each pass.
    """CREATE TABLE counters (
        name TEXT NOT NULL,
        label TEXT NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (name, label)
    ) WITHOUT ROWID""",
    # When a withdrawal was first in the output; NULL: still to come, or there are no metrics.
    "ALTER TABLE history ADD COLUMN published REAL",
    # How far the journal, or the list, was read.
    "ALTER TABLE reads ADD COLUMN serial INTEGER",
    # Hooks that must still get a project's changes: one row for any number of changes.
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        hook TEXT NOT NULL,
        project TEXT NOT NULL,            -- normalised; '': the list of projects
        before TEXT NOT NULL,             -- codecs of the siblings that may have stood there
        UNIQUE (hook, project)
    )""",
)

# ETags of objects in object storage, for conditional puts; '' is the list of projects.
TAGS = """CREATE TABLE tags (
    project TEXT NOT NULL,
    file TEXT NOT NULL,
    etag TEXT,                            -- NULL: put, and it may not have arrived
    PRIMARY KEY (project, file)
) WITHOUT ROWID"""

# Digest of the form for followers of the older JSON API; NULL: it is not published.
LEGACY = "ALTER TABLE projects ADD COLUMN legacy_digest BLOB"

GUARDS = (
    # Files that stay published although upstream's page lacks them, or has another hash for them.
    """CREATE TABLE lost_files (
        project INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        filename TEXT NOT NULL,
        vanished INTEGER NOT NULL,        -- else it has another hash
        confirmed INTEGER NOT NULL,       -- a second look has seen it, too
        approved INTEGER NOT NULL,        -- a person has let it go
        held INTEGER NOT NULL,
        lost TEXT NOT NULL,               -- JSON of losses.LostFile
        PRIMARY KEY (project, filename)
    ) WITHOUT ROWID""",
    # Serials of pages that were above the journal when they came: the journal must confirm them.
    """CREATE TABLE ahead (
        project TEXT PRIMARY KEY,         -- normalised
        serial INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX ahead_serial ON ahead (serial)",
    # When a pass first saw an answer that it did not believe.
    "ALTER TABLE pending ADD COLUMN doubt_since REAL",
    # Whole pages are no longer held; pages that were held are fetched again.
    """INSERT OR IGNORE INTO pending (name, forced, since)
        SELECT name, 1, since FROM unpublished JOIN projects USING (id)
        WHERE presence = 'present' AND sort IN ('unexplained', 'rehashed')""",
    """UPDATE unpublished SET sort = 'page', held = NULL, held_since = NULL
        WHERE sort IN ('unexplained', 'rehashed')
        AND id IN (SELECT id FROM projects WHERE presence = 'present')""",
)

# With these indexes a query of a project's history costs only the rows that it finds.
LONG_HISTORIES = (
    "DROP INDEX history_project",
    "CREATE INDEX history_project ON history (project, era, place)",
    # For the newest row of a version.
    "CREATE INDEX history_version ON history (project, version, era, place) WHERE file IS NULL",
    # For rows that a late entry may explain.
    "CREATE INDEX history_observed ON history (project, high) WHERE serial IS NULL",
    "CREATE INDEX history_returns ON history (project, era, place) WHERE action = 'return'",
)

APPROVALS = (
    # A person approved the loss that the fetch may find.
    "ALTER TABLE pending ADD COLUMN approved INTEGER NOT NULL DEFAULT 0",
    "UPDATE pending SET approved = 1 WHERE held IS NULL AND held_since IS NOT NULL",
)

COOLDOWN = (
    # Only for projects that changed while they were followed: about one in ten.
    """CREATE TABLE file_times (
        project INTEGER PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
        added BLOB,                       -- zlib of JSON: when each file was added, by its name
        earliest REAL,                    -- effective time of the oldest file that is gone
        is_new INTEGER NOT NULL DEFAULT 0,  -- it appeared while upstream was followed
        shown TEXT,                       -- JSON array of files that became visible not long ago
        waiting INTEGER NOT NULL DEFAULT 0,  -- files that wait to become visible
        changes_at REAL                   -- when the page changes although upstream's does not
    )""",
    """CREATE INDEX file_times_changes ON file_times (changes_at, waiting)
        WHERE changes_at IS NOT NULL""",
    # Releases that were hidden when upstream withdrew them: JSON, files by version.
    "ALTER TABLE history ADD COLUMN averted TEXT",
    # Grows with each publication, for followers, because a page can change without a new serial.
    "ALTER TABLE projects ADD COLUMN revision INTEGER NOT NULL DEFAULT 0",
    "DROP INDEX projects_list",
    """CREATE INDEX projects_list ON projects (name, display, published_serial, revision)
        WHERE listed""",
    # The newest revision that upstream's list gave.
    "ALTER TABLE projects ADD COLUMN upstream_revision INTEGER",
)

# The hashes by which a copy of a removed file can be recognised.
REMOVED_FILES = """CREATE TABLE removed_files (
    project INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    filename TEXT NOT NULL,
    hashes TEXT NOT NULL,                 -- JSON array of pairs
    PRIMARY KEY (project, filename)
) WITHOUT ROWID"""
IS_LOGGED = "WHEN EXISTS (SELECT 1 FROM meta WHERE key = 'events_epoch')"
WITHDRAWALS = (
    # The log of withdrawals: a line is published as it is, and never changes.
    """CREATE TABLE events (
        cursor INTEGER PRIMARY KEY,
        history INTEGER NOT NULL,         -- the row that it was made of
        project TEXT NOT NULL,            -- normalised
        logged INTEGER NOT NULL,          -- UTC seconds
        time INTEGER NOT NULL,
        action TEXT NOT NULL,
        observed INTEGER NOT NULL,        -- an entry of the journal may explain it later
        replaced_by INTEGER,              -- the cursor of an event that tells the same, and more
        line TEXT NOT NULL                -- JSON of WithdrawalEvent
    )""",
    "CREATE INDEX events_project ON events (project, cursor)",
    "CREATE INDEX events_history ON events (history)",
    """CREATE INDEX events_observed ON events (project, action)
        WHERE observed AND replaced_by IS NULL""",
    "CREATE INDEX events_time ON events (time)",
    # How many events each day has, so that a chart need not read all events.
    """CREATE TABLE event_days (
        day INTEGER NOT NULL,             -- days since 1970, in UTC
        action TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (day, action)
    ) WITHOUT ROWID""",
    # The hashes of full pages, which the index of the log names.
    "CREATE TABLE event_pages (number INTEGER PRIMARY KEY, sha256 TEXT NOT NULL)",
    # Rows of the history that will become events when a page shows them. Triggers fill it, so that
    # code that writes the history cannot forget one. The triggers act only if there is a log.
    """CREATE TABLE unlogged (
        history INTEGER PRIMARY KEY REFERENCES history (id) ON DELETE CASCADE
    )""",
    f"""CREATE TRIGGER history_added AFTER INSERT ON history {IS_LOGGED}
        BEGIN INSERT INTO unlogged VALUES (NEW.id); END""",
    f"""CREATE TRIGGER history_explained AFTER UPDATE OF reason ON history {IS_LOGGED}
        BEGIN INSERT OR IGNORE INTO unlogged VALUES (NEW.id); END""",
)
TIMELINE = (
    # The times of the mirror's steps, for `why`.
    "ALTER TABLE projects ADD COLUMN recorded_at REAL",
    "ALTER TABLE projects ADD COLUMN published_at REAL",
    "ALTER TABLE history ADD COLUMN asked REAL",  # start of the read that asked for its page
    "ALTER TABLE history ADD COLUMN attempts INTEGER",  # passes that fetched in vain before
    "ALTER TABLE history ADD COLUMN stale_since REAL",
    "ALTER TABLE history ADD COLUMN recorded REAL",  # when a page showed it
)

# The position of each target of notifications in the log of withdrawals.
NOTIFIED = """CREATE TABLE notified (
    name TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,               -- of the log
    cursor INTEGER NOT NULL,
    waiting INTEGER NOT NULL              -- events that it did not take
) WITHOUT ROWID"""
