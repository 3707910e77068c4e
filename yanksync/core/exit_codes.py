"""The exit codes of the program."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of a command; also stored in state and metrics."""

    DONE = 0
    FAILED = 1  # or a check found something
    USAGE = 2  # the command line or the configuration is wrong
    PARTIAL = 3  # something is pending; the next run tries again
    HELD = 4  # a guard holds something back until a person decides
    LOCKED = 75  # another run holds the lock or the lease (EX_TEMPFAIL in sysexits.h)


MEANINGS = {
    0: "Done.",
    1: "Failed, or a check found something. The message says what; the next run tries again.",
    2: "The command line or the configuration is wrong. Nothing was done.",
    3: "Done in part. A project, a file or a hook is still waiting; the next run tries again.",
    4: "A guard holds a change until a person decides: ``yanksync holds``. The rest was done.",
    75: "Another run holds the lock or the lease. Nothing was done.",
    130: "Interrupted by Ctrl-C. The next run continues.",
    143: "Ended by SIGTERM. The next run continues.",
}
"""What each exit code means; a shell reports a signal as 128 and its number."""
