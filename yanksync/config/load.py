"""One frozen :class:`~yanksync.config.settings.Settings` from flags, environment, file and
defaults.

A flag goes before a variable ``YANKSYNC_<SECTION>_<KEY>``, this before the file, and this before a
default. A key that is unknown, a value of a wrong type and an impossible one raise
:class:`~yanksync.core.errors.ConfigError`, which names the key and where it is given. Values that
another one overrides are checked, too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from yanksync.config.keys import KEYS, Impossible, Key, simple_url, storage_value
from yanksync.config.project_filter import Selection
from yanksync.config.settings import (
    Health,
    Hooks,
    JournalSource,
    Mirror,
    Schedule,
    Settings,
    SlashKeys,
    Storage,
    Upstream,
)
from yanksync.core.errors import ConfigError
from yanksync.core.rules.removal_guard import Guard
from yanksync.core.urls import is_loopback, redacted

__all__ = ["Settings", "load", "redacted", "with_simple_url"]

_PREFIX = "YANKSYNC_"
_FILE = "yanksync.toml"
_FLAGS = "the command line"


class _Given(Struct, frozen=True):
    """One value that somebody gave, checked."""

    value: Any
    where: str


_Source = dict[tuple[str, str], _Given]


def load(config: Path | None, environ: Mapping[str, str], **flags: object) -> Settings:
    """Return the settings of this run.

    :param config: the file that ``--config`` names; None: ``$YANKSYNC_CONFIG``, else
        ``./yanksync.toml`` where there is one, else no file
    :param environ: the environment
    :param flags: what the command line says, as ``section_key=value``; a value is a text as in
        the environment or a value as in the file, None where the flag was not used
    :raises ConfigError: for anything that cannot be meant

    ``upstream.simple_url`` is None where nobody names it: see :func:`with_simple_url`.
    """
    here = Path.cwd()
    path, tables = _read(config, environ, here)
    beside = here if path is None else path.parent
    merged: _Source = {}
    for source in (
        _from_file(tables, str(path), beside),
        _from_environ(environ, here),
        _from_flags(flags, here),
    ):
        _exclusive(source, merged)
        merged.update(source)
    # A default path is named by nobody; beside the file, a cron job's directory does not matter.
    for key, default in (("output", Path("mirror")), ("state", Path("yanksync.db"))):
        merged.setdefault(("mirror", key), _Given(beside / default, str(path)))
    return _settings(merged, path)


def with_simple_url(settings: Settings, url: str, where: str) -> Settings:
    """Return ``settings`` with ``url`` for the ``simple_url`` that nobody gave.

    :param where: whom to name when the URL cannot be used, such as ``"pip"``
    :raises ConfigError: when it cannot
    """
    try:
        given = _Given(simple_url(url), where)
    except Impossible as error:
        raise ConfigError("upstream.simple_url", where, str(error)) from None
    upstream = replace(settings.upstream, simple_url=given.value)
    return replace(settings, upstream=_located(upstream, {("upstream", "simple_url"): given}))


def _read(
    config: Path | None, environ: Mapping[str, str], here: Path
) -> tuple[Path | None, Mapping[str, object]]:
    """Return the absolute path of the file in use, None where there is none, and its content."""
    named = config or environ.get(_PREFIX + "CONFIG") or None
    path = here / (named or _FILE)
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if named is None:
            return None, {}
        raise ConfigError("", str(path), "there is no such file") from None
    except OSError as error:
        raise ConfigError("", str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError("", str(path), f"is not UTF-8 (byte {error.start})") from None
    except ValueError as error:  # tomllib says the line
        raise ConfigError("", str(path), f"is not TOML: {error}") from None


def _from_file(tables: Mapping[str, object], where: str, base: Path) -> _Source:
    source: _Source = {}
    for section, table in tables.items():
        if section not in KEYS:
            raise ConfigError(section, where, f"no such section; {_advice(section, KEYS)}")
        if not isinstance(table, dict):
            raise ConfigError(section, where, f"must be a table: [{section}]")
        for name, value in table.items():
            source |= _checked(section, name, value, where, base)
    return source


def _from_environ(environ: Mapping[str, str], base: Path) -> _Source:
    source: _Source = {}
    for variable, text in environ.items():
        if not variable.startswith(_PREFIX):
            continue
        section, _, name = variable.removeprefix(_PREFIX).lower().partition("_")
        if section in KEYS and name:
            source |= _checked(section, name, text, f"${variable}", base, written=True)
        elif _is_slip(section, name):
            _refuse_variable(variable)
    return source


def _is_slip(section: str, name: str) -> bool:
    """Return whether a variable that starts like ours can only be meant as one of ours.

    Kubernetes makes some for each service, and yanksync's own tests have theirs.
    """
    if not name:
        return any(section in keys for keys in KEYS.values())
    return section not in ("port", "test") and (section, name.partition("_")[0]) not in (
        ("service", "host"),
        ("service", "port"),
    )


def _refuse_variable(variable: str) -> NoReturn:
    from difflib import get_close_matches  # start-up: only mistakes need it

    known = {f"{section}_{name}": name for section, keys in KEYS.items() for name in keys}
    text = variable.removeprefix(_PREFIX).lower()
    near = [whole for whole, name in known.items() if name == text]
    near = near or get_close_matches(text, known, n=1, cutoff=0.7)
    advice = (
        f"did you mean ${_PREFIX}{near[0].upper()}?" if near else f"there are {', '.join(KEYS)}"
    )
    raise ConfigError("", f"${variable}", f"names no section of the configuration; {advice}")


def _from_flags(flags: Mapping[str, object], base: Path) -> _Source:
    source: _Source = {}
    for flag, value in flags.items():
        section, _, name = flag.partition("_")
        if value is not None:
            written = isinstance(value, str)
            source |= _checked(section, name, value, _FLAGS, base, written=written)
    return source


def _checked(
    section: str, name: str, value: Any, where: str, base: Path, *, written: bool = False
) -> _Source:
    """Check one value; ``written`` says that it is a text that stands for the value."""
    if section == "storage":
        name, key = name.lower(), Key(storage_value)
    elif name in KEYS[section]:
        key = KEYS[section][name]
    else:
        problem = f"no such key; {_advice(name, KEYS[section])}"
        raise ConfigError(f"{section}.{name}", where, problem)
    try:
        result = key.check(key.read(value) if written else value)
    except Impossible as error:
        raise ConfigError(f"{section}.{name}", where, str(error)) from None
    if isinstance(result, Path):
        result = base / result
    return {(section, name): _Given(result, where)}


def _advice(name: str, known: Iterable[str]) -> str:
    """Say what ``name`` was probably meant to be."""
    from difflib import get_close_matches  # start-up: only mistakes need it

    homes = [f"[{section}]" for section, keys in KEYS.items() if name in keys]
    if homes:
        return f"it belongs to {homes[0]}"
    if nearest := get_close_matches(name, known, n=1, cutoff=0.5):
        return f"did you mean {nearest[0]}?"
    return f"there are {', '.join(known)}"


def _exclusive(source: _Source, merged: _Source) -> None:
    """Refuse ``every`` beside ``cron`` in one source; in another, the one of higher order wins."""
    every, cron = ("schedule", "every"), ("schedule", "cron")
    if every in source and cron in source:
        where = source[cron].where
        raise ConfigError("schedule.cron", where, "cannot stand beside schedule.every")
    if every in source:
        merged.pop(cron, None)  # the other way round, _settings lets cron win


def _settings(given: _Source, path: Path | None) -> Settings:
    """Put the checked values together and check them against each other."""
    upstream = _located(Upstream(**dict(_section(given, "upstream"))), given)
    schedule = dict(_section(given, "schedule"))
    if "cron" in schedule:
        schedule["every"] = None
    settings = Settings(
        upstream=upstream,
        mirror=_mirror(given, upstream),
        guard=Guard(**dict(_section(given, "guard"))),
        schedule=Schedule(**schedule),
        hooks=_hooks(given),
        health=_health(given),
        storage=Storage(tuple(sorted(_section(given, "storage")))),
        source=path,
    )
    state, output = settings.mirror.state, settings.mirror.output
    if state == output:
        where = given["mirror", "state"].where
        raise ConfigError("mirror.state", where, "is the same path as mirror.output")
    if isinstance(state, Path) and isinstance(output, Path) and output / "simple" in state.parents:
        where = given["mirror", "state"].where
        raise ConfigError("mirror.state", where, "is among the pages of mirror.output")
    _check_slash_keys(settings, given)
    _check_manifest(settings, given)
    _check_remote(settings, given)
    return settings


def _check_manifest(settings: Settings, given: _Source) -> None:
    output, manifest = settings.mirror.output, settings.hooks.manifest
    if manifest is None or not isinstance(output, Path):
        return
    if output / "simple" in (manifest, *manifest.parents):
        where = given["hooks", "manifest"].where
        raise ConfigError("hooks.manifest", where, "is below simple/ of mirror.output")


def _check_remote(settings: Settings, given: _Source) -> None:
    """Refuse a state in object storage where a run's lease would not keep others out."""
    state, output = settings.mirror.state, settings.mirror.output
    if isinstance(state, Path):
        return
    where = given["mirror", "state"].where
    if isinstance(output, Path) or output.scheme != state.scheme:
        problem = f"may only be in {state.scheme}:// when mirror.output is there, too"
        raise ConfigError("mirror.state", where, problem)
    if f"{state}/".startswith(f"{output}/simple/"):
        raise ConfigError("mirror.state", where, "is among the pages of mirror.output")


def _check_slash_keys(settings: Settings, given: _Source) -> None:
    mirror = settings.mirror
    if mirror.slash_keys is SlashKeys.NONE:
        return
    where = given["mirror", "slash_keys"].where
    if isinstance(mirror.output, Path) or mirror.output.scheme != "s3":
        raise ConfigError("mirror.slash_keys", where, "goes with an output of s3:// only")
    if any("virtual_hosted_style_request" in key for key, _ in settings.storage.options):
        problem = "cannot stand beside storage.virtual_hosted_style_request"
        raise ConfigError("mirror.slash_keys", where, problem)


def _mirror(given: _Source, upstream: Upstream) -> Mirror:
    values = dict(_section(given, "mirror"))
    selection = Selection(values.pop("projects", ("*",)), values.pop("exclude", ()))
    if selection.explicit == () or selection.exclude == ("*",):
        where = given["mirror", "exclude"].where
        raise ConfigError("mirror.exclude", where, "leaves none of mirror.projects")
    if upstream.journal == JournalSource.NONE and selection.explicit is None:
        where = given["upstream", "journal"].where
        problem = '"none" needs names without wildcards in mirror.projects'
        raise ConfigError("upstream.journal", where, problem)
    return Mirror(selection=selection, **values)


def _hooks(given: _Source) -> Hooks:
    hooks = Hooks(**dict(_section(given, "hooks")))
    if hooks.webhook_header is not None and hooks.webhook is None:
        where = given["hooks", "webhook_header"].where
        raise ConfigError("hooks.webhook_header", where, "needs hooks.webhook")
    _refuse_plain(given, "hooks", "webhook", allowed=hooks.allow_http)
    return hooks


def _health(given: _Source) -> Health:
    health = Health(**dict(_section(given, "health")))
    _refuse_plain(given, "health", "ping", allowed=health.allow_http)
    return health


def _located(upstream: Upstream, given: _Source) -> Upstream:
    """Return ``upstream`` with its default ``journal_url``; refuse plain http (design.md, R10)."""
    for name in ("simple_url", "journal_url"):
        _refuse_plain(given, "upstream", name, allowed=upstream.allow_http)
    if upstream.simple_url is not None and upstream.journal_url is None:
        return replace(upstream, journal_url=urljoin(upstream.simple_url, "../pypi"))
    return upstream


def _refuse_plain(given: _Source, section: str, name: str, *, allowed: bool) -> None:
    """Refuse an address of plain http, unless it is on this machine or has leave."""
    entry = given.get((section, name))
    url = urlsplit("" if entry is None else entry.value)
    if entry is None or url.scheme != "http" or allowed or is_loopback(url.hostname or ""):
        return
    problem = f"plain http needs {section}.allow_http"
    raise ConfigError(f"{section}.{name}", entry.where, problem)


def _section(given: _Source, section: str) -> Iterator[tuple[str, Any]]:
    return ((name, entry.value) for (where, name), entry in given.items() if where == section)
