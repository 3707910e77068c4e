"""Makes passes on a schedule, in the foreground, until a signal.

The main thread waits for signals and tells the service manager that it is alive. The scheduler
starts the passes, one at a time, in another thread.
"""

from __future__ import annotations

import logging
import random
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, tzinfo

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from tzlocal import get_localzone

from yanksync.config.crontab import parse
from yanksync.config.settings import ScheduleSettings, Settings
from yanksync.core.errors import ConfigError
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import log
from yanksync.system.systemd_notify import SystemdNotifier

_JOB = "pass"
_JITTER = 0.1  # part of the interval, at most _MOST_JITTER: so mirrors do not all ask at once
_MOST_JITTER = 30.0
_LONGEST = 3600.0  # longest time between failed passes, in seconds
_STUCK = 30  # times the timeout: longer than the slowest answer may take
_LOOK = 0.2  # seconds between looks whether the last pass has ended
_FAILED = (ExitCode.FAILED, ExitCode.USAGE)

_STOP = (signal.SIGTERM, signal.SIGINT)
_RELOAD = getattr(signal, "SIGHUP", None)


class CurrentPass:
    """The current pass, shared by both threads.

    It knows whether to end, and when the pass last made progress.

    The pass also gets it as its progress.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._moved = time.monotonic()

    def stopping(self) -> bool:
        """Return True if the pass must end soon.

        It ends at the next safe point. A call is a sign of life.
        """
        self._moved = time.monotonic()
        return self._stop.is_set()

    def expect(self, what: str, total: int, done: int = 0, *, size: int = 0) -> None:
        """Note a sign of life."""
        self._moved = time.monotonic()

    def advance(self, steps: int, failed: int = 0, *, size: int = 0) -> None:
        """Note a sign of life."""
        self._moved = time.monotonic()

    def say(self, text: str) -> None:
        """Note a sign of life."""
        self._moved = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Mark a pass as under way."""
        self._moved = time.monotonic()
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()

    def stop(self) -> None:
        """Ask the pass to end."""
        self._moved = time.monotonic()
        self._stop.set()

    @property
    def is_idle(self) -> bool:
        """Whether no pass is under way."""
        return self._idle.is_set()

    def seconds_without_progress(self) -> float:
        """Return the seconds since the last sign of life."""
        return 0.0 if self.is_idle else time.monotonic() - self._moved


MakePass = Callable[[Settings, CurrentPass], int | None]


class Service:
    """Passes on a schedule.

    :param make_pass: makes one pass and returns its exit code, or None if no pass can be made here.
        It never raises.
    :param load: reads the configuration again. Raises :class:`yanksync.core.errors.ConfigError`.
    """

    def __init__(
        self,
        settings: Settings,
        make_pass: MakePass,
        load: Callable[[], Settings],
        environ: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._make_pass = make_pass
        self._load = load
        self._notifier = SystemdNotifier(environ)
        self._turn = CurrentPass()
        self._failures = 0  # in an unbroken row
        self._outbox: socket.socket  # bytes that are sent to it arrive like a signal
        logging.getLogger("apscheduler").addHandler(logging.NullHandler())
        logging.getLogger("apscheduler").propagate = False
        self._scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)})

    def run(self) -> bool:
        """Work until a signal comes, or no pass can be made.

        Returns whether everything in hand was finished.

        False: a second signal came, or upstream keeps a pass from ending. Then the caller must end
        the process without waiting for threads. Everything that was recorded stays.
        """
        with _signals() as (inbox, self._outbox):
            self._scheduler.start()
            self._scheduler.add_job(
                self._work,
                trigger(self._settings.schedule),
                id=_JOB,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,  # after a sleep the machine makes the pass when it wakes
                next_run_time=datetime.now(UTC),
            )
            self._notifier.notify(READY=1)
            log.info("started: %s", _schedule_text(self._settings.schedule))
            while not self._stops(self._wait_for_signals(inbox, None)):
                pass
            self._notifier.notify(STOPPING=1)
            log.info("stopping: what is in hand is finished first")
            self._turn.stop()
            self._scheduler.shutdown(wait=False)
            while not self._turn.is_idle:
                if (
                    self._stops(self._wait_for_signals(inbox, _LOOK))
                    or self._turn.seconds_without_progress() > self._stop_limit()
                ):
                    return False
            log.info("stopped")
            return True

    def _work(self) -> None:
        """Make one pass, in the scheduler's thread.

        After a failure the next pass comes later.
        """
        with self._turn.running():
            if self._turn.stopping():
                return
            code = self._make_pass(self._settings, self._turn)
            if code is None:
                self._turn.stop()
                self._outbox.send(bytes([signal.SIGTERM]))  # the main thread waits for it
                return
            self._failures = self._failures + 1 if code in _FAILED else 0
            if self._failures and not self._turn.stopping():
                when = next_retry(self._settings.schedule, self._failures)
                self._scheduler.modify_job(_JOB, next_run_time=when)
                seconds = (when - datetime.now(UTC)).total_seconds()
                log.info("%d failed in a row: the next in %.0f s", self._failures, seconds)

    def _wait_for_signals(self, inbox: socket.socket, seconds: float | None) -> frozenset[int]:
        """Wait up to ``seconds`` for signals, and serve the watchdog."""
        watchdog = self._notifier.watchdog
        if watchdog is not None:
            seconds = min(watchdog / 2, seconds or watchdog)
        ready, _, _ = select.select([inbox], [], [], seconds)
        heard = frozenset(inbox.recv(4096)) if ready else frozenset[int]()
        if watchdog is not None and self._turn.seconds_without_progress() < self._watchdog_limit():
            self._notifier.notify(WATCHDOG=1)
        if _RELOAD in heard:
            self._reload()
        return heard

    def _stops(self, heard: frozenset[int]) -> bool:
        return not heard.isdisjoint(_STOP)

    def _reload(self) -> None:
        moment = time.monotonic_ns() // 1000
        self._notifier.notify(RELOADING=1, MONOTONIC_USEC=moment)
        try:
            settings = self._load()
        except ConfigError as error:
            problems = "; ".join(map(str, error.all))
            log.error("the configuration was not taken over: %s", problems)
        else:
            changed = settings.schedule != self._settings.schedule
            self._settings = settings
            if changed and not self._turn.stopping():
                self._scheduler.reschedule_job(_JOB, trigger=trigger(settings.schedule))
            log.info("configuration read again: %s", _schedule_text(settings.schedule))
        self._notifier.notify(READY=1)

    def _stop_limit(self) -> float:
        """Return the seconds without progress before a stop kills."""
        return 2 * self._settings.upstream.timeout

    def _watchdog_limit(self) -> float:
        """Return how long a pass may hang before the watchdog acts."""
        return _STUCK * self._settings.upstream.timeout


class CronTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires as cron(8) does, each time up to ``jitter`` seconds late.

    APScheduler's own trigger, with jitter, makes pass after pass in the hour that comes twice in
    autumn.
    """

    def __init__(self, expression: str, jitter: float, zone: tzinfo | None = None) -> None:
        self._expression = expression
        self._jitter = jitter
        self._zone = zone or get_localzone()

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Return the first moment after both, in UTC.

        Adding seconds to UTC is safe.
        """
        after = now if previous is None else max(previous, now)
        moment = next(parse(self._expression, after.astimezone(self._zone))).astimezone(UTC)
        return moment + timedelta(seconds=random.uniform(0, self._jitter))


def trigger(schedule: ScheduleSettings, jitter: float = _MOST_JITTER) -> BaseTrigger:
    """Return when passes are made, each up to ``jitter`` seconds late."""
    if schedule.cron is None:
        every = schedule.every or 0.0
        return IntervalTrigger(seconds=every, jitter=min(every * _JITTER, jitter))
    return CronTrigger(schedule.cron, jitter)


def next_retry(schedule: ScheduleSettings, failures: int) -> datetime:
    """Return when to try again after so many failures.

    Twice the interval, then doubling up to an hour.
    """
    now = datetime.now(UTC)
    of = trigger(schedule, 0)
    first = of.get_next_fire_time(None, now)
    second = of.get_next_fire_time(first, first)
    interval = (second - first).total_seconds()
    delay = min(interval * 2.0 ** min(failures, 20), max(_LONGEST, interval))
    return now + timedelta(seconds=delay)


def _schedule_text(schedule: ScheduleSettings) -> str:
    if schedule.cron is not None:
        return f"a pass at once, then by {schedule.cron!r}"
    return f"a pass at once, then every {schedule.every:g} s"


@contextmanager
def _signals() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Catch signals inside.

    Each signal arrives as a byte on the first socket, whatever thread it interrupts. A byte that is
    sent to the second socket arrives there, too. A signal that is ignored, as with nohup, stays
    ignored.
    """
    inbox, outbox = socket.socketpair()
    outbox.setblocking(False)
    before = {}
    for number in (*_STOP, *([] if _RELOAD is None else [_RELOAD])):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, _noted)
    wakeup = signal.set_wakeup_fd(outbox.fileno())
    try:
        yield inbox, outbox
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            with suppress(TypeError):  # a handler that C code installed cannot be restored
                signal.signal(number, handler)
        inbox.close()
        outbox.close()


def _noted(number: int, frame: object) -> None:
    """Do nothing: the number is on the socket already."""
