"""How the program ends: errors and signals → messages and exit codes, in this one place."""

from __future__ import annotations

import os
import signal
import sys
import time

import click

from yanksync.errors import ConfigError, LockHeld, YanksyncError

DONE, FAILED, USAGE, PARTIAL, HELD, LOCKED = 0, 1, 2, 3, 4, 75
PATIENCE = 3600.0
"""Seconds that 3 and 75 must have lasted before cron is told of them (interface.md, cron rule)."""


class Terminated(BaseException):
    """SIGTERM came; everything is put in order on the way out."""


def guarded(command: click.Command) -> int:
    """Run ``command`` with the arguments of the process; return the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        result = command.main(standalone_mode=False)
        code = result if isinstance(result, int) else DONE
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt, Terminated):
        _leave("interrupted; the next run goes on from here")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except YanksyncError as error:
        return _failed(error)
    except Exception as error:
        return _bug(error)
    return code


def code_of(error: YanksyncError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, ConfigError):
        return USAGE
    return LOCKED if isinstance(error, LockHeld) else FAILED


def _failed(error: YanksyncError) -> int:
    print(f"yanksync: {printable(str(error))}", file=sys.stderr)
    return code_of(error)


def lasted(since: float | None) -> bool:
    """Whether something has gone on for so long that cron has to be told."""
    return since is not None and time.time() - since > PATIENCE


def _bug(error: Exception) -> int:
    import logging

    logging.getLogger("yanksync").debug("the traceback", exc_info=error)
    print(
        f"yanksync: internal error: {type(error).__name__}: {printable(str(error))}\n"
        "This is a bug: please report it, with what 'yanksync -vv …' prints. Nothing is lost; what "
        "was recorded goes on in the next run.",
        file=sys.stderr,
    )
    return FAILED


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def _leave(message: str) -> None:
    """End at once: everything is closed, and no request under way is waited for."""
    print(f"yanksync: {message}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(FAILED)


def printable(text: str) -> str:
    """Return ``text`` fit for a terminal: what is not printable becomes an escape (R10)."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
