"""How the program ends: each error has its code, and a bug is told as one."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from yanksync.cli import error_handling
from yanksync.cli.logs import CliContext
from yanksync.core import errors
from yanksync.core.exit_codes import ExitCode


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave handlers and voice as they were."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)
    error_handling.output_format = error_handling.OutputFormat()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("mirror.output", "x.toml", "no"), 2),
        (errors.UpstreamUnreachable("https://upstream.example/", "no connection"), 1),
        (errors.UpstreamRefused("https://upstream.example/", 403, "Forbidden"), 1),
        (errors.InvalidAnswer("project demo", "no JSON"), 1),
        (errors.JournalUnavailable("https://upstream.example/", "gone"), 1),
        (errors.StateError("x.db", "damaged"), 1),
        (errors.PublishError("mirror", "No space left on device"), 1),
        (errors.RateLimited("https://upstream.example/", 60.0), 3),
        (errors.JournalReplaced(7, "another row"), 4),
        (errors.LockHeld("x.db.lock", "process 1"), 75),
    ],
)
def test_each_error_has_its_code(
    error: errors.YanksyncError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error_handling.run_guarded(failing(error)) == code
    assert capsys.readouterr() == ("", f"yanksync: {error}\n")


def failing(error: Exception) -> click.Command:
    def callback() -> None:
        raise error

    return click.Command("yanksync", callback=callback)


@pytest.fixture(autouse=True)
def no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments of pytest are not ours."""
    monkeypatch.setattr("sys.argv", ["yanksync"])


def test_a_bug_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_handling.run_guarded(failing(KeyError("x\x1b[31m"))) == 1
    told = capsys.readouterr().err
    assert told.startswith("yanksync: internal error: KeyError: ")
    assert "please report it" in told
    assert told.count("\n") == 1
    assert "\x1b" not in told


def test_a_bug_with_what_a_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    error_handling.output_format.traceback = True
    assert error_handling.run_guarded(failing(KeyError("x"))) == 1
    assert "raise error" in capsys.readouterr().err


def test_a_flood_of_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("yanksync")
    for code, told in (
        (ExitCode.PARTIAL, []),
        (ExitCode.FAILED, ["yanksync: error: the last word"]),
    ):
        with CliContext(config=None, verbose=0, quiet=False, form="text").buffered(
            cron=True
        ) as kept:
            for _ in range(10_001):
                logger.warning("demo: stale")
            logger.error("the last word")
            kept.end(code, report=False)
        assert capsys.readouterr().err.splitlines()[-1:] == told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)  # nohup, or "&" in a script
    error_handling.run_guarded(click.Command("yanksync", callback=lambda: None))
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain — 🙁", "plain — 🙁"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r\x00\x9b", r"a\nb\r\x00\x9b"),
        ("\u202e\ud800\U000e0001", r"\u202e\ud800\U000e0001"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert error_handling.printable(text) == shown


_DROPPED = """
import click, signal, time
from yanksync.cli.error_handling import run_guarded

class Destroyed:
    def __del__(self):
        signal.raise_signal({number})

class Referred:
    pass

def callback():
    if {weak}:
        import weakref
        one = Referred()
        weakref.finalize(one, signal.raise_signal, {number})
    else:
        one = Destroyed()
    del one
    print("dropped", flush=True)
    time.sleep(60)

run_guarded(click.Command("yanksync", callback=callback))
"""


_TWICE = """
import click, signal, sys
from yanksync.cli.error_handling import run_guarded

class Interrupted:
    def write(self, text):
        sys.__stderr__.write(text)
        sys.__stderr__.flush()
        signal.raise_signal({number})

    def __getattr__(self, name):
        return getattr(sys.__stderr__, name)

def callback():
    try:
        signal.raise_signal({number})
    finally:
        if {late}:
            sys.stderr = Interrupted()
        else:
            signal.raise_signal({number})

run_guarded(click.Command("yanksync", callback=callback))
"""
_HELD_UP = """
import click, os, signal, threading, time
from yanksync.cli.error_handling import run_guarded
from yanksync.core.errors import LockHeld

def swallowed():
    try:
        signal.raise_signal({number})
    except BaseException:
        pass

def lost():
    swallowed()
    time.sleep(60)

def lost_and_failed():
    swallowed()
    raise LockHeld("x.db.lock", "process 1")

def lost_and_partial():
    swallowed()
    return 3

def replaced():
    try:
        signal.raise_signal({number})
    finally:
        raise RuntimeError("release unlocked lock")

def replaced_and_handled():
    try:
        replaced()
    except RuntimeError:
        pass
    time.sleep(60)

def at_once():
    both = {{signal.SIGTERM, signal.SIGINT}}
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    for number in both:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)

def cleaned():
    try:
        signal.raise_signal({number})
    finally:
        for step in range(8):
            try:
                time.sleep(0.1)
                raise OSError
            except OSError:
                time.sleep(0.1)
        print("cleaned", flush=True)

def locked():
    lock = threading.Lock()
    lock.acquire()
    try:
        signal.raise_signal({number})
    finally:
        lock.acquire()

signal.pthread_sigmask(signal.SIG_BLOCK, {blocked})
run_guarded(click.Command("yanksync", callback={name}), cleanup=3.0)
"""
_FAILED = """
import click, signal, sys
from yanksync.cli.error_handling import run_guarded
from yanksync.core.errors import LockHeld

class Interrupted(LockHeld):
    def __str__(self):
        signal.raise_signal({number})
        return "never shown"

def callback():
    raise Interrupted("x.db.lock", "process 1")

run_guarded(click.Command("yanksync", callback=callback))
"""
_STARTING = """
import signal, sys
from yanksync.__main__ import main

class Finder:
    def find_spec(self, name, *args):
        if name == "yanksync.cli":
            signal.raise_signal({number})

sys.meta_path.insert(0, Finder())
main()
"""
_ENDING = """
import atexit, signal, sys
from yanksync.__main__ import main

atexit.register(signal.raise_signal, {number})
sys.argv = ["yanksync", "--version"]
main()
"""
_INTERRUPTED = "yanksync: interrupted; the next run goes on from here\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("weak", [False, True])
def test_a_signal_counts_where_python_drops_exceptions(number: int, *, weak: bool) -> None:
    done = interpreted(_DROPPED.format(number=int(number), weak=weak))
    assert (done.returncode, done.stdout) == (128 + number, "dropped\n")
    assert done.stderr == _INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("late", [False, True])
def test_a_second_signal_ends_it_without_a_traceback(number: int, *, late: bool) -> None:
    done = interpreted(_TWICE.format(number=int(number), late=late))
    # A shell shows both as 130 or 143.
    assert done.returncode == (-number if late else 128 + number)
    assert done.stderr.startswith("yanksync: interrupted") and "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("lost", ""),
        ("lost_and_failed", ""),
        ("lost_and_partial", ""),
        ("replaced", ""),
        ("replaced_and_handled", ""),
        ("cleaned", "cleaned\n"),
        ("locked", ""),
    ],
)
def test_a_signal_ends_it_whatever_becomes_of_the_exception(
    number: int, name: str, out: str
) -> None:
    done = interpreted(_HELD_UP.format(number=int(number), name=name, blocked=()))
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, out, _INTERRUPTED)


def test_two_signals_at_once_end_it_as_one_does() -> None:
    done = interpreted(_HELD_UP.format(number=15, name="at_once", blocked=()))
    assert done.returncode in (130, 143)
    assert (done.stdout, done.stderr) == ("", _INTERRUPTED)


def test_a_signal_is_raised_again_where_the_parent_blocked_the_alarm() -> None:
    done = interpreted(_HELD_UP.format(number=15, name="lost", blocked="{signal.SIGALRM}"))
    assert (done.returncode, done.stdout, done.stderr) == (143, "", _INTERRUPTED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_counts_while_an_error_is_shown(number: int) -> None:
    done = interpreted(_FAILED.format(number=int(number)))
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", _INTERRUPTED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_the_start_or_the_end_prints_no_traceback(number: int) -> None:
    done = interpreted(_STARTING.format(number=int(number)))
    assert (done.returncode, done.stdout, done.stderr) == (-number, "", "")
    done = interpreted(_ENDING.format(number=int(number)))
    assert (done.returncode, done.stderr) == (-number, "")
    assert done.stdout.startswith("yanksync, version")


def interpreted(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
