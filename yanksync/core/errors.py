"""The errors of yanksync, in branches that callers handle.

Every class keeps its facts as attributes and makes its text in ``__str__``. The command line maps
branches to exit codes in one place (:mod:`yanksync.cli.error_handling`).
"""

from __future__ import annotations

from typing import ClassVar, Self


class YanksyncError(Exception):
    """An error with a cause outside the program; shown without a traceback."""

    cause: ClassVar[str] = "other"  #: one word, by which failures are counted


class _LocatedError(YanksyncError):
    """One thing is wrong: a file, an address or a page."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where  #: "/srv/mirror", "https://upstream.example/", "project demo"
        self.problem = problem  #: without credentials, like ``where``
        super().__init__(where, problem)

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


class ConfigError(YanksyncError):
    """A setting is unknown, of a wrong type or impossible."""

    cause = "configuration"

    def __init__(
        self, key: str, where: str, problem: str, others: tuple[ConfigError, ...] = ()
    ) -> None:
        self.key = key  #: ``section.key``, "" where the file as a whole is meant
        self.where = where  #: the file, the environment variable or the flag
        self.problem = problem
        self.all = (self, *others)  #: every error of a configuration
        super().__init__(key, where, problem)

    def __str__(self) -> str:
        subject = f"{self.where}: {self.key}" if self.key else self.where
        return f"{subject}: {self.problem}"


class InputFileError(_LocatedError):
    """A file for a report is missing or not valid."""

    cause = "input"


class WrongUser(YanksyncError):
    """Root would write into the mirror of another user."""

    def __init__(self, path: str, owner: str, advice: str) -> None:
        self.path = path
        self.owner = owner  #: the owner of the mirror
        self.advice = advice
        super().__init__(path, owner, advice)

    def __str__(self) -> str:
        return (
            f"{self.path} belongs to {self.owner}, who could not replace what root writes, so "
            f"nothing was done. {self.advice}"
        )


class UpstreamError(YanksyncError):
    """Something about upstream; nothing was changed because of it."""

    cause = "upstream"

    def without_traceback(self) -> Self:
        """Return this error without its frames, which hold whole answers."""
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class UpstreamUnreachable(_LocatedError, UpstreamError):
    """Upstream gave no usable answer.

    The connection was refused, reset, cut off or too slow, or the status is 500 or more.
    """

    cause = "unreachable"


class UpstreamRefused(UpstreamError):
    """Upstream answered with an error other than 404 and 5xx."""

    cause = "refused"

    def __init__(self, url: str, status: int, problem: str) -> None:
        self.url = url
        self.status = status  #: the HTTP status, or the XML-RPC fault code
        self.problem = problem
        super().__init__(url, status, problem)

    def __str__(self) -> str:
        return f"{self.url}: {self.problem} ({self.status})"


class RateLimited(UpstreamError):
    """Upstream asked for a pause.

    It answered 429, 503 with Retry-After, or the fault of its rate limit.
    """

    cause = "throttled"

    def __init__(self, url: str, seconds: float) -> None:
        self.url = url
        self.seconds = seconds  #: the pause that upstream asks for
        super().__init__(url, seconds)

    def __str__(self) -> str:
        return f"{self.url}: upstream asks to wait {self.seconds:.0f} s"


class InvalidAnswer(_LocatedError, UpstreamError):
    """An answer is invalid; yanksync uses nothing of it."""

    cause = "bad-answer"


class AnswerTooLarge(InvalidAnswer):
    """An answer is larger than the configuration allows."""

    def __init__(self, where: str, size: int, key: str) -> None:
        self.size = size  #: bytes, that were allowed
        self.key = key
        problem = (
            f"the answer is larger than {key} ({mebibytes(size)}); nothing is taken from it, and "
            f"what is published stays. If it is meant to be so large, raise {key}"
        )
        super().__init__(where, problem)


def mebibytes(size: int) -> str:
    """Return a number of bytes as ``yanksync.toml`` has it."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"


class JournalUnavailable(UpstreamError):
    """Upstream has no XML-RPC journal.

    It answered 404, 405, 410 or 501, with the fault -32601, or with a text that says so.
    """

    cause = "journal-refused"

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem
        super().__init__(url, problem)

    def __str__(self) -> str:
        return f"{self.url}: no journal: {self.problem}"


class JournalReplaced(UpstreamError):
    """Upstream was put back to an earlier state, or replaced (R14)."""

    cause = "journal-replaced"

    def __init__(self, serial: int | None, problem: str) -> None:
        self.serial = serial  #: the followed serial; None: upstream has no serials
        self.problem = problem
        super().__init__(serial, problem)

    def __str__(self) -> str:
        at = "" if self.serial is None else f" up to serial {self.serial}"
        return (
            f"upstream is not the one followed so far{at}: {self.problem}; nothing was changed. "
            "If upstream was really put back or replaced, run 'yanksync approve'"
        )


class StaleList(UpstreamError):
    """The list of projects is older than the one read before."""

    cause = "stale"

    def __init__(self, serial: int | None, known: int) -> None:
        self.serial = serial  #: of this list
        self.known = known  #: of the one before
        super().__init__(serial, known)

    def __str__(self) -> str:
        return (
            f"the list of projects is at serial {self.serial}, older than the one read before, or "
            f"than what is published ({self.known}); it is not taken, and the next run asks again"
        )


class NoProjectFound(UpstreamError):
    """Every project of a first build is missing; nothing is published."""

    cause = "nothing-found"

    def __init__(
        self, url: str, projects: tuple[str, ...], *, is_index: bool = True, advice: str = ""
    ) -> None:
        self.url = url
        self.projects = projects  #: the patterns of ``mirror.projects``
        self.is_index = is_index  #: False: the root of the index answers 404, too
        self.advice = advice  #: advice about the address; "": there is none
        super().__init__(url, projects)

    def __str__(self) -> str:
        if not self.is_index:
            advice = self.advice or (
                "Correct upstream.simple_url: it must be the address of a Simple API"
            )
            return (
                f"{self.url}: there is no index: it answers 404, as for every project; nothing is "
                f"published. {advice}"
            )
        names = ", ".join(self.projects[:5]) + (", …" if len(self.projects) > 5 else "")
        return (
            f"{self.url}: upstream has none of the projects in mirror.projects ({names}); nothing "
            f"is published. {self.advice or 'Check upstream.simple_url and the names'}"
        )


class StateError(_LocatedError):
    """The state is unusable; it was not changed."""

    cause = "state"


class BundledOutput(StateError):
    """Bundles feed the output, so no pass can be made."""


class PublishError(_LocatedError):
    """The output could not be written; the next run tries again."""

    cause = "output"

    def __init__(self, where: str, problem: str, *, is_full: bool = False) -> None:
        super().__init__(where, problem)
        self.is_full = is_full  #: whether there is no room


class BundleError(_LocatedError):
    """Making or applying a bundle failed; it changed nothing."""


class ObjectStorageError(_LocatedError):
    """A request to object storage failed."""

    cause = "output"

    def __init__(self, where: str, problem: str, *, answered: bool = False) -> None:
        super().__init__(where, problem)
        self.answered = answered  #: True: the server answered with an error, so nothing was done


class PreconditionFailed(ObjectStorageError):
    """The condition of a request failed; the object was not changed."""


class DeliveryError(YanksyncError):
    """A hook or ping failed.

    The text never has the address, which can be a secret.
    """

    cause = "undelivered"


class StdoutError(YanksyncError):
    """Standard output cannot be written."""

    cause = "stdout"

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)

    def __str__(self) -> str:
        return f"standard output: cannot be written: {self.problem}"


class LockHeld(YanksyncError):
    """Another run works on this mirror."""

    cause = "locked"

    def __init__(
        self, path: str, holder: str, since: float | None = None, until: str | None = None
    ) -> None:
        self.path = path
        self.holder = holder  #: the text of the lock file about the other run
        self.since = since  #: UTC seconds, if known
        self.until = until  #: RFC 3339: the end of the lease if it is not renewed
        super().__init__(path, holder, since, until)

    def __str__(self) -> str:
        if self.until is None:
            return f"{self.path}: another run holds the lock ({self.holder})"
        until = f"until {self.until}, or longer if that run renews it"
        return f"{self.path}: another run holds the lease ({self.holder}) {until}"


class LeaseLost(LockHeld):
    """This run lost its lease, and has written nothing since."""

    def __str__(self) -> str:
        return f"{self.path}: lease lost: {self.holder}; the run that has it goes on from here"
