"""Reports each pass: a file for Prometheus, and a ping.

A failure here never makes a pass fail. A pass that finds the lock taken reports nothing. The run
that has the lock reports.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from yanksync.config.settings import HealthSettings
from yanksync.core.errors import DeliveryError, LockHeld, WrongUser, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import Mirror, log
from yanksync.service import metrics
from yanksync.system.http_post import PostThread, post

_PATIENCE = 3600.0  # seconds for which "done in part" counts as success: the cron rule
_SECONDS = 10.0  # that one ping may take
_BODY = 10_000  # bytes of a ping


class _FinalPing(Struct, frozen=True):
    """The content of the last ping."""

    exit_code: ExitCode
    succeeded: bool
    body: str


class PassReporter:
    """Reports one pass."""

    def __init__(self, health: HealthSettings) -> None:
        self._health = health
        self._started = time.time()
        self._start: PostThread | None = None
        self._end: _FinalPing | None = None

    def started(self) -> None:
        """Ping that the pass begins, without waiting for the answer."""
        if self._health.ping is not None:
            self._start = PostThread(_below(self._health.ping, "/start"), b"", {}, _SECONDS)
            self._start.start()

    def finished(self, mirror: Mirror, code: ExitCode, summary: str) -> None:
        """Write how the pass ended, while its state is open."""
        problem = mirror.totals.problem
        body = summary if problem is None else f"{summary}\n{problem}"
        self._end = _FinalPing(code, code == ExitCode.DONE, body)
        families: tuple[metrics.Metric, ...] = ()
        run = self._run(code)
        try:
            if code == ExitCode.PARTIAL and self._health.ping is not None:
                since = mirror.state.runs.partial_since()
                well = since is None or time.time() - since <= _PATIENCE
                self._end = _FinalPing(code, well, body)
            if self._health.metrics is not None:
                metrics.update_counters(mirror.state, mirror.totals, code)
                families = metrics.state_metrics(mirror.state, run.ended)
        except YanksyncError as error:
            log.warning("the pass is not counted in the metrics: %s", error)
        self._write(run, families)

    def failed(self, error: BaseException) -> None:
        """Write that no pass could be made or finished.

        A state in object storage may be refused after a pass that has :meth:`finished` well. A run
        that was killed, or found the lock taken, reports nothing.
        """
        ended, self._end = self._end, None
        if isinstance(error, WrongUser):  # the owner could not replace the file of metrics, either
            return
        if isinstance(error, LockHeld):
            if ended is not None:  # the lease was lost: the written result is wrong
                self._write(self._run(ExitCode.LOCKED), ())
        elif isinstance(error, Exception):
            if ended is not None and ended.exit_code == ExitCode.FAILED:
                self._end = ended  # ``finished`` has set it
                return
            self._end = _FinalPing(ExitCode.FAILED, False, str(error))
            self._write(self._run(ExitCode.FAILED), ())

    def ping_end(self) -> None:
        """Ping how the pass ended.

        At that time the lock is released, because a receiver can be slow.
        """
        if self._health.ping is None or self._end is None:
            return
        if self._start is not None:
            self._start.join(_SECONDS)  # otherwise the two might arrive in the wrong order
        url = self._health.ping if self._end.succeeded else _below(self._health.ping, "/fail")
        try:
            post(url, self._end.body.encode(errors="replace")[:_BODY], {}, _SECONDS)
        except DeliveryError as error:
            log.warning("health.ping: %s; the next pass pings again", error)

    def _run(self, code: ExitCode) -> metrics.PassTiming:
        return metrics.PassTiming(exit_code=code, started=self._started, ended=time.time())

    def _write(self, run: metrics.PassTiming, families: tuple[metrics.Metric, ...]) -> None:
        path = self._health.metrics
        if path is None:
            return
        try:
            metrics.write_metrics_file(
                path, metrics.format_metrics((*metrics.pass_metrics(run), *families))
            )
        except OSError as error:
            log.error("health.metrics: %s: %s", path, error.strerror or error)


def _below(url: str, suffix: str) -> str:
    """Return the ping address of a start or a failure."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + suffix))
