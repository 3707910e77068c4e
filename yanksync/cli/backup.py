"""The command ``backup``: a copy of the state."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.config.settings import Settings
from yanksync.core.errors import StateError
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.other_owner import refuse_other_owner
from yanksync.mirror.state_access import path_for_reading
from yanksync.state.sqlite.files import is_state
from yanksync.state.state import State
from yanksync.system import fsync


@click.command(short_help="Write a copy of the state database.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.pass_obj
def backup(context: CliContext, file: Path) -> ExitCode:
    """Write a consistent copy of the state to FILE.

    A run can be at work meanwhile. An earlier copy in FILE is replaced in one step. Any other file
    is not overwritten, and neither is FILE if the state is damaged. With - the copy goes to
    standard output.

    \b
    Examples:
      yanksync backup /var/backups/yanksync.db
      yanksync backup - | gzip > yanksync.db.gz
    """
    settings = context.needed_settings()
    if str(file) == "-":
        return _to_stdout(settings)
    _check_target(file, settings.mirror.state)
    if _is_beside(file, settings.mirror.state):
        refuse_other_owner(settings)
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()
        with path_for_reading(settings) as path, State(path, create=False) as state:
            # Only this user's file: in a directory that others may write, a link of theirs is not
            # followed.
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            state.backup(temporary)
        refused = fsync.sync_files([str(temporary)], str(file.parent))
        os.replace(temporary, file)
    except OSError as error:
        raise StateError(str(file), f"cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    if refused is not None:
        print_line(f"{file}: {fsync.unsynced(refused)}", "warning")
    return ExitCode.DONE


def _to_stdout(settings: Settings) -> ExitCode:
    if sys.stdout.isatty():
        raise click.UsageError("a database is no text for a terminal: name a file, or use a pipe")
    with tempfile.TemporaryDirectory(prefix="yanksync-") as directory:
        copy = Path(directory) / "copy"
        with path_for_reading(settings) as path, State(path, create=False) as state:
            state.backup(copy)
        with open(copy, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
    return ExitCode.DONE


def _is_beside(file: Path, state: object) -> bool:
    """Return whether ``file`` is in the directory of the state."""
    return isinstance(state, Path) and file.parent.resolve() == state.parent.resolve()


def _check_target(file: Path, state: object) -> None:
    """Refuse to replace a file that is no backup.

    That is a device, a link, the state or a file that belongs to it. Root could replace
    ``/dev/null``, and any user a file that SQLite has open.
    """
    if not file.name:
        raise click.BadParameter("it is empty: name the file to write", param_hint="'FILE'")
    if isinstance(state, Path):
        own = [Path(f"{state}{suffix}").resolve() for suffix in ("", "-wal", "-shm", ".lock")]
        if file.resolve() in own:
            raise click.BadParameter("that is the state database itself, or a part of it")
    try:
        mode = file.lstat().st_mode
    except OSError:  # it is missing, or writing it will report the error
        return
    if not stat.S_ISREG(mode):
        raise click.BadParameter(f"{file} is there and no regular file; name another")
    if file.stat().st_size and not is_state(file):
        problem = "is no copy that yanksync made; it was left as it is. Name another file"
        raise StateError(str(file), problem)
