"""Makes one frozen :class:`~yanksync.config.settings.Settings` of flags, environment, file and
defaults.

A flag overrides a variable ``YANKSYNC_<SECTION>_<KEY>``, a variable overrides the file, and the
file overrides a default. Overridden values are checked, too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from yanksync.config.conflicts import conflicts
from yanksync.config.keys import KEYS, SECTIONS, find_key, names_of
from yanksync.config.override_tables import OVERRIDE, GivenOverride, read_overrides
from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import Settings, StorageSettings
from yanksync.core.errors import ConfigError
from yanksync.core.urls import redacted

__all__ = ["Settings", "examine", "load", "redacted", "with_simple_url"]

DEFAULT = "default"
"""The source of a default value."""

_PREFIX = "YANKSYNC_"
_FILE = "yanksync.toml"
_FLAGS = "the command line"
_BESIDE_FILE = ("mirror.output", "mirror.state")


class GivenValue(Struct, frozen=True):
    """The value of one key."""

    value: Any  # as the settings hold it
    raw: object  # as it was given
    where: str  # the file, the environment variable, the command line, or DEFAULT


class ExaminedConfig(Struct, frozen=True):
    """All facts about a configuration."""

    settings: Settings  # with defaults in place of wrong values
    given: Mapping[str, GivenValue]  # by key; other keys have their default
    errors: tuple[ConfigError, ...]
    overrides: tuple[GivenOverride, ...] = ()

    @property
    def named(self) -> bool:
        """True if a file, the environment or a flag configures a mirror."""
        keys = ("upstream.simple_url", "mirror.output")
        return self.settings.source is not None or any(
            one.where != DEFAULT and (one.where != _FLAGS or key in keys)
            for key, one in self.given.items()
        )


class _Entry(Struct, frozen=True):
    section: str
    name: str
    raw: Any
    where: str
    written: bool = False  # the value is still a text


_Entries = Iterable[_Entry | ConfigError]


def load(config: Path | None, environ: Mapping[str, str], **flags: object) -> Settings:
    """Return the settings of this run; the parameters are those of :func:`examine`.

    :raises ConfigError: for the first thing that is wrong; ``others`` has the rest

    ``upstream.simple_url`` is None if it is not configured: see :func:`with_simple_url`.
    """
    return valid(examine(config, environ, **flags))


def valid(examined: ExaminedConfig) -> Settings:
    """Return the settings.

    :raises ConfigError: for the first thing that is wrong; ``others`` has the rest
    """
    if examined.errors:
        first, *others = examined.errors
        raise ConfigError(first.key, first.where, first.problem, tuple(others))
    return examined.settings


def examine(config: Path | None, environ: Mapping[str, str], **flags: object) -> ExaminedConfig:
    """Return the settings, the source of each value, and all errors.

    :param config: the file that ``--config`` names; None: ``$YANKSYNC_CONFIG``, else an existing
        ``./yanksync.toml``, else no file
    :param environ: the environment
    :param flags: what the command line says, as ``section_key=value``. A value is a text as in the
        environment or a value as in the file. None: the flag was not used.
    """
    here, path = Path.cwd(), None
    tables: dict[str, Any] = {}
    errors: list[ConfigError] = []
    try:
        path, tables = _read(config, environ, here)
    except ConfigError as error:
        errors.append(error)
    beside = here if path is None else path.parent
    # A default path is relative to the file, so that the working directory of a cron job does not
    # matter.
    defaults = ((key, beside / KEYS[key].default) for key in _BESIDE_FILE)
    given = {key: GivenValue(place, str(place), DEFAULT) for key, place in defaults}
    for entries, base in (
        (_from_file(tables, str(path)), beside),
        (_from_environ(environ), here),
        (_from_flags(flags), here),
    ):
        _take(entries, base, given, errors)
    settings = _settings(given, path)
    overrides, wrong = read_overrides(tables.get(OVERRIDE, []), path, settings.mirror.overrides)
    settings = replace(settings, overrides=tuple(one.override for one in overrides))
    errors += _conflicts(settings, given, errors)
    errors += wrong
    return ExaminedConfig(settings, given, tuple(errors), overrides)


def with_simple_url(settings: Settings, url: str, where: str) -> Settings:
    """Return ``settings`` with ``url`` for the missing ``simple_url``.

    :param where: whom to name when the URL cannot be used, such as ``"pip"``
    :raises ConfigError: when it cannot
    """
    key = KEYS["upstream.simple_url"]
    try:
        upstream = replace(settings.upstream, simple_url=key.type.check(url))
    except ValueError as error:
        raise ConfigError(key.path, where, str(error)) from None
    settings = replace(settings, upstream=upstream)
    for conflict in conflicts(settings):
        raise ConfigError(conflict.key, where, conflict.problem)
    return settings


def _read(
    config: Path | None, environ: Mapping[str, str], here: Path
) -> tuple[Path | None, dict[str, Any]]:
    """Return the absolute path of the file, and its content."""
    named = config or environ.get(_PREFIX + "CONFIG") or None
    path = here / (named or _FILE)
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8").removeprefix("\ufeff"))
    except FileNotFoundError:
        if named is None:
            return None, {}
        problem = "there is no such file"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (byte {error.start})"
    except ValueError as error:  # tomllib says the line
        problem = f"is not TOML: {error}"
    raise ConfigError("", str(path), problem)


def _from_file(tables: Mapping[str, Any], where: str) -> _Entries:
    for section, table in tables.items():
        if section == OVERRIDE:
            continue  # a list of tables, which is read elsewhere
        if section not in SECTIONS:
            yield ConfigError(section, where, f"no such section; {_advice(section, SECTIONS)}")
        elif not isinstance(table, dict):
            yield ConfigError(section, where, f"must be a table: [{section}]")
        else:
            yield from (_Entry(section, name, raw, where) for name, raw in table.items())


def _from_environ(environ: Mapping[str, str]) -> _Entries:
    for variable, raw in environ.items():
        if not variable.startswith(_PREFIX):
            continue
        section, _, name = variable.removeprefix(_PREFIX).lower().partition("_")
        if section in SECTIONS and name:
            yield _Entry(section, name, raw, f"${variable}", written=True)
        elif section == OVERRIDE and not name:
            problem = "only a file can have [[override]]; name one with $YANKSYNC_MIRROR_OVERRIDES"
            yield ConfigError("", f"${variable}", problem)
        elif _is_slip(section, name):
            problem = f"names no section of the configuration; {_variable_advice(variable)}"
            yield ConfigError("", f"${variable}", problem)


def _from_flags(flags: Mapping[str, object]) -> _Entries:
    for flag, raw in flags.items():
        section, _, name = flag.partition("_")
        if raw is not None:
            yield _Entry(section, name, raw, _FLAGS, written=isinstance(raw, str))


def _is_slip(section: str, name: str) -> bool:
    """Return whether a variable is probably a misspelt one of yanksync.

    Kubernetes makes such variables for each service, and yanksync's tests have some, too.
    """
    if not name:
        return any(key.endswith(f".{section}") for key in KEYS)
    return section not in ("port", "test") and (section, name.partition("_")[0]) not in (
        ("service", "host"),
        ("service", "port"),
    )


def _variable_advice(variable: str) -> str:
    from difflib import get_close_matches  # start-up: only mistakes need it

    known = [key.variable.removeprefix(_PREFIX) for key in KEYS.values()]
    text = variable.removeprefix(_PREFIX).upper()
    near = [one for one in known if one.partition("_")[2] == text]
    near = near or get_close_matches(text, known, n=1, cutoff=0.7)
    return f"did you mean ${_PREFIX}{near[0]}?" if near else f"there are {', '.join(SECTIONS)}"


def _advice(name: str, known: Sequence[str]) -> str:
    """Say what ``name`` was probably meant to be."""
    from difflib import get_close_matches  # start-up: only mistakes need it

    for path in KEYS:
        if path.endswith(f".{name}"):
            return f"it belongs to [{path.partition('.')[0]}]"
    if nearest := get_close_matches(name, known, n=1, cutoff=0.5):
        return f"did you mean {nearest[0]}?"
    return f"there are {', '.join(known)}"


def _take(
    entries: _Entries, base: Path, given: dict[str, GivenValue], errors: list[ConfigError]
) -> None:
    """Let the values of one source override those of earlier sources."""
    source: dict[str, GivenValue] = {}
    named: dict[str, str] = {}  # the place of each given key, also with a wrong value
    for entry in entries:
        if isinstance(entry, ConfigError):
            errors.append(entry)
            continue
        path, key = f"{entry.section}.{entry.name}", find_key(entry.section, entry.name)
        try:
            if key is None:
                raise ValueError(f"no such key; {_advice(entry.name, names_of(entry.section))}")
            named[key.path] = entry.where
            raw = key.type.read(entry.raw) if entry.written else entry.raw
            value = _absolute(key.type.check(raw), base)
        except ValueError as error:
            errors.append(ConfigError(path, entry.where, str(error)))
        else:
            shown = raw.isoformat() if isinstance(raw, datetime) else raw
            source[key.path] = GivenValue(value, shown, entry.where)
    every, cron = named.get("schedule.every"), named.get("schedule.cron")
    if every and cron:
        problem = "excludes schedule.every; remove one of them"
        errors.append(ConfigError("schedule.cron", cron, problem))
    elif every or cron:  # this overrides the other key of an earlier source
        given.pop("schedule.cron" if every else "schedule.every", None)
    given.update(source)


def _absolute(value: Any, base: Path) -> Any:
    """Return paths as absolute ones, and any other value as it is."""
    if isinstance(value, tuple):
        return tuple(base / one if isinstance(one, Path) else one for one in value)
    return base / value if isinstance(value, Path) else value


def _settings(given: Mapping[str, GivenValue], path: Path | None) -> Settings:
    """Build the settings from the checked values."""
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for key, one in given.items():
        section, _, name = key.partition(".")
        sections[section][name] = one.value
    mirror, schedule, storage = sections["mirror"], sections["schedule"], sections.pop("storage")
    mirror["selection"] = ProjectFilter(mirror.pop("projects", ("*",)), mirror.pop("exclude", ()))
    if "cron" in schedule:
        schedule["every"] = None
    default = Settings(storage=StorageSettings(tuple(sorted(storage.items()))), source=path)
    made = {name: replace(getattr(default, name), **values) for name, values in sections.items()}
    return replace(default, **made)


def _meant(key: str) -> Iterator[str]:
    """Yield the keys that a wrong name may mean.

    Their values are not known.
    """
    from difflib import get_close_matches  # start-up: only mistakes need it

    section, _, name = key.partition(".")
    if key in KEYS or not section:
        yield key
    elif section not in SECTIONS:
        nearest = get_close_matches(section, SECTIONS, n=1, cutoff=0.5)
        yield from (path for path in KEYS if path.partition(".")[0] in nearest)
    else:
        nearest = get_close_matches(name, names_of(section), n=1, cutoff=0.5)
        yield from (f"{section}.{one}" for one in nearest)
        yield from (path for path in KEYS if path.endswith(f".{name}"))


def _conflicts(
    settings: Settings, given: Mapping[str, GivenValue], errors: Sequence[ConfigError]
) -> Iterator[ConfigError]:
    """Yield the conflicts between values that could be read."""
    if any(not error.key and not error.where.startswith("$") for error in errors):
        return  # the content of the file is unknown
    wrong = {key for error in errors for key in _meant(error.key)}
    for conflict in conflicts(settings):
        keys = (conflict.key, conflict.other)
        if wrong.isdisjoint(keys):
            sources = [given[key].where for key in keys if key in given]
            where = next((source for source in sources if source != DEFAULT), DEFAULT)
            yield ConfigError(conflict.key, where, conflict.problem)
