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


class Terminated(BaseException):
    """A signal came; cleanup happens on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_guarded(command: click.Command) -> int:
    """Run ``command`` with the arguments of the process; return the exit code."""
    try:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and "&" of shells set this
                signal.signal(number, _terminate)
        sys.unraisablehook = _keep_signal
        std_streams.make_safe()
        code = _run(command)
        _end_at_signals()
        return code
    except Terminated as end:
        _end_at_signals()  # such as a second Ctrl-C
        leave(128 + end.number)  # as shells expect after a signal


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _end_at_signals() -> None:
    """Let a signal end the process at once: no work is left."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _terminate:
            signal.signal(number, signal.SIG_DFL)


def _run(command: click.Command) -> int:
    try:
        result = command.main(prog_name="yanksync", standalone_mode=False)
        code = result if isinstance(result, int) else ExitCode.DONE
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        _show_usage(error)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):  # as at a question
        raise Terminated(signal.SIGINT) from None
    except BrokenPipeError:  # the reader (such as "| head") has ended
        std_streams.discard_output()
        return ExitCode.FAILED
    except YanksyncError as error:
        if isinstance(error, StdoutError):
            std_streams.discard_output()
        return _failed(error)
    except Exception as error:
        return _unforeseen(error)


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


def _terminate(number: int, frame: object) -> None:
    raise Terminated(number)


def _keep_signal(lost: sys.UnraisableHookArgs) -> None:
    """Let a signal come again if Python has dropped its exception.

    Python drops what is raised in a destructor or in the callback of a weak reference.
    """
    if not isinstance(lost.exc_value, Terminated):
        sys.__unraisablehook__(lost)
        return
    end = lost.exc_value.number
    signal.signal(signal.SIGALRM, lambda _, frame: _terminate(end, frame))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)


_AGAIN = 0.01  # seconds


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
