"""Reads a project page in JSON (PEP 691, 700, 714, 740, 792).

:mod:`.json_wire` checks the shape, this module the meaning.
"""

from __future__ import annotations

from yanksync.core.formats.file_checks import (
    check_filename,
    check_hashes,
    file_url,
    provenance_url,
    upload_time,
    without_credentials,
)
from yanksync.core.formats.json_page_wire import InvalidFileEntry, WireFile, WirePage, decode_page
from yanksync.core.formats.reader_rules import (
    FileCollector,
    InvalidDocument,
    InvalidFile,
    PageRules,
    PageWarnings,
    ParsedPage,
    check_api_version,
    check_length,
    check_size,
    page_serial,
    quoted_for_log,
    warn_foreign_files,
)
from yanksync.core.model import File, Hashes, Page, ProjectStatus, Yank
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.versions import VersionFinder


def parse_json_page(
    body: bytes, url: str, project: NormalizedName, rules: PageRules, header_serial: str | None
) -> ParsedPage:
    """Read a JSON page.

    Args:
        body: the page as it came.
        url: where it came from in the end; relative file URLs start there.
        project: the project that was asked for.
        rules: limits.
        header_serial: the ``X-PyPI-Last-Serial`` header, for a page that has no serial itself.

    Raises:
        Broken, ValueError, RecursionError: the page cannot be taken (see :mod:`.parsing`).
    """
    warnings = PageWarnings()
    wire, misfits = decode_page(body, rules, warnings)
    api_version = check_api_version(wire.meta.api_version, warnings)
    if normalize(wire.name) != project:
        raise InvalidDocument(f"it is the page of {quoted_for_log(wire.name)}")
    versions = _versions(wire, api_version, rules, warnings)
    status, reason = _status(wire, warnings)
    check_length(status, rules, "the project status")
    check_length(reason, rules, "the reason of the project status")
    page = Page(
        name=project,
        files=_files(wire.files, misfits, without_credentials(url), rules, warnings),
        versions=versions,
        status=status,
        status_reason=reason,
        serial=page_serial(wire.meta.last_serial, header_serial),
    )
    _warn_unversioned_files(page, warnings)
    warn_foreign_files(page, warnings)
    return ParsedPage(page, warnings.lines(), is_json=True)


def _versions(
    wire: WirePage, api_version: tuple[int, int], rules: PageRules, warnings: PageWarnings
) -> tuple[str, ...] | None:
    """Return the versions, each once. From 1.1 they must be there."""
    if wire.versions is None:
        if api_version >= (1, 1):
            raise InvalidDocument("it has no versions, which api-version 1.1 demands")
        return None
    if len(wire.versions) > rules.max_files:
        raise InvalidDocument(f"more than {rules.max_files} versions")
    versions = tuple(dict.fromkeys(wire.versions))
    if any(len(version) > rules.max_string for version in versions):
        warnings.add(f"a version is longer than {rules.max_string} characters; not passed on")
        versions = tuple(one for one in versions if len(one) <= rules.max_string)
    return versions


def _status(wire: WirePage, warnings: PageWarnings) -> tuple[str, str | None]:
    """Return status and reason from whichever key has them.

    The top-level key counts. PEP 792's prose calls its field ``state``, the living specification's
    example puts it into ``meta``: both are read, with a note.
    """
    found = wire.project_status
    if found is None:
        found = wire.meta.project_status
        if found is None:
            return ProjectStatus.ACTIVE, None
        warnings.add("project-status stands in meta")
    reason: object = wire.meta.status_reason
    if isinstance(found, dict):
        reason = found.get("reason", reason)
        status = found.get("status")
        if status is None and found.get("state") is not None:
            status = found["state"]
            warnings.add("project-status has the key state instead of status")
    else:
        status = found
    if not isinstance(status, str | None):
        raise InvalidDocument("the project status is no text")  # it might mean "quarantined"
    if reason is not None and not isinstance(reason, str):
        warnings.add("the reason of the project status is no text")
        reason = None
    # An empty reason is the same as a missing one: neither says anything (PEP 792).
    return status or ProjectStatus.ACTIVE, reason or None


def _files(
    wires: list[WireFile],
    misfits: list[InvalidFileEntry],
    base: str,
    rules: PageRules,
    warnings: PageWarnings,
) -> tuple[File, ...]:
    """Return the files that are fit to be published."""
    shelf = FileCollector(warnings, rules)
    for misfit in misfits:
        shelf.leave_out(misfit.filename, misfit.problem, marked=misfit.marked)
    for wire in wires:
        try:
            shelf.add(_file(wire, base, rules, warnings))
        except InvalidFile as problem:
            marked = wire.yanked is not None and wire.yanked is not False
            shelf.leave_out(wire.filename, str(problem), marked=marked)
    return shelf.files()


def _file(wire: WireFile, base: str, rules: PageRules, warnings: PageWarnings) -> File:
    """Return one file.

    Raises:
        InvalidFile: the file cannot be published.
    """
    filename, python, url = wire.filename, wire.requires_python, wire.url
    check_filename(filename)
    if python is not None and len(python) > rules.max_string:
        raise InvalidFile(f"requires-python is longer than {rules.max_string} characters")
    if len(url) > rules.max_string:
        raise InvalidFile("its URL is too long")
    return File(
        filename=filename,
        url=file_url(url, base, filename, rules.allow_http),
        hashes=check_hashes(wire.hashes),
        requires_python=python or None,
        size=check_size(wire.size),
        upload_time=upload_time(wire.upload_time),
        yanked=None if wire.yanked is False else _yanked(wire.yanked, rules, warnings),
        core_metadata=_core_metadata(wire, warnings),
        gpg_sig=wire.gpg_sig if isinstance(wire.gpg_sig, bool) else None,
        provenance=None if wire.provenance is None else _provenance(wire.provenance, warnings),
    )


def _yanked(raw: bool | str | None, rules: PageRules, warnings: PageWarnings) -> Yank | None:
    """Return the yank: every string is one, the empty one too.

    Null is none, with a note.
    """
    if raw is None:
        warnings.add("yanked is null, which is no value for it; read as not yanked")
        return None
    if isinstance(raw, str):
        check_length(raw, rules, "a yank's reason", InvalidFile)
        return Yank(raw)
    return Yank() if raw else None


def _core_metadata(wire: WireFile, warnings: PageWarnings) -> bool | Hashes | None:
    """Return the metadata claim, by the keys of PEP 714 first."""
    claim = wire.core_metadata
    if claim is None:
        claim = wire.dist_info_metadata
    if claim is None:
        claim = wire.data_dist_info_metadata
    if claim is None or isinstance(claim, bool):
        return claim
    if isinstance(claim, dict) and {type(digest) for digest in claim.values()} <= {str}:
        try:
            return check_hashes(claim) or False
        except InvalidFile:
            pass
    warnings.add("a core-metadata is neither true, false nor hashes; not passed on")
    return None


def _provenance(raw: object, warnings: PageWarnings) -> str | None:
    """Return the provenance URL; note an invalid one and return None."""
    url = provenance_url(raw) if isinstance(raw, str) else None
    if url is None:
        warnings.add("a provenance is no absolute https URL; not passed on")
    return url


def _warn_unversioned_files(page: Page, warnings: PageWarnings) -> None:
    """Note files that belong to none of the versions listed."""
    if page.versions is None:
        return
    finder = VersionFinder(page.name, page.versions)
    homeless = [file.filename for file in page.files if finder.version_of(file.filename) is None]
    if homeless:
        first = quoted_for_log(homeless[0])
        warnings.add(f"{len(homeless)} files belong to none of the versions listed, as {first}")
