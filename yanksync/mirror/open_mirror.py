"""Opens a mirror for one run.

It opens and closes the lock, the state, upstream and the store.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from yanksync.config.load import with_simple_url
from yanksync.config.settings import Bucket, DirectoryObjectForm, Settings
from yanksync.core import layout
from yanksync.core.errors import ConfigError
from yanksync.core.urls import redacted
from yanksync.mirror.bundled_output import refuse_to_follow
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.forgotten import without_forgotten
from yanksync.mirror.progress import LoggedProgress, NoProgress, NotedProgress, Progress, never
from yanksync.mirror.state_access import open_exclusively
from yanksync.output.disk.store import DiskStore
from yanksync.output.package_store import PackageStore
from yanksync.output.store import Store
from yanksync.state.facts import AppliedConfig
from yanksync.state.state import State
from yanksync.system.file_lock import note_progress
from yanksync.upstream.client import UpstreamClient

if TYPE_CHECKING:  # start-up: only a state in object storage needs it
    from yanksync.mirror.lease import Clock
    from yanksync.mirror.remote_state import RemoteState


@contextmanager
def open_mirror(
    settings: Settings,
    command: str,
    *,
    progress: Progress | None = None,
    dry_run: bool = False,
    stopping: Callable[[], bool] = never,
    clock: Clock | None = None,
) -> Iterator[Mirror]:
    """Open the mirror for a run of ``command``, with the lock (R11).

    With ``dry_run`` nothing new is made. If there is no state database, the run starts from an
    empty one in memory. ``stopping`` is asked whether the run is to end at the next safe point.
    ``clock`` counts the time of a lease, by default as the machine does. Raises
    :class:`yanksync.core.errors.LockHeld`, :class:`yanksync.core.errors.StateError`,
    :class:`yanksync.core.errors.ConfigError`.
    """
    with open_exclusively(settings, command, dry_run=dry_run, clock=clock) as (state, held):
        refuse_to_follow(settings, state)
        settings, forgotten = without_forgotten(settings, state)
        settings = resolve_upstream_url(settings, state, remember=not dry_run)
        _log_places(settings)
        store = open_store(settings, held)
        upstream = UpstreamClient(settings, json_only=state.facts.traits.json)
        try:
            yield Mirror(
                settings,
                state,
                upstream,
                store,
                open_package_store(settings, held, has_copies=bool(state.facts.config.has_copies)),
                run=0 if dry_run else state.runs.begin(command, time.time()),
                progress=_noted(progress or NoProgress(), state, held),
                stopping=stopping,
                forgotten=forgotten,
            )
        finally:
            upstream.close()
            store.close()


def _noted(progress: Progress, state: State, held: RemoteState | None) -> Progress:
    """Return ``progress`` that ``status`` in another process can see."""
    if log.isEnabledFor(logging.DEBUG):
        progress = LoggedProgress(progress)
    if held is not None:
        return NotedProgress(progress, held.note_progress)
    if not state.path.name.startswith(":"):  # a dry run that lacks a state has no lock
        progress = NotedProgress(progress, partial(note_progress, state.path))
    return progress


def _log_places(settings: Settings) -> None:
    """Log the places of a run, for a bug report."""
    if idle := settings.keys_without_effect:
        log.info('%s: without effect, as mirror.files is "link"', ", ".join(idle))
    if log.isEnabledFor(logging.DEBUG):
        simple, journal = map(redacted, settings.upstream.urls)
        mirror = settings.mirror
        log.debug("upstream %s, journal %s", simple, journal)
        log.debug("output %s, state %s", mirror.output, mirror.state)


def open_store(settings: Settings, held: RemoteState | None = None) -> Store:
    """Return the store of the output. Raises :class:`yanksync.core.errors.ConfigError`."""
    output = settings.mirror.output
    if isinstance(output, Path):
        return DiskStore(output)
    from yanksync.output.object_storage.bucket import (
        BucketClient,  # start-up: a mirror on disk needs no client
    )
    from yanksync.output.object_storage.store import ObjectStore

    source = str(settings.source or "the configuration")
    slash = {
        DirectoryObjectForm.HTML: layout.HTML.filename,
        DirectoryObjectForm.JSON: layout.V1_JSON.filename,
    }
    form = slash.get(settings.mirror.slash_keys)
    if held is not None:
        return ObjectStore(held.client(output), form, held.writes)
    return ObjectStore(BucketClient(output, settings.storage, source), form)


def open_package_store(
    settings: Settings, held: RemoteState | None = None, *, has_copies: bool = False
) -> PackageStore | None:
    """Return the store of package files; None: files are not copied.

    ``held`` is a state in object storage. ``has_copies``: files were copied before, and must leave.
    """
    if not (settings.copies_files or has_copies):
        return None
    output, withheld = settings.mirror.output, settings.withheld
    if isinstance(output, Path):
        from yanksync.output.disk.package_files import DiskPackages  # start-up: few copy files

        assert isinstance(withheld, Path)
        _refuse_served(withheld, output, str(settings.source or "the configuration"))
        return DiskPackages(output, withheld)
    assert not isinstance(withheld, Path)
    return _object_packages(settings, output, withheld, held)


def _refuse_served(withheld: Path, output: Path, source: str) -> None:
    """Raise :class:`ConfigError` if a link leads from ``withheld`` into the output."""
    if withheld.resolve().is_relative_to(output.resolve()):
        problem = f"{withheld} leads below mirror.output, where a web server would serve it"
        raise ConfigError("files.withheld", source, problem)


def _object_packages(
    settings: Settings, output: Bucket, withheld: Bucket | None, held: RemoteState | None
) -> PackageStore:
    from yanksync.output.disk.incoming import IncomingDirectory  # start-up: few copy files
    from yanksync.output.object_storage.bucket import BucketClient
    from yanksync.output.object_storage.package_objects import ObjectPackages

    state = settings.mirror.state if held is None else held.path
    assert isinstance(state, Path)
    incoming = IncomingDirectory(f"{state}.incoming")

    def client(place: Bucket) -> BucketClient:
        if held is not None:
            return held.client(place)
        return BucketClient(place, settings.storage, str(settings.source or "the configuration"))

    kept = None if withheld is None else client(withheld)
    return ObjectPackages(client(output), incoming, kept, None if held is None else held.writes)


def any_package_store(settings: Settings) -> PackageStore:
    """Return the store of package files, whatever ``mirror.files`` is."""
    section = replace(settings.mirror, files="copy")
    found = open_package_store(replace(settings, mirror=section))
    assert found is not None
    return found


def resolve_upstream_url(settings: Settings, state: State, *, remember: bool = True) -> Settings:
    """Return ``settings`` with a missing upstream address filled in.

    pip is asked in the first run, and its answer is kept. Asking costs more than an empty pass. A
    mirror must also keep its upstream when pip's configuration changes. ``PIP_INDEX_URL`` in the
    environment still counts. An address with credentials is not kept.
    """
    if settings.upstream.simple_url is not None:
        return settings
    known = state.facts.config.simple_url
    found = addressed(settings, known, str(state.path))
    url, _ = found.upstream.urls
    if remember and url != known and "@" not in url:
        state.facts.change(AppliedConfig, simple_url=url)
    return found


def addressed(settings: Settings, known: str | None, where: str) -> Settings:
    """Return ``settings`` with the configured, ``known`` or pip's address.

    ``where`` is named in the error if the known one cannot be used. Raises
    :class:`yanksync.core.errors.ConfigError`.
    """
    if settings.upstream.simple_url is not None:
        return settings
    if known is not None and "PIP_INDEX_URL" not in os.environ:
        return with_simple_url(settings, known, where)
    from yanksync.config.pip_index import default_simple_url

    return with_simple_url(settings, default_simple_url(os.environ), "pip")
