"""How the program ends: errors and signals → messages and exit codes, in this one place."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Literal, NoReturn

import click
from msgspec import Struct

from yanksync.cli import std_streams
from yanksync.core.errors import (
    ConfigError,
    JournalReplaced,
    LockHeld,
    Throttled,
    Unwritten,
    YanksyncError,
)
from yanksync.core.exit_codes import ExitCode

LogFormat = Literal["text", "json"]

PATIENCE = 3600.0
"""Seconds that 3 and 75 must have lasted before cron is told of them (interface.md, cron rule)."""


class Voice(Struct):
    """How this process tells of failures, as the command line says."""

    form: LogFormat = "text"
    traceback: bool = False  # of what is a bug, and of nothing else


voice = Voice()


class Terminated(BaseException):
    """SIGTERM or SIGINT came; everything is put in order on the way out."""


def guarded(command: click.Command) -> int:
    """Run ``command`` with the arguments of the process; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and shells' "&" leave it
            signal.signal(number, _terminate)
    std_streams.prepare()
    try:
        result = command.main(prog_name="yanksync", standalone_mode=False)
        code = result if isinstance(result, int) else ExitCode.DONE
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        with suppress(OSError):  # where nobody can be told, the code is told
            error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt, Terminated):
        _leave("interrupted; the next run goes on from here")
    except BrokenPipeError:  # the reader (a "| head") has gone, and has what it wanted
        std_streams.give_up()
        return ExitCode.FAILED
    except YanksyncError as error:
        if isinstance(error, Unwritten):
            std_streams.give_up()
        return _failed(error)
    except Exception as error:
        return _unforeseen(error)


def code_of(error: YanksyncError) -> ExitCode:
    """Return the exit code of an error."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED


_CODES: dict[type[YanksyncError], ExitCode] = {
    ConfigError: ExitCode.USAGE,
    LockHeld: ExitCode.LOCKED,
    JournalReplaced: ExitCode.HELD,
    Throttled: ExitCode.PARTIAL,
}


def _failed(error: YanksyncError) -> ExitCode:
    for one in error.all if isinstance(error, ConfigError) else (error,):
        tell(str(one))
    return code_of(error)


def tell(message: str, level: str = "error") -> None:
    """Write one line to standard error, in the form of the log."""
    if voice.form == "json":
        line = as_json(time.time(), level, message)
    else:
        line = f"yanksync: {printable(message)}"
    with suppress(OSError):  # a full disk behind it, say: the code tells enough
        print(line, file=sys.stderr, flush=True)


def as_json(moment: float, level: str, message: str, **more: str) -> str:
    """Return one line of a log in JSON."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    return json.dumps({"time": when, "level": level, "message": message, **more})


def lasted(since: float | None) -> bool:
    """Whether something has gone on for so long that cron has to be told."""
    return since is not None and time.time() - since > PATIENCE


def _unforeseen(error: Exception) -> ExitCode:
    if os.strerror(errno.EMFILE) in str(error):  # even modules, loaded late, may end with it
        tell(f"{error}; allow this process more open files (ulimit -n)")
        return ExitCode.FAILED
    if voice.traceback:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            tell(line, "debug")
    tell(bug(error))
    return ExitCode.FAILED


def bug(error: Exception) -> str:
    """Return what to say of an error that nobody foresaw."""
    return (
        f"internal error: {type(error).__name__}: {error}. This is a bug: please report it, with "
        "what 'yanksync -vv …' prints. Nothing is lost; what was recorded goes on in the next run."
    )


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def _leave(message: str) -> NoReturn:
    """End at once: everything is closed, and no request under way is waited for."""
    tell(message)
    os._exit(ExitCode.FAILED)


def printable(text: str) -> str:
    """Return ``text`` fit for a terminal: what is not printable becomes an escape (R10)."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
