"""What a run came to, as the exit code of its process."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. The state and the metrics hold these numbers, too."""

    DONE = 0
    FAILED = 1  # or a check found something
    USAGE = 2  # the command line or the configuration is wrong
    PARTIAL = 3  # something is pending; the next run tries again
    HELD = 4  # a guard holds something back until a person decides
    LOCKED = 75  # another run holds the lock or the lease (EX_TEMPFAIL in sysexits.h)
