"""Runs one command and writes what it took, as JSON: launch.py OUT PIDFILE COMMAND...

A small process of its own, because Linux counts into a child's peak memory what its parent held
when it was forked. Start it with ``python -I -S``. ``-`` as PIDFILE: none is written.
"""

import json
import os
import sys
import time


def main() -> int:
    out, pidfile, *command = sys.argv[1:]
    begun = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    if pidfile != "-":
        with open(pidfile, "w") as file:
            file.write(str(pid))
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - begun
    code = os.waitstatus_to_exitcode(status)
    result = {
        "wall": wall,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak_kib": usage.ru_maxrss,
        "code": code,
    }
    with open(out, "w") as file:
        json.dump(result, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
