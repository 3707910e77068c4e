"""Ends the program.

Errors and signals become messages and exit codes only here.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal, NoReturn

import click
from msgspec import Struct

from yanksync.cli.display import std_streams
from yanksync.core.errors import (
    ConfigError,
    InputFileError,
    JournalReplaced,
    LockHeld,
    RateLimited,
    StdoutError,
    WrongUser,
    YanksyncError,
)
from yanksync.core.exit_codes import ExitCode
from yanksync.system.signals import CLEANUP, SignalHandler, Terminated

LogFormat = Literal["text", "json"]
Color = Literal["auto", "always", "never"]

CRON_PATIENCE = 3600.0
"""Seconds that 3 and 75 must have lasted before cron hears of them."""


class OutputFormat(Struct):
    """How this process prints failures, as the command line says."""

    form: LogFormat = "text"
    traceback: bool = False  # only for bugs
    color: bool = False
    file: logging.Handler | None = None  # a second place for the lines
    clear: Callable[[], None] | None = None  # removes the progress line


output_format = OutputFormat()


def run_guarded(command: click.Command, cleanup: float = CLEANUP) -> int:
    """Run ``command`` with the arguments of the process; return the exit code.

    After a signal the process ends; see :class:`.SignalHandler` for ``cleanup``.
    """
    signals = SignalHandler(cleanup)
    try:
        signals.install()
        std_streams.make_safe()
        code = _run(command, signals)
        if code:
            signals.check()  # it may have made something fail
        signals.uninstall()
        return code
    except Terminated as end:
        signals.is_over = True  # first: the next call of a function may handle a second signal
        signals.uninstall()
        leave(128 + end.number)  # as shells expect after a signal


def _run(command: click.Command, signals: SignalHandler) -> int:
    try:
        result = command.main(prog_name="yanksync", standalone_mode=False)
        code = result if isinstance(result, int) else ExitCode.DONE
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        raise Terminated(signal.SIGINT) from None
    except Exception as error:
        signals.check()  # the error may have replaced its exception
        return _shown(error)


def _shown(error: Exception) -> int:
    """Show why a command ended; return the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):  # Ctrl-C at a question
        raise Terminated(signal.SIGINT) from None
    if isinstance(error, click.ClickException):
        _show_usage(error)
        return ExitCode.USAGE
    if isinstance(error, BrokenPipeError | StdoutError):
        std_streams.discard_output()
    if isinstance(error, BrokenPipeError):  # the reader (such as "| head") has ended
        return ExitCode.FAILED
    return _failed(error) if isinstance(error, YanksyncError) else _unforeseen(error)


def exit_code_of(error: YanksyncError) -> ExitCode:
    """Return the exit code of an error."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED


_CODES: dict[type[YanksyncError], ExitCode] = {
    ConfigError: ExitCode.USAGE,
    InputFileError: ExitCode.USAGE,
    WrongUser: ExitCode.USAGE,
    LockHeld: ExitCode.LOCKED,
    JournalReplaced: ExitCode.HELD,
    RateLimited: ExitCode.PARTIAL,
}


def _failed(error: YanksyncError) -> ExitCode:
    for one in error.all if isinstance(error, ConfigError) else (error,):
        print_line(str(one))
    return exit_code_of(error)


def _show_usage(error: click.ClickException) -> None:
    """Show a mistake of the command line, in text with the usage."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        with suppress(OSError):
            error.show()
        return
    if output_format.form == "json":
        print_line(error.format_message())
        return
    _append_to_file(error.format_message(), "error")
    text = io.StringIO()
    error.show(text)
    with suppress(OSError):  # standard error is closed; the exit code remains
        shown = text.getvalue().replace(_ERROR, colored(_ERROR, "error"), 1)
        print(shown, end="", file=sys.stderr, flush=True)


_ERROR = "Error:"  # how click begins a message


def print_line(message: str, level: str = "error") -> None:
    """Write one line to standard error and the log file.

    It has the same form as the log.
    """
    _append_to_file(message, level)
    if output_format.form == "json":
        line = as_json(time.time(), level, message)
    else:
        line = f"{colored('yanksync:', level)} {printable(message)}"
    with suppress(OSError):  # a full disk, for instance; the exit code remains
        if output_format.clear is not None:
            output_format.clear()
        print(line, file=sys.stderr, flush=True)


def _append_to_file(message: str, level: str) -> None:
    """Write one line to the log file, if there is one."""
    if output_format.file is not None:
        number = logging.getLevelNamesMapping()[level.upper()]
        output_format.file.handle(logging.LogRecord("yanksync", number, "", 0, message, None, None))


def colored(text: str, level: str) -> str:
    """Return ``text`` in the colour of a level, if colours are on."""
    code = _COLORS.get(level) if output_format.color else None
    return text if code is None else f"\x1b[{code}m{text}\x1b[0m"


_COLORS = {"error": "31", "critical": "31", "warning": "33", "ok": "32"}


def as_json(moment: float, level: str, message: str, **more: str) -> str:
    """Return one line of a log in JSON."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    return json.dumps({"time": when, "level": level, "message": message, **more})


def older_than_an_hour(since: float | None) -> bool:
    """Return True if something has lasted for more than an hour.

    Only then a run under cron prints a message.
    """
    return since is not None and time.time() - since > CRON_PATIENCE


def _unforeseen(error: Exception) -> ExitCode:
    if os.strerror(errno.EMFILE) in str(error):  # loading a module can raise it, too
        print_line(f"{error}; allow this process more open files (ulimit -n)")
        return ExitCode.FAILED
    if output_format.traceback:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            print_line(line, "debug")
    print_line(bug_report_text(error))
    return ExitCode.FAILED


def bug_report_text(error: Exception) -> str:
    """Return the message for an unexpected error."""
    return (
        f"internal error: {type(error).__name__}: {error}. This is a bug: please report it, with "
        "what 'yanksync -vv …' prints. Nothing is lost; what was recorded goes on in the next run."
    )


def leave(code: int) -> NoReturn:
    """End at once, without waiting for requests.

    All other resources are closed already.
    """
    print_line("interrupted; the next run goes on from here")
    os._exit(code)


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Return "did you mean …?" for ``text``, or an empty text."""
    from difflib import get_close_matches  # start-up: only after a typing mistake

    close = get_close_matches(text, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def printable(text: str) -> str:
    """Escape characters of ``text`` that are not printable (R10)."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
