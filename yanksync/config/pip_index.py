"""Asks pip for its index, the default of ``[upstream] simple_url``.

Its files, its environment and its own default then have the same effect as for ``pip install``.
This starts one or two processes, so it is done only if no upstream is configured.
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

# pip's own order (its cli/parser.py): of [global], [install] and :env:, the later one overrides.
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

    It may have credentials, and may not be http, so the caller must check it like any other.

    :raises ConfigError: when there is no pip that answers
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

    The pip of this Python comes first, then those on the path.
    """
    if sys.executable:
        yield (sys.executable, "-m", "pip")
    for name in ("pip", "pip3"):
        if found := shutil.which(name, path=environ.get("PATH")):
            yield (found,)


def _ask(pip: Sequence[str], environ: Mapping[str, str], run: Runner) -> str:
    """Return the answer of one pip; "": it gives none."""
    # Verbose, because pip prints no settings if its configuration says quiet.
    listed = run([*pip, "-vvvv", "config", "list"], environ)
    if listed is None:
        return ""
    settings = dict(_SETTING.findall(listed))
    for key in _KEYS:
        if key in settings and (url := _unquoted(settings[key])):
            return url
    # Wide, because help would otherwise break the URL into two lines. Help shows a configured URL,
    # too, but without its credentials.
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
