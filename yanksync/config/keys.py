"""The keys of ``yanksync.toml``.

This is the only table of types, bounds, defaults and descriptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from yanksync.config import value_types as types
from yanksync.config.notify_tables import notify_targets
from yanksync.config.project_filter import ProjectFilter
from yanksync.config.project_tables import by_pattern
from yanksync.config.settings import Compression, DirectoryObjectForm, JournalSource, YankedPolicy
from yanksync.config.value_types import (
    DECADES,
    ValueType,
    choice,
    seconds,
    size,
    table,
    text,
    texts,
    whole,
)


class KeySpec(Struct, frozen=True):
    """One key."""

    path: str  # "section.name"
    type: ValueType
    default: Any  # as TOML gives it; None: no default, or a computed one
    description: str
    secret: bool = False  # the value is never printed

    @property
    def is_table(self) -> bool:
        """Whether only the file can have it."""
        return dict in self.type.types or self.type.is_tables

    @property
    def variable(self) -> str:
        """The environment variable. Tables have none."""
        return "YANKSYNC_" + self.path.replace(".", "_").upper()


def _patterns(names: list[str]) -> tuple[str, ...]:
    return ProjectFilter(tuple(names)).projects


def _projects(names: list[str]) -> tuple[str, ...]:
    if not names:  # perhaps an unset variable; it would remove the whole mirror
        raise ValueError('names no project; "*" stands for all')
    return _patterns(names)


def _hosts(names: list[str]) -> tuple[str, ...]:
    return tuple(map(types.host, names))


def _compress(names: list[str]) -> tuple[Compression, ...]:
    chosen = {choice(Compression).check(name) for name in names}
    if len(chosen) != len(names):
        raise ValueError("names a compression twice")
    for kind, package in ((Compression.BR, "brotli"), (Compression.ZSTD, "zstandard")):
        if kind in chosen:
            types.require(package, repr(kind.value), "compress")
    return tuple(kind for kind in Compression if kind in chosen)


def _paths(names: list[str]) -> tuple[Path, ...]:
    return tuple(map(types.path, names))


def _platforms(patterns: list[str]) -> tuple[str, ...]:
    for pattern in patterns:
        if re.fullmatch(r"[A-Za-z0-9_*?\[\]!-]+", pattern) is None:
            raise ValueError(f'lists patterns like "manylinux*_x86_64", not {pattern!r}')
    return tuple(pattern.lower() for pattern in patterns)


def _pythons(names: list[str]) -> tuple[str, ...]:
    for name in names:
        if re.fullmatch("(cp|pp)[23][0-9]{1,2}t?", name) is None:
            known = '"cp313", "cp313t" or "pp311"'
            raise ValueError(f"lists interpreters as wheels name them, like {known}, not {name!r}")
    return tuple(names)


def _watch_lists(lists: dict[str, object]) -> tuple[tuple[str, ProjectFilter], ...]:
    patterns = texts(_projects)
    found = []
    for name, some in lists.items():
        try:
            if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name) is None:
                raise ValueError("is part of a URL: write it with a to z, 0 to 9 and hyphens")
            found.append((name, ProjectFilter(patterns.check(some))))
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from None
    return tuple(found)


def _cron(expression: str) -> str:
    from yanksync.config import crontab  # start-up: few mirrors have one

    crontab.parse(expression)
    return " ".join(expression.split())


_URL, _PATH = text(types.url, "URL"), text(types.path, "path")
_TABLE = (
    KeySpec("upstream.simple_url", text(types.index_url, "URL"), None,
        "The index to mirror. Default: the index that this machine's pip installs from."),
    KeySpec("upstream.journal_url", text(types.bare_url, "URL"), None,
        'Where the XML-RPC journal is. Default: "pypi" beside simple_url.'),
    KeySpec("upstream.journal", choice(JournalSource), "auto",
        "How changes are learnt: from the journal, from the list of projects and its serials, or "
        "by asking for each named project. auto: the first of these that works."),
    KeySpec("upstream.workers", whole(1, 256), 16, "Simultaneous page requests."),
    KeySpec("upstream.timeout", seconds(0.001, 3600), 30.0,
        "How long to wait for a connection, and between bytes."),
    KeySpec("upstream.stale_retry", seconds(0, 3600), 5.0,
        "How long to wait before a page older than its journal entry is asked for again."),
    KeySpec("upstream.journal_interval", seconds(0, 3600), 1.0, "The time between journal calls."),
    KeySpec("upstream.allow_http", types.FLAG, False,
        "Allow plain http for upstream. Loopback addresses are always allowed."),
    KeySpec("upstream.sweep_days", whole(0, 3650), 30,
        "Every page is fetched again within so many days. 0: never."),
    KeySpec("upstream.max_page_size", size(1 << 20, 1 << 30), "32MiB",
        "The largest project page, packed or unpacked. A larger one is an error of its project."),
    KeySpec("upstream.max_list_size", size(1 << 20, 8 << 30), "256MiB",
        "The same for the list of projects and for each answer of the journal."),
    KeySpec("upstream.contact", text(types.printable), "",
        "An e-mail address or URL for the User-Agent, so that upstream can reach you."),
    KeySpec("upstream.redirect_hosts", texts(_hosts), [],
        "Other hosts to which pages may redirect. Credentials are never sent there."),
    KeySpec("mirror.output", text(types.place, "path"), "mirror",
        "The directory to publish to, or s3://bucket/prefix, gs://…, az://…."),
    KeySpec("mirror.state", text(types.object_or_path, "path"), "yanksync.db",
        "The state database (SQLite), or one object beside an output in object storage."),
    KeySpec("mirror.lease", seconds(5, 86400), "5m",
        "How long a run has a state in object storage for itself before it must renew the lease."),
    KeySpec("mirror.projects", texts(_projects), ["*"], "Patterns of normalised names to mirror."),
    KeySpec("mirror.exclude", texts(_patterns), [], "Patterns of normalised names to leave out."),
    KeySpec("mirror.yanked", choice(YankedPolicy), "mark",
        "mark: publish yanked files with their mark. omit: leave them out."),
    KeySpec("mirror.deleted", choice(("remove", "yank")), "remove",
        "remove: pages follow upstream in the same pass. yank: copies of files that upstream "
        "removed stay, marked yanked."),
    KeySpec("mirror.files", choice(("link", "copy")), "link",
        "link: pages link to upstream's files. copy: package files are copied, see [files]."),
    KeySpec("mirror.compress", texts(_compress), ["gzip"],
        "Compressed copies of each page: gzip, br, zstd."),
    KeySpec("mirror.list_interval", seconds(0), "30m",
        "How often the list of projects is written again when only its serials changed."),
    KeySpec("mirror.legacy_json", types.FLAG, False,
        "Also write what bandersnatch and shadowmire read to follow this mirror."),
    KeySpec("mirror.slash_keys", choice(DirectoryObjectForm), "none",
        "S3: publish this form also under keys that end in a slash."),
    KeySpec("mirror.overrides", _PATH, None,
        "A file of [[override]] tables, beside those of this file."),
    KeySpec("mirror.advisories", texts(_paths), [],
        "OSV records in files, directories or zip archives; what they call malware is hidden."),
    KeySpec("cooldown.age", seconds(0, DECADES), "0",
        'How old a file must be before it is offered, such as "3d". 0: offered at once.'),
    KeySpec("cooldown.mode", choice(("hide", "yank")), "hide",
        "hide: leave files out that are too young. yank: mark them yanked, with a reason that says "
        "until when."),
    KeySpec("cooldown.missing", choice(("hide", "allow")), "hide",
        "What happens to files without upload-time. allow: the time at which they were added "
        "counts."),
    KeySpec("cooldown.not_after", types.moment_or_none(), "",
        "An RFC 3339 time. No file that is newer than this moment is offered."),
    KeySpec("cooldown.new_projects", seconds(0, DECADES, empty=0.0), "",
        "An age that replaces age while the project itself is younger than this."),
    KeySpec("cooldown.projects", by_pattern(seconds(0, DECADES)), {},
        "Patterns of normalised names, each with an age. The first that matches replaces age and "
        "new_projects."),
    KeySpec("files.missing", choice(("link", "hide")), "link",
        "What a page does with a file that is not copied yet: link to upstream's, or leave it "
        "out."),
    KeySpec("files.downloads", whole(1, 64), 10, "Simultaneous downloads."),
    KeySpec("files.downloads_per_host", whole(1, 64), 10, "Simultaneous downloads from one host."),
    KeySpec("files.bandwidth", size(0, 1 << 40), "0",
        "Bytes per second that all downloads together may take. 0: no limit."),
    KeySpec("files.budget", size(0, 1 << 50), "0",
        "Bytes that all copies together may take, those out of service included. A file that does "
        "not fit waits for a later pass. 0: no limit."),
    KeySpec("files.free_space", size(0, 1 << 50), "1GiB",
        "Bytes that downloads leave free on the disk. A file for which less would be left waits "
        "for a later pass."),
    KeySpec("files.grace", seconds(0, DECADES), "7d",
        "How long a file that left the mirror is kept out of service before it is deleted."),
    KeySpec("files.keep_days", whole(0, 36500), 0,
        "How many days a file that upstream removed is kept, from the pass that saw the removal. "
        "0: without end."),
    KeySpec("files.deleted_projects", choice(("remove", "yank")), "remove",
        "What happens to the files of a project that upstream removed. yank: they are kept like "
        "other removed files."),
    KeySpec("files.deleted_index", types.FLAG, False,
        "Also publish an index of the kept files alone, below deleted/simple/ of the output."),
    KeySpec("files.withheld", text(types.place, "path"), None,
        "The directory of files that are out of service, or s3://bucket/prefix, gs://…, az://…; no "
        "web server may serve it. Default: beside the state; in object storage none."),
    KeySpec("files.projects", by_pattern(choice(("copy", "link", "exclude"))), {},
        "Patterns of normalised names, each with an action; the first that matches counts. copy: "
        "the default. link: pages link to upstream's files. exclude: pages list no file."),
    KeySpec("files.newest", whole(0, 1_000_000), 0,
        "How many releases of a project are offered, the newest ones. 0: all."),
    KeySpec("files.newest_by", choice(("version", "time")), "version",
        "What makes a release new: its version, or the time of its first upload."),
    KeySpec("files.newest_per", choice(("project", "minor")), "project",
        "minor: newest counts for each line of releases, such as 1.4, by itself."),
    KeySpec("files.prereleases", types.FLAG, True, "Offer pre-releases and development releases."),
    KeySpec("files.prerelease_projects", by_pattern(types.FLAG), {},
        "Patterns of normalised names, each with true or false; the first that matches replaces "
        "prereleases."),
    KeySpec("files.platforms", texts(_platforms), [],
        'Patterns of wheel platforms, such as "manylinux*_x86_64". None: all platforms.'),
    KeySpec("files.pythons", texts(_pythons), [],
        'Interpreters that wheels are for, such as "cp313" or "pp311". None: all interpreters.'),
    KeySpec("files.sdists", types.FLAG, True, "Offer sdists."),
    KeySpec("files.max_size", size(0, 1 << 50), "0",
        "Bytes of the largest file that is offered. 0: no limit."),
    KeySpec("files.max_age", seconds(0, DECADES), "0",
        "How long after its upload a file is offered. 0: no limit."),
    KeySpec("files.lock_files", texts(_paths), [],
        "Lock files and requirements. The mirror holds what they pin, and nothing else."),
    KeySpec("guard.explained", types.PERCENT, 50.0,
        "Percent of the published projects that upstream may remove in one pass (100 always may)."),
    KeySpec("guard.unexplained", types.PERCENT, 1.0,
        "Percent of the published projects that may lose something without an explanation in one "
        "pass (3 always may, all never)."),
    KeySpec("guard.selection", types.PERCENT, 10.0,
        "Percent of the published projects that a change of projects or exclude may take away (3 "
        "always may go, all never)."),
    KeySpec("guard.confirm_after", seconds(0, 7 * 86400), "10m",
        "A loss that nothing explains counts only when it is seen again after this time."),
    KeySpec("schedule.every", seconds(1), "5m", "How often a pass is made."),
    KeySpec("schedule.cron", text(_cron), None,
        'The same as five fields, like "*/5 * * * *". Not beside every.'),
    KeySpec("hooks.command", texts(types.command), [],
        "A program and its arguments; it gets the changed paths on standard input."),
    KeySpec("hooks.webhook", _URL, None, "Where changes are posted as JSON.", secret=True),
    KeySpec("hooks.webhook_header", text(types.header), None,
        'A header for the webhook, such as "Authorization: Bearer …".', secret=True),
    KeySpec("hooks.manifest", _PATH, None, "The directory for a file of changes from each run."),
    KeySpec("hooks.manifest_keep", seconds(3600, 3660 * 86400), "30d", "How long these are kept."),
    KeySpec("hooks.timeout", seconds(0.1, 300), 30.0, "How long one delivery may take."),
    KeySpec("hooks.allow_http", types.FLAG, False,
        "Allow plain http for webhook. Loopback addresses are always allowed."),
    KeySpec("health.metrics", text(types.metrics_path, "path"), None,
        "A file for Prometheus' textfile collector. Its name ends in .prom."),
    KeySpec("health.ping", _URL, None,
        "The address that is pinged at the start and the end of each pass.", secret=True),
    KeySpec("health.allow_http", types.FLAG, False,
        "Allow plain http for ping. Loopback addresses are always allowed."),
    KeySpec("withdrawals.publish", types.FLAG, False,
        "Publish what upstream withdraws below withdrawals/ of the output: a log, feeds and OSV "
        "records."),
    KeySpec("withdrawals.title", text(types.title), "Withdrawn releases",
        "The title of the feeds."),
    KeySpec("withdrawals.watch", table(_watch_lists), {},
        "Lists of projects, each with a feed: a name, and patterns of normalised names."),
    KeySpec("withdrawals.notify", types.tables(notify_targets), None,
        "[[withdrawals.notify]] tables: commands and webhooks that get the events.", secret=True),
)  # fmt: skip

KEYS: Mapping[str, KeySpec] = {key.path: key for key in _TABLE}
SECTIONS = (*dict.fromkeys(path.partition(".")[0] for path in KEYS), "storage")


def find_key(section: str, name: str) -> KeySpec | None:
    """Return a key, or None. Every name of ``[storage]`` is a key."""
    if section == "storage":
        what = "An option of the object-storage client."
        return KeySpec(f"storage.{name.lower()}", types.SCALAR, None, what, secret=True)
    return KEYS.get(f"{section}.{name}")


def names_of(section: str) -> list[str]:
    """Return the names of a section's keys."""
    return [name for home, _, name in (path.partition(".") for path in KEYS) if home == section]
