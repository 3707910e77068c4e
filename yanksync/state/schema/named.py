"""All migrations, in their order.

A migration of a release is never changed.
"""

from __future__ import annotations

from yanksync.state.schema import following, package_files

MIGRATIONS = (
    ("first", following.FIRST),
    ("list_index", (following.LIST_INDEX,)),
    ("told", following.TOLD),
    ("tags", (following.TAGS,)),
    ("legacy", (following.LEGACY,)),
    ("guards", following.GUARDS),
    ("long_histories", following.LONG_HISTORIES),
    ("approvals", following.APPROVALS),
    ("cooldown", following.COOLDOWN),
    ("removed_files", (following.REMOVED_FILES,)),
    ("withdrawals", following.WITHDRAWALS),
    ("timeline", following.TIMELINE),
    ("notified", (following.NOTIFIED,)),
    ("package_files", package_files.PACKAGE_FILES),
    ("bundles", package_files.BUNDLES),
    ("unchosen", (package_files.UNCHOSEN,)),
    ("kept_files", package_files.KEPT_FILES),
    ("forgotten", package_files.FORGOTTEN),
    ("bundled_deleted_index", package_files.BUNDLED_DELETED_INDEX),
    ("received", (package_files.RECEIVED,)),
)
