"""Reads requirements files as pip does, with what they include.

Only this module uses pip's parser.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from yanksync.core.errors import InputFileError
from yanksync.core.formats.reader_rules import quoted_for_log
from yanksync.core.names import normalize
from yanksync.core.pins import Pin, PinnedFile, PinOperator, PinSet, hash_pairs

if TYPE_CHECKING:
    from pip_requirements_parser import InstallRequirement, RequirementsFile

log = logging.getLogger("yanksync")

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # the same as in pip
_SCHEME = re.compile(r"(https?|file|ftp):", re.IGNORECASE)


def read_requirements(path: str, content: Callable[[str], bytes]) -> PinSet:
    """Return the pins of a requirements file.

    Files that it includes and constraints count, too.

    ``content`` reads a file. Raises :class:`InputFileError`.
    """
    pins: dict[Pin, None] = {}
    skipped = 0
    for file in _files(path, content):
        for requirement in file.requirements:
            pin = _pin(requirement, file.filename)
            if pin is None:
                skipped += 1
            else:
                pins[pin] = None
    return PinSet(tuple(pins), skipped)


def _files(path: str, content: Callable[[str], bytes]) -> Iterator[RequirementsFile]:
    """Yield a requirements file and those that it includes, each once."""
    try:
        from pip_requirements_parser import RequirementsFile
    except ImportError as error:
        raise InputFileError(
            path,
            "requirements files are read with pip-requirements-parser, which is not installed. "
            "Install it: pip install 'yanksync[audit]'",
        ) from error
    waiting, seen = [path], {os.path.abspath(path)}
    while waiting:
        here = waiting.pop(0)
        content(here)  # reports what cannot be read
        try:
            file = RequirementsFile.from_file(here)
        except (ValueError, LookupError, RecursionError) as error:  # mostly about its encoding
            raise InputFileError(here, f"cannot be read: {error}") from error
        _check(file)
        yield file
        for other in _included(file):
            if os.path.abspath(other) not in seen:
                seen.add(os.path.abspath(other))
                waiting.append(other)


def _check(file: RequirementsFile) -> None:
    from pip_requirements_parser import IncorrectRequirementLine

    for line in file.invalid_lines:
        if isinstance(line, IncorrectRequirementLine):
            continue
        text = quoted_for_log(str(line.line).strip())
        if str(line.line).lstrip().startswith("-"):
            log.warning(
                "%s:%s: the option %s is not known; it is passed over",
                file.filename,
                line.line_number,
                text,
            )
            continue
        raise InputFileError(
            f"{file.filename}:{line.line_number}", f"is no requirement: {text}. Correct the line"
        )


def _included(file: RequirementsFile) -> Iterator[str]:
    """Yield the paths that ``-r`` and ``-c`` name."""
    for line in file.options:
        for option in ("requirements", "constraints"):
            for named in line.options.get(option) or ():
                other = _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), named)
                if _SCHEME.match(other):
                    raise InputFileError(
                        f"{file.filename}:{line.line_number}",
                        f"includes {quoted_for_log(other)}, and yanksync reads no requirements "
                        "from an address. Put a copy of it beside the file",
                    )
                yield os.path.normpath(os.path.join(os.path.dirname(file.filename), other))


def _pin(requirement: InstallRequirement, path: str) -> Pin | None:
    """Return the pin of a requirement.

    None without an exact version of an index.
    """
    if requirement.req is None or requirement.link is not None or requirement.is_editable:
        return None
    exact = _exact(requirement.specifier)
    project = normalize(str(requirement.name))
    if exact is None or project is None:
        return None
    hashes = hash_pairs(requirement.hash_options)
    return Pin(
        project=project,
        version=exact[1],
        operator=exact[0],
        path=path,
        line=requirement.line_number,
        marker=None if requirement.marker is None else str(requirement.marker),
        files=tuple(PinnedFile(None, (pair,)) for pair in hashes),
    )


def _exact(specifier: SpecifierSet) -> tuple[PinOperator, str] | None:
    """Return operator and version of the clause that pins (PEP 592).

    None: none does.
    """
    for clause in sorted(specifier, key=str):
        if clause.operator == PinOperator.ARBITRARY:
            return PinOperator.ARBITRARY, clause.version
        if clause.operator == PinOperator.EQUAL and not clause.version.endswith(".*"):
            return PinOperator.EQUAL, clause.version
    return None
