"""Shared parts of the readers of upstream's pages.

These are limits, results and errors.
"""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.formats import signed_urls
from yanksync.core.model import File, Page, sorted_hashes
from yanksync.core.versions import filename_matches_project

_KNOWN_MAJOR, _KNOWN_MINOR = 1, 4
_API_VERSION = r"([0-9]{1,9})\.([0-9]{1,9})\Z"
_DIGITS = r"[0-9]{1,19}\Z"
_LARGEST = 2**63 - 1  # the largest number for SQLite and every client
LARGEST_SERIAL = 2**31 - 1  # of Warehouse's column; anything above is a fault (R14)
_MOST_NOTES = 20
_OF_EITHER = ("requires_python", "size", "upload_time", "yanked", "provenance")
_NEWER = "api-version {}.{} is newer than {}.{}"


class PageRules(Struct, frozen=True, kw_only=True):
    """Limits for data from upstream."""

    allow_http: bool = False  # plain http beyond loopback
    max_size: int = 32 << 20  # bytes of a page
    max_files: int = 200_000  # files, and versions, on a page
    max_string: int = 1 << 20  # characters of a reason, a specifier, a version, a URL
    max_html_list: int = 128 << 20  # bytes of a list in HTML
    max_projects: int = 5_000_000  # rows of the list of projects


class ParsedPage(Struct, frozen=True):
    """A page, and what the operator should know about it."""

    page: Page
    warnings: tuple[str, ...]  # one line each, at most 22
    is_json: bool  # whether it was read from the JSON form (R15)


class InvalidDocument(ValueError):
    """A page is not valid as a whole; becomes ``errors.InvalidAnswer``."""


class InvalidFile(ValueError):
    """A file is invalid; the page is read without it."""


class PageWarnings:
    """Collects distinct warnings, 20 at most, and counts the rest."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._more = 0

    def add(self, line: str) -> None:
        """Remember ``line``, which must hold no line break (use :func:`quoted_for_log` on foreign
        text)."""
        if line in self._lines:
            return
        if len(self._lines) < _MOST_NOTES:
            self._lines[line] = None
        else:
            self._more += 1

    def lines(self) -> tuple[str, ...]:
        """Return the warnings; the last counts those that were left out."""
        more = (f"and {self._more} more notes",) if self._more else ()
        return (*self._lines, *more)


class FileCollector:
    """Collects the files of a page, and checks rules about several."""

    def __init__(self, warnings: PageWarnings, rules: PageRules) -> None:
        self._files: dict[str, File] = {}
        self._barred: set[str] = set()  # names whose files are all left out, even valid ones
        self._warnings = warnings
        self._most = rules.max_files
        self._problem: str | None = None  # the first

    def add(self, file: File) -> None:
        """Add ``file``.

        Two entries with the same name become one file, unless their hashes contradict.

        Raises:
            InvalidDocument: there are too many.
        """
        other = self._files.setdefault(file.filename, file)
        if other is file:
            if len(self._files) > self._most:
                raise InvalidDocument(f"more than {self._most} files")
            return
        one = _merged(other, file)
        if one is not None:
            self._files[file.filename] = one
        elif file.filename not in self._barred:
            self.leave_out(file.filename, "it is listed with two different hashes", marked=True)

    def leave_out(self, filename: str, problem: str, *, marked: bool) -> None:
        """Note that a file is not taken, and why.

        ``marked``: it may be yanked. Another entry with its name would lose that mark, so all of
        them are left out.
        """
        line = f"file {quoted_for_log(filename)} left out: {problem}"
        self._problem = self._problem or line
        self._warnings.add(line)
        if marked:
            self._barred.add(filename)

    def files(self) -> tuple[File, ...]:
        """Return the collected files, in upstream's order.

        Raises:
            InvalidDocument: every file was invalid; that must not read as "no files" (R7).
        """
        files = tuple(self._files.values())
        if self._barred:
            files = tuple(file for file in files if file.filename not in self._barred)
        if self._problem is not None and not files:
            raise InvalidDocument(f"none of its files is fit to publish; {self._problem}")
        return files


def _merged(first: File, second: File) -> File | None:
    """Return one file for two entries, or None if hashes differ.

    An index that combines others lists a file once for each of them, and some entries lack the
    hash. The first URL counts, together with the metadata and the signature of that entry.
    """
    hashes = dict(first.hashes)
    for algorithm, digest in second.hashes:
        if hashes.setdefault(algorithm, digest) != digest:
            return None
    more = {key: getattr(second, key) for key in _OF_EITHER if getattr(first, key) is None}
    return replace(first, hashes=sorted_hashes(hashes.items()), **more)


def warn_foreign_files(page: Page, warnings: PageWarnings) -> None:
    """Note files with another project's name, which installers ignore."""
    usual = page.name.replace("-", "_") + "-"
    strange = [
        one.filename
        for one in page.files
        if not one.filename.startswith(usual)
        and not filename_matches_project(one.filename, page.name)
    ]
    if strange:
        warnings.add(
            f"{len(strange)} files are named after another project, as {quoted_for_log(strange[0])}"
        )


def quoted_for_log(text: str) -> str:
    """Return upstream text short, quoted and in ASCII, for a log."""
    return ascii(text if len(text) <= 80 else text[:79] + "…")


def check_api_version(value: object, warnings: PageWarnings) -> tuple[int, int]:
    """Return ``meta.api-version`` as two numbers; None means 1.0.

    Raises:
        InvalidDocument: the ``Major.Minor`` is missing, or we do not know the major version.
    """
    if value is None:
        return (1, 0)
    match = re.match(_API_VERSION, value) if isinstance(value, str) else None
    if match is None:
        raise InvalidDocument(
            f"api-version {quoted_for_log(str(value))} is not of the form Major.Minor"
        )
    major, minor = int(match[1]), int(match[2])
    if major != _KNOWN_MAJOR:
        raise InvalidDocument(
            f"api-version {major}.{minor} is not supported, only {_KNOWN_MAJOR}.x is"
        )
    if minor > _KNOWN_MINOR:
        warnings.add(_NEWER.format(major, minor, _KNOWN_MAJOR, _KNOWN_MINOR))
    return (major, minor)


def is_about_index(note: str) -> bool:
    """Return True if a warning is about the index as a whole."""
    return note == signed_urls.NOTE or note.startswith(_NEWER.partition("{")[0])


def check_serial(value: object) -> int | None:
    """Return a serial from an int or a string of digits.

    Other mirrors write strings. None means that there is none.

    Raises:
        InvalidDocument: anything else. It cannot be compared. So it must not pass for "none".
    """
    if value is None:
        return None
    if isinstance(value, str) and re.match(_DIGITS, value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= LARGEST_SERIAL:
        raise InvalidDocument(f"the serial {quoted_for_log(str(value))} is no serial number")
    return value


def page_serial(body: object, header: str | None) -> int | None:
    """Return the page's serial: the body's, else that of ``X-PyPI-Last-Serial``.

    Raises:
        InvalidDocument: the one that counts is not a number.
    """
    serial = check_serial(body)
    return serial if serial is not None else check_serial((header or "").strip() or None)


def check_size(value: object) -> int | None:
    """Return a file's size; None where upstream does not say.

    Raises:
        InvalidFile: not a whole number of bytes. True is none: uv refuses a page over it.
    """
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise InvalidFile(f"the size {quoted_for_log(str(value))} is not a whole number of bytes")
    return value


def check_length(
    text: str | None, rules: PageRules, what: str, error: type[ValueError] = InvalidDocument
) -> None:
    """Refuse a text that is too long; it is never cut.

    Raises:
        Broken, or ``error``: it is longer than ``rules.max_string``.
    """
    if text is not None and len(text) > rules.max_string:
        raise error(f"{what} is longer than {rules.max_string} characters")
