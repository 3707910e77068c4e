"""Decides which rules of ``[files]`` a pass applies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from yanksync.config.files_settings import FilesSettings
from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import Settings
from yanksync.core.errors import ConfigError, InputFileError
from yanksync.core.package_files.selection import FileChoice, FileRules, ProjectAction
from yanksync.core.pins import Pin
from yanksync.core.rules.fetch_plan import DAY
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import Facts

_KEY = "files.lock_files"


def with_choice(mirror: Mirror) -> Mirror:
    """Return ``mirror`` with the configured rules of ``[files]``.

    Pages that changed rules may concern become unpublished. Raises :class:`ConfigError` when a lock
    file cannot be read.
    """
    before = recorded_choice(mirror.state.facts) or FileChoice(FileRules())
    configured, pinned = FileRules(), LockFiles()
    if mirror.settings.copies_files:
        pinned = lock_files(mirror.settings, mirror.run)
        configured = replace(_without_pins(mirror.settings.files), pins=pinned.pins)
    rules = _with_earlier_pins(mirror, configured, before.rules)
    if rules != before.rules:
        _record(mirror, before.rules, rules)
        _log_unpinned(pinned.unpinned)
    if rules == FileRules():
        return mirror
    choice = FileChoice(rules, _uploaded_after(mirror, rules))
    return _with_rules(mirror, choice, configured.pins)


def _with_earlier_pins(mirror: Mirror, rules: FileRules, before: FileRules) -> FileRules:
    """Return ``rules`` with pins that lock files have dropped.

    A guard may hold the removal of such projects, which then still offer the same files.
    """
    if rules.pins is None or before.pins is None:
        return rules
    gone = mirror.state.projects.get(before.pins.keys() - rules.pins.keys())
    return replace(rules, pins=rules.pins | {name: before.pins[name] for name in gone})


def _record(mirror: Mirror, before: FileRules, rules: FileRules) -> None:
    """Note the rules, and queue the pages that they concern."""
    facts, default = mirror.state.facts, rules == FileRules()
    with mirror.state.transaction():
        facts.put(files_rules=None if default else msgspec.json.encode(rules).decode())
        if default:
            mirror.state.package_files.forget_unchosen()
        if not _only_forgets(before, rules):
            log.info("the rules of [files] have changed; every page is checked against them")
            mirror.state.publish_queue.add_all(mirror.now())
            facts.put(files_uploaded_after=None)


def _only_forgets(before: FileRules, after: FileRules) -> bool:
    """Return True if only pins of projects that are gone are missing."""
    if before.pins is None or after.pins is None or replace(after, pins=before.pins) != before:
        return False
    return after.pins.items() <= before.pins.items()


def with_recorded_choice(mirror: Mirror) -> Mirror:
    """Return ``mirror`` with the rules that the newest pass recorded."""
    choice = recorded_choice(mirror.state.facts)
    configured = _without_pins(mirror.settings.files)
    if (replace(choice.rules, pins=None) if choice else FileRules()) != configured:
        log.warning(
            "the rules of [files] have changed in the configuration since the last pass; pages are "
            "compared with the rules of that pass, and the next one applies yours"
        )
    return mirror if choice is None else _with_rules(mirror, choice, choice.rules.pins)


def recorded_choice(facts: Facts) -> FileChoice | None:
    """Return the rules that the newest pass recorded; None: it had none."""
    text = facts.text("files_rules")
    if text is None:
        return None
    rules = msgspec.json.decode(text, type=FileRules)
    return FileChoice(rules, facts.moment("files_uploaded_after"))


def _with_rules(mirror: Mirror, choice: FileChoice, pinned: Iterable[str] | None) -> Mirror:
    """Return ``mirror`` with these rules.

    With lock files it mirrors only ``pinned`` projects.
    """
    if pinned is None:
        return replace(mirror, choice=choice)
    names = tuple(filter(mirror.settings.is_mirrored, pinned))
    section = replace(mirror.settings.mirror, selection=ProjectFilter(names))
    return replace(mirror, choice=choice, settings=replace(mirror.settings, mirror=section))


def _log_unpinned(unpinned: Mapping[Path, int]) -> None:
    for path, count in unpinned.items():
        log.warning(
            "%s: %d requirements name no exact version of an index, and nothing is mirrored for "
            "them; pin them, as 'uv pip compile' does",
            path,
            count,
        )


class LockFiles(Struct, frozen=True):
    """What the configured lock files pin."""

    pins: dict[str, tuple[Pin, ...]] | None = None  # by project; None: there are no lock files
    unpinned: dict[Path, int] = {}  # by file: requirements that pin nothing


def lock_files(settings: Settings, run: int) -> LockFiles:
    """Return what the lock files pin. Raises :class:`ConfigError`."""
    paths = settings.files.lock_files
    if not paths:
        return LockFiles()
    found = _read_once(paths, run, tuple(map(_stamp, paths)))
    if not any(map(settings.is_mirrored, found.pins or ())):
        problem = "pin no project that mirror.projects selects; nothing is changed"
        raise ConfigError(_KEY, ", ".join(map(str, paths)), problem)
    return found


def lock_file_errors(settings: Settings) -> list[ConfigError]:
    """Return what is wrong with the configured lock files."""
    errors = []
    for path in settings.files.lock_files:
        try:
            _read((path,))
        except ConfigError as error:
            errors.append(error)
    if not errors:
        try:
            lock_files(settings, 0)
        except ConfigError as error:
            errors.append(error)
    return errors


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):  # reading the file reports the error
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1)
def _read_once(
    paths: tuple[Path, ...], run: int, stamps: tuple[tuple[int, int] | None, ...]
) -> LockFiles:
    """Return what the lock files pin, read once in a run.

    A long run asks many times. ``stamps`` are the times and sizes of the files, so that a file is
    read again after a change.
    """
    return _read(paths)


def _without_pins(files: FilesSettings) -> FileRules:
    return FileRules(
        projects=tuple((pattern, ProjectAction(action)) for pattern, action in files.projects),
        newest=files.newest,
        newest_by=files.newest_by,
        newest_per=files.newest_per,
        prereleases=files.prereleases,
        prerelease_projects=files.prerelease_projects,
        platforms=files.platforms,
        pythons=files.pythons,
        sdists=files.sdists,
        max_size=files.max_size,
        max_age=files.max_age,
    )


def _read(paths: tuple[Path, ...]) -> LockFiles:
    """Return the pins of all lock files, by project."""
    from yanksync.core.formats.lock_files.read import reader_of  # start-up: few have lock files
    from yanksync.system.pin_files import read_pin_files

    pins: dict[str, set[Pin]] = defaultdict(set)
    unpinned: dict[Path, int] = {}
    for path in paths:
        try:
            found = read_pin_files([str(path)], ())
        except InputFileError as error:
            raise ConfigError(_KEY, error.where, error.problem) from error
        if found.skipped and reader_of(path.name) is None:  # lock files skip local projects
            unpinned[path] = found.skipped
        for one in found.pins:
            pins[one.project].add(
                Pin(
                    project=one.project,
                    version=one.version,
                    operator=one.operator,
                    files=one.files,
                )
            )
    by_name = {
        name: tuple(sorted(pins[name], key=lambda pin: msgspec.json.encode(pin)))
        for name in sorted(pins)
    }
    return LockFiles(by_name, unpinned)


def _uploaded_after(mirror: Mirror, rules: FileRules) -> float | None:
    """Return the moment before which files are too old.

    It moves once a day.
    """
    if not rules.max_age:
        return None
    state, now = mirror.state, mirror.now()
    known, due = state.facts.moment("files_uploaded_after"), now - rules.max_age
    if known is not None and 0 <= due - known < DAY:
        return known
    with state.transaction():
        names = state.package_files.uploaded_before(max(due, known or due))
        for row in state.projects.get(names).values():
            state.publish_queue.add_page(row.id, now)
        state.facts.put(files_uploaded_after=due)
    return due
