"""Sets up the log on standard error, for people and cron."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click
from msgspec import Struct

from yanksync import __version__
from yanksync.cli.error_handling import (
    Color,
    LogFormat,
    as_json,
    colored,
    output_format,
    printable,
)
from yanksync.config.load import DEFAULT, ExaminedConfig, Settings, examine, valid
from yanksync.core.errors import ConfigError
from yanksync.core.exit_codes import ExitCode
from yanksync.system.ownership import owner_kept_out

_UNCONFIGURED = (
    "there is no yanksync.toml here, and no variable YANKSYNC_… is set, so nothing was done. Run "
    "'yanksync init' to write one, or name yours with --config"
)
_KEPT = 10_000  # warnings that are buffered; failures are always kept


class CliContext(Struct, frozen=True):
    """What the command line says about configuration and log."""

    config: Path | None
    verbose: int
    quiet: bool
    form: LogFormat
    log_file: Path | None = None
    color: Color = "auto"

    @property
    def colored(self) -> bool:
        """Whether lines on standard error have colours."""
        if self.color == "auto":
            plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
            return not plain and sys.stderr.isatty()
        return self.color == "always"

    def settings(self, **flags: object) -> Settings:
        """Read the configuration; ``flags`` are those of :func:`yanksync.config.load`.

        Raises :class:`yanksync.core.errors.ConfigError`.
        """
        return valid(self._examined(flags))

    def examined(self, **flags: object) -> ExaminedConfig:
        """Read the configuration of a command that needs one.

        Raises :class:`yanksync.core.errors.ConfigError` if no configuration names the mirror.
        """
        found = self._examined(flags)
        if not found.named and not found.errors:
            raise ConfigError("", str(Path.cwd()), _UNCONFIGURED)
        return found

    def needed_settings(self, **flags: object) -> Settings:
        """Read the settings of a command that needs a configuration.

        Raises :class:`yanksync.core.errors.ConfigError`.
        """
        return valid(self.examined(**flags))

    def _examined(self, flags: Mapping[str, object]) -> ExaminedConfig:
        """Read the configuration, and log it for a bug report."""
        found = examine(self.config, os.environ, **flags)
        if self.verbose > 1:
            _log_config(found)
        return found

    @contextmanager
    def direct(self) -> Iterator[None]:
        """Print log records inside at once, unless a log is active."""
        logger, handler, file = logging.getLogger("yanksync"), self._handler(), self._file()
        handler.addFilter(lambda record: {*logger.handlers} <= {handler, file})
        logger.setLevel(self._level())
        logger.propagate = False
        if output_format.file is not None:
            output_format.file.close()
        output_format.file = file  # open until the end, because the last line is the result
        logger.addHandler(handler)
        if file is not None:
            logger.addHandler(file)
        logging.lastResort, last = self._handler(), logging.lastResort  # for records of libraries
        logging.lastResort.setLevel(max(self._level(), logging.WARNING))
        try:
            yield
        finally:
            logging.lastResort = last
            logger.removeHandler(handler)
            if file is not None:
                logger.removeHandler(file)

    @contextmanager
    def buffered(self, *, cron: bool = False) -> Iterator[BufferedLog]:
        """Log inside. With ``cron`` records are buffered.

        They are printed at once on a terminal and with -v.
        """
        handler = self._handler()
        at_once = not cron or bool(self.verbose) or sys.stderr.isatty()
        kept = BufferingHandler(handler)
        logger = logging.getLogger("yanksync")
        logger.setLevel(self._level())
        logger.propagate = False
        used: logging.Handler = handler if at_once else kept
        count = FailureCounter()
        logger.addHandler(used)
        logger.addHandler(count)
        try:
            yield BufferedLog(kept, count)
        except BaseException:
            kept.flush()
            raise
        finally:
            logger.removeHandler(used)
            logger.removeHandler(count)
            kept.close()

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Log inside like a service: line by line, with changes."""
        handler = self._handler()
        logger = logging.getLogger("yanksync")
        logger.setLevel(
            logging.ERROR if self.quiet else logging.DEBUG if self.verbose > 1 else logging.INFO
        )
        logger.propagate = False
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    def _handler(self) -> logging.Handler:
        handler = _Stderr(sys.stderr)
        handler.setFormatter(JsonFormatter() if self.form == "json" else TextFormatter())
        return handler

    def _file(self) -> logging.Handler | None:
        if self.log_file is None:
            return None
        if not os.path.exists(self.log_file) and owner_kept_out(self.log_file) is not None:
            from yanksync.mirror.other_owner import refuse_other_owner  # start-up: only for root

            # The owner of the mirror could not append to a file of root, so root must not make it
            # there.
            refuse_other_owner(examine(self.config, os.environ).settings)
        try:
            handler = logging.FileHandler(self.log_file, "a", "utf-8", errors="backslashreplace")
        except OSError as error:
            why = f"{self.log_file}: {error.strerror}; name a file that this user may write"
            raise click.BadParameter(why, param_hint="--log-file") from error
        handler.setFormatter(JsonFormatter() if self.form == "json" else FileFormatter())
        return handler

    def _level(self) -> int:
        if self.quiet:
            return logging.ERROR
        return (logging.WARNING, logging.INFO, logging.DEBUG)[min(self.verbose, 2)]


def _log_config(found: ExaminedConfig) -> None:
    import platform  # start-up: only a bug report needs it

    from yanksync.cli.display.config_values import config_place, config_values

    log = logging.getLogger("yanksync")
    python = platform.python_version()
    log.debug("yanksync %s, Python %s, %s", __version__, python, platform.platform())
    log.debug("configuration: %s", config_place(found))
    for value in config_values(found):
        if value.value is not None and value.source != DEFAULT:
            log.debug("%s", value.line)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to standard error, and clears the progress line before."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``record``."""
        if output_format.clear is not None:
            output_format.clear()
        super().emit(record)


class BufferingHandler(logging.Handler):
    """Buffers records until the end of the run.

    If there are very many warnings, it keeps the first ones.

    Whether they are shown depends on how the run ends.
    """

    def __init__(self, target: logging.Handler) -> None:
        """``target`` prints the records."""
        super().__init__()
        self._target = target
        self._kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep ``record``."""
        if len(self._kept) < _KEPT or record.levelno >= logging.ERROR:
            self._kept.append(record)

    def flush(self) -> None:
        """Print the buffered records."""
        kept, self._kept = self._kept, []
        for record in kept:
            self._target.handle(record)

    def forget(self) -> None:
        """Drop the buffered records."""
        self._kept.clear()


class FailureCounter(logging.Handler):
    """Counts failures."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.failures = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count ``record``."""
        self.failures += 1


class BufferedLog(Struct, frozen=True):
    """The buffered records, and facts about all records."""

    handler: BufferingHandler
    count: FailureCounter

    @property
    def failed(self) -> bool:
        """Whether a failure was logged, shown already or not."""
        return self.count.failures > 0

    def end(self, code: ExitCode, *, report: bool) -> None:
        """Print the buffered records if the run needs attention.

        It needs none if it succeeded, or if it has been delayed for less than an hour (exit 3 and
        75).
        """
        if code == ExitCode.DONE or (code == ExitCode.PARTIAL and not report):
            self.handler.forget()
        self.handler.flush()


class TextFormatter(logging.Formatter):
    """One line for each record, with control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        level = record.levelname.lower()
        text = f"yanksync: {colored(f'{level}:', level)} {printable(record.getMessage())}"
        return (
            text if record.exc_info is None else f"{text}\n{self.formatException(record.exc_info)}"
        )


class FileFormatter(logging.Formatter):
    """One line for each record, with its time in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        text = f"{when} {record.levelname.lower()}: {printable(record.getMessage())}"
        return (
            text if record.exc_info is None else f"{text}\n{self.formatException(record.exc_info)}"
        )


class JsonFormatter(logging.Formatter):
    """One JSON object on a line for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        more: dict[str, str] = {}
        project = getattr(record, "project", None)
        if project is not None:
            more["project"] = project
        if record.exc_info is not None:
            more["traceback"] = self.formatException(record.exc_info)
        return as_json(record.created, record.levelname.lower(), record.getMessage(), **more)
