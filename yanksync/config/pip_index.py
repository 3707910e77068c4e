"""Which index this machine's pip installs from: the default of ``[upstream] simple_url``.

pip itself is asked, so that its files, its environment and its own default count as they do for
``pip install``. Asking starts a process or two, so it is done only if no upstream is configured.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from yanksync.core.errors import ConfigError

Runner = Callable[[Sequence[str], Mapping[str, str]], str | None]
"""Run a command in an environment: what it printed, or None when it could not or failed."""

# pip's own order (its cli/parser.py): what comes later in [global], [install], :env: overrides.
_KEYS = (":env:.index-url", "install.index-url", "global.index-url")
_SETTING = re.compile(r"^(\S+?)=(['\"].*)$", re.MULTILINE)
_BUILT_IN = re.compile(r"--index-url <url>.*?\(default:? (\S+)\)", re.DOTALL)
_PATIENCE = 60.0  # seconds; a cold start on a slow disk takes some


def run_command(command: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Run ``command`` as :data:`Runner` says; its stderr is ignored."""
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def default_simple_url(environ: Mapping[str, str], run: Runner = run_command) -> str:
    """Return the URL of pip's index, with a trailing slash.

    It may hold credentials, and need not be http: the caller checks it like any other.

    :raises ConfigError: when there is no pip, or none that answers
    """
    url = environ.get("PIP_INDEX_URL", "").strip()
    for pip in _pips(environ):
        url = url or _ask(pip, environ, run)
    if not url:
        problem = "no pip says which index it installs from; name [upstream] simple_url"
        raise ConfigError("upstream.simple_url", "pip", problem)
    return url.rstrip("/") + "/"


def _pips(environ: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield the commands that may be pip.

    That of this Python first, then those on the path.
    """
    if sys.executable:
        yield (sys.executable, "-m", "pip")
    for name in ("pip", "pip3"):
        if found := shutil.which(name, path=environ.get("PATH")):
            yield (found,)


def _ask(pip: Sequence[str], environ: Mapping[str, str], run: Runner) -> str:
    """Return what one pip says, "" when it says nothing."""
    # Verbose, because pip prints no setting at all where its configuration says quiet.
    listed = run([*pip, "-vvvv", "config", "list"], environ)
    if listed is None:
        return ""
    settings = dict(_SETTING.findall(listed))
    for key in _KEYS:
        if key in settings and (url := _unquoted(settings[key])):
            return url
    # Wide, or help is wrapped in the middle of the URL. Help would show a configured URL too, but
    # without its credentials.
    text = run([*pip, "install", "--help"], {**environ, "COLUMNS": "1000"})
    match = _BUILT_IN.search(text or "")
    return match[1] if match else ""


def _unquoted(literal: str) -> str:
    """Return the text that pip printed as a Python literal.

    Pip itself ignores empty ones.
    """
    try:
        return str(ast.literal_eval(literal)).strip()
    except (SyntaxError, ValueError):
        return ""
