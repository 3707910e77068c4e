"""The paths and content types of the files about withdrawals."""

from __future__ import annotations

import re

from yanksync.core.layout import REVALIDATED, WITHDRAWALS, Headers, temporary_name

LOG_INDEX = f"{WITHDRAWALS}/log/index.json"
WEB_PAGE = f"{WITHDRAWALS}/index.html"
FEED_ATOM = f"{WITHDRAWALS}/feed.atom"
FEED_JSON = f"{WITHDRAWALS}/feed.json"
PROJECTS = f"{WITHDRAWALS}/project"
WATCH_LISTS = f"{WITHDRAWALS}/watch"
OSV = f"{WITHDRAWALS}/osv"
OSV_ARCHIVE = f"{OSV}/all.zip"

CONTENT_TYPES = {
    ".atom": "application/atom+xml; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".svg": "image/svg+xml",
    ".zip": "application/zip",
}
"""By the end of the name; ``feed.json`` has one of its own."""

_TEMPORARY = temporary_name("")[1:]  # the end of such a name
# The names of assets may be those of an earlier version.
_OURS = (
    rf"{WITHDRAWALS}/(index\.html|feed\.(atom|json)|log/(index\.json|\d{{6,}}\.ndjson)"
    r"|assets/[^/]+\.(css|js|svg)|watch/[^/]+\.atom|osv/(all\.zip|[^/]+/[^/]+\.json)"
    r"|project/[^/]+/(feed\.atom|events\.json|index\.html|withdrawn\.json))"
)

FEED_JSON_TYPE = "application/feed+json"
FIXED = "public, max-age=31536000, immutable"
"""The cache rule for a page of the log that is full."""


def log_page_name(number: int) -> str:
    """Return the name of a page, counted from 1."""
    return f"{number:06}.ndjson"


def log_page(number: int) -> str:
    """Return the path of a page, counted from 1."""
    return f"{WITHDRAWALS}/log/{log_page_name(number)}"


def project_directory(project: str) -> str:
    """Return the directory of a project's feed and page."""
    return f"{PROJECTS}/{project}"


def project_feed(project: str) -> str:
    """Return the path of a project's feed."""
    return f"{project_directory(project)}/feed.atom"


def project_events(project: str) -> str:
    """Return the path of the events of one project."""
    return f"{project_directory(project)}/events.json"


def project_page(project: str) -> str:
    """Return the path of a project's web page."""
    return f"{project_directory(project)}/index.html"


def project_pins(project: str) -> str:
    """Return the path of the document for a project's pins."""
    return f"{project_directory(project)}/withdrawn.json"


def asset(name: str) -> str:
    """Return the path of a file that the web page loads."""
    return f"{WITHDRAWALS}/assets/{name}"


def watch_feed(name: str) -> str:
    """Return the path of the feed of a list of ``withdrawals.watch``."""
    return f"{WATCH_LISTS}/{name}.atom"


def osv_directory(project: str) -> str:
    """Return the directory of a project's OSV records."""
    return f"{OSV}/{project}"


def headers(path: str, cache: str = REVALIDATED) -> Headers:
    """Return the headers of one of these files."""
    if path == FEED_JSON:
        return Headers(FEED_JSON_TYPE, cache)
    return Headers(CONTENT_TYPES[path[path.rindex(".") :]], cache)


def is_temporary(path: str) -> bool:
    """Return whether a run that died left this file."""
    filename = path.rpartition("/")[2]
    return filename.startswith(".") and filename.endswith(_TEMPORARY)


def is_ours(path: str) -> bool:
    """Return whether yanksync gives files such names."""
    if is_temporary(path):
        directory, _, filename = path.rpartition("/")
        path = f"{directory}/{filename[1:].removesuffix(_TEMPORARY)}"
    return re.fullmatch(_OURS, path) is not None
