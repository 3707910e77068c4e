"""Finds valid settings that exclude each other (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from yanksync.config.settings import (
    Bucket,
    DirectoryObjectForm,
    JournalSource,
    Settings,
    YankedPolicy,
)
from yanksync.core.layout import DELETED_ROOT, PACKAGES, ROOT, WITHDRAWALS
from yanksync.core.urls import is_loopback, redacted

_BELOW = (ROOT, WITHDRAWALS, PACKAGES, DELETED_ROOT)  # what yanksync writes below the output


class Conflict(Struct, frozen=True):
    """An error in one key because of another key."""

    key: str
    other: str
    problem: str


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """Yield the settings that exclude each other."""
    selection, output = settings.mirror.selection, settings.mirror.output
    if selection.explicit_names == () or selection.exclude == ("*",):
        yield Conflict("mirror.exclude", "mirror.projects", "leaves none of mirror.projects")
    elif (
        settings.upstream.journal is JournalSource.NONE
        and selection.explicit_names is None
        and not settings.is_closed_set
    ):
        problem = '"none" needs names without wildcards in mirror.projects'
        yield Conflict("upstream.journal", "mirror.projects", problem)
    if settings.mirror.slash_keys is not DirectoryObjectForm.NONE:
        if isinstance(output, Path) or output.scheme != "s3":
            problem = "goes with an output of s3:// only"
            yield Conflict("mirror.slash_keys", "mirror.output", problem)
        for name, _ in settings.storage.options:
            if "virtual_hosted_style_request" in name:
                problem = "excludes storage.virtual_hosted_style_request"
                yield Conflict("mirror.slash_keys", f"storage.{name}", problem)
    if settings.cooldown.mode == "yank" and settings.mirror.yanked is YankedPolicy.OMIT:
        problem = '"yank" marks files that mirror.yanked = "omit" leaves out; write "hide"'
        yield Conflict("cooldown.mode", "mirror.yanked", problem)
    if 0 < settings.cooldown.new_projects < settings.cooldown.age:
        problem = "is shorter than cooldown.age, so it would do nothing; write a longer time"
        yield Conflict("cooldown.new_projects", "cooldown.age", problem)
    if settings.hooks.webhook_header is not None and settings.hooks.webhook is None:
        yield Conflict("hooks.webhook_header", "hooks.webhook", "needs hooks.webhook")
    yield from _closed_set(settings)
    yield from _deletions(settings)
    yield from _notifications(settings)
    yield from _places(settings)
    yield from _withheld(settings)
    yield from _plain_http(settings)


def _closed_set(settings: Settings) -> Iterator[Conflict]:
    """Check the rules that choose releases.

    Together with lock files they would have no effect.
    """
    files, key = settings.files, "files.lock_files"
    if not files.lock_files:
        return
    for name, is_set in {
        "newest": files.newest > 0,
        "max_age": files.max_age > 0,
        "prereleases": not files.prereleases,
        "prerelease_projects": bool(files.prerelease_projects),
    }.items():
        if is_set:
            other = f"files.{name}"
            problem = f"excludes {other}: the lock files name the releases. Remove one of the two"
            yield Conflict(key, other, problem)


def _deletions(settings: Settings) -> Iterator[Conflict]:
    """Check the keys for keeping files that upstream removed.

    Only copies can be kept.
    """
    omits = settings.mirror.yanked is YankedPolicy.OMIT
    for key, is_set in (
        ("mirror.deleted", settings.mirror.deleted == "yank"),
        ("files.deleted_index", settings.files.deleted_index),
    ):
        if is_set and not settings.copies_files:
            yield Conflict(key, "mirror.files", 'needs mirror.files = "copy": only copies can stay')
        elif is_set and omits:
            problem = 'marks files yanked, and mirror.yanked = "omit" leaves these out'
            yield Conflict(key, "mirror.yanked", problem)
    if settings.files.deleted_projects == "yank" and not settings.keeps_deleted:
        problem = 'does nothing without mirror.deleted = "yank" or files.deleted_index = true'
        yield Conflict("files.deleted_projects", "mirror.deleted", problem)


def _notifications(settings: Settings) -> Iterator[Conflict]:
    key, targets = "withdrawals.notify", settings.withdrawals.notify
    if targets and not settings.withdrawals.publish:
        problem = "needs withdrawals.publish = true: its events are those of the log"
        yield Conflict(key, "withdrawals.publish", problem)
    for target in targets:
        parts = urlsplit(target.webhook or "")
        shown = parts.scheme == "http" and not is_loopback(parts.hostname or "")
        if shown and not settings.hooks.allow_http:
            problem = f"plain http needs hooks.allow_http (of {target.name})"
            yield Conflict(key, "hooks.allow_http", problem)


def _places(settings: Settings) -> Iterator[Conflict]:
    state, output = settings.mirror.state, settings.mirror.output
    problem = None
    if state == output:
        problem = "is the same path as mirror.output"
    elif _is_among_pages(state, output):
        problem = "is among the pages of mirror.output"
    elif isinstance(state, Bucket) and (
        isinstance(output, Path) or output.scheme != state.scheme
    ):  # the lease would not keep other runs out
        problem = f"may only be in {state.scheme}:// when mirror.output is there, too"
    if problem is not None:
        yield Conflict("mirror.state", "mirror.output", problem)
    manifest = settings.hooks.manifest
    if manifest is not None and _is_among_pages(manifest, output):
        problem = "is among the published files of mirror.output"
        yield Conflict("hooks.manifest", "mirror.output", problem)


def _withheld(settings: Settings) -> Iterator[Conflict]:
    """Check the place of files that are out of service.

    A web server serves all of the output.
    """
    output, state, place = settings.mirror.output, settings.mirror.state, settings.withheld
    given = settings.files.withheld is not None
    if place is None or not (given or settings.copies_files):
        return
    problem = None
    if isinstance(place, Path) != isinstance(output, Path) or (
        isinstance(place, Bucket) and isinstance(output, Bucket) and place.scheme != output.scheme
    ):
        kind = "a directory" if isinstance(output, Path) else f"{output.scheme}://bucket/prefix"
        problem = f"must be {kind}, like mirror.output"
    elif f"{place}/".startswith(f"{output}/"):
        problem = "is below mirror.output, where a web server would serve it"
        if not given:  # the default is beside mirror.state
            problem = f"is {place} by default, below mirror.output; name another directory"
    elif f"{output}/".startswith(f"{place}/".replace("//", "/")) and isinstance(place, Path):
        problem = "has mirror.output below it; name a directory that is used for nothing else"
    elif place == state:
        problem = "is the same path as mirror.state"
    if problem is not None:
        yield Conflict("files.withheld", "mirror.output", problem)


def _is_among_pages(place: Path | Bucket, output: Path | Bucket) -> bool:
    if isinstance(place, Path) and isinstance(output, Path):
        return any(output / below in (place, *place.parents) for below in _BELOW)
    if isinstance(place, Path) or isinstance(output, Path):
        return False
    return any(f"{place}/".startswith(f"{output}/{below}/") for below in _BELOW)


def _plain_http(settings: Settings) -> Iterator[Conflict]:
    """Check plain http, which shows credentials and lets others change pages (R10)."""
    upstream, hooks, health = settings.upstream, settings.hooks, settings.health
    for section, name, url, allowed in (
        ("upstream", "simple_url", upstream.simple_url, upstream.allow_http),
        ("upstream", "journal_url", upstream.journal_url, upstream.allow_http),
        ("hooks", "webhook", hooks.webhook, hooks.allow_http),
        ("health", "ping", health.ping, health.allow_http),
    ):
        parts = urlsplit(url or "")
        if parts.scheme == "http" and not allowed and not is_loopback(parts.hostname or ""):
            flag = f"{section}.allow_http"
            problem = f"plain http needs {flag}"
            if section == "upstream":
                better = f"https{redacted(str(url)).removeprefix('http')}"
                problem += f"; if the server has https, write {better}"
            yield Conflict(f"{section}.{name}", flag, problem)
