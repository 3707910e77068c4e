"""The server: ``python -m tests.support.fork_server.server`` with a socket and a program.

Each message on the socket is a request for a process, and brings its streams.
"""

from __future__ import annotations

import atexit
import encodings
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import termios
import threading
from contextlib import suppress
from functools import cache

import coverage

import yanksync
from yanksync.__main__ import main
from yanksync.sync.withdrawals.web_page import asset_files

_LARGEST = 1 << 20  # bytes of a request: arguments and environment
# What modules of yanksync import where they use it.
_LATE = (
    *("concurrent.futures.thread", "ctypes", "difflib", "email.utils", "ipaddress", "platform"),
    *("secrets", "traceback", "xml.parsers.expat"),
    *("brotli", "certifi", "isal.isal_zlib", "lxml.etree", "obstore.store", "packaging.pylock"),
    *("requests", "sqlite_utils.migrations", "urllib3.connection", "zstandard"),
)
_OF_PIP = (
    *("_internal.cli.autocompletion", "_internal.cli.main_parser", "_internal.commands.index"),
    *("_internal.commands.install", "_internal.commands.list", "_internal.metadata.importlib"),
    *("_internal.resolution.resolvelib.resolver", "_vendor.distro", "_vendor.truststore"),
)


def _serve(control: socket.socket) -> tuple[bytes, list[int]]:
    """Fork a process for each request. Returns in the new process, with its request."""
    running: set[socket.socket] = set()
    with selectors.DefaultSelector() as ready:
        ready.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.data:
                    pid, ended = key.data
                    _, status = os.waitpid(pid, 0)
                    with suppress(OSError):  # the test did not wait for it
                        ended.send(b"%d" % os.waitstatus_to_exitcode(status))
                    ready.unregister(key.fd)
                    os.close(key.fd)
                    ended.close()
                    running.discard(ended)
                    continue
                message, pipes, _, _ = socket.recv_fds(control, _LARGEST, 4)
                if not message:
                    sys.exit()
                _measurement(message)
                pid = os.fork()
                if pid == 0:
                    # Their numbers are soon those of other files, which no destructor may close.
                    for one in (control, *running):
                        one.detach()
                    return message, pipes
                ended = socket.socket(fileno=pipes.pop())
                ended.send(b"%d" % pid)
                running.add(ended)
                for pipe in pipes:
                    os.close(pipe)
                ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, ended))


def _measurement(message: bytes) -> coverage.Coverage | None:
    """Return what measures the coverage of a process, where the request is for one that is."""
    environ: dict[str, str] = json.loads(message)[2]
    variables = ((name, text) for name, text in environ.items() if name.startswith("COVERAGE_"))
    return _prepared(*variables) if "COVERAGE_PROCESS_START" in environ else None


@cache
def _prepared(*variables: tuple[str, str]) -> coverage.Coverage:
    """Prepare a measurement, which takes each process longer than its command."""
    os.environ.update(variables)
    made = coverage.Coverage(config_file=os.environ["COVERAGE_PROCESS_START"])
    made.start()
    made.stop()
    return made


def _become(message: bytes, pipes: list[int]) -> None:
    """Make this process what a new interpreter is that was started for the request."""
    args, where, environ, options = json.loads(message)
    for number in range(3):
        os.dup2(pipes[number], number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if options["session"]:
        os.setsid()
        if os.isatty(0):  # which then sends signals, as to a shell's foreground job
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if (umask := options["umask"]) is not None:
        os.umask(umask)
    if (user := options["user"]) is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    os.chdir(where)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[0] = where
    sys.argv = [options["program"], *args]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    if measurement := _measurement(message):
        measurement.start()


def _prepare_pip() -> None:
    for module in _OF_PIP:
        importlib.import_module(f"pip.{module}")
    gc.collect()
    gc.freeze()


def _prepare() -> None:
    """Read what yanksync may read of Python and of itself: another user may not read it."""
    codecs = pkgutil.iter_modules(encodings.__path__, "encodings.")
    for module in (*codecs, *pkgutil.walk_packages(yanksync.__path__, "yanksync.")):
        if not module.name.endswith(("__main__", "mbcs", "oem")):
            importlib.import_module(module.name)
    for name in _LATE:
        with suppress(ImportError):  # the lowest packaging has no pylock
            importlib.import_module(name)
    for asset in asset_files():
        assert asset.body
    gc.collect()
    gc.freeze()


def _run() -> None:
    """Run yanksync, and leave its memory to the system."""
    try:
        main()
    except SystemExit as ended:
        # To free each object takes ten times as long as a command.
        with suppress(OSError):  # it then ends as an interpreter does
            if isinstance(ended.code, int):
                threading._shutdown()  # type: ignore[attr-defined]
                atexit._run_exitfuncs()
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(ended.code)
        raise


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests end it
    _, number, program = sys.argv
    if program == "pip":
        _prepare_pip()
        _become(*_serve(socket.socket(fileno=int(number))))
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    else:
        _prepare()
        _become(*_serve(socket.socket(fileno=int(number))))
        _run()
