"""Reads a project page in HTML (PEP 503, 592, 714, 740, 792)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urljoin

from yanksync.core.formats.file_checks import (
    check_hashes,
    fragment_hash,
    is_distribution,
    linked_file,
    linked_name,
    provenance_url,
    upload_time,
    without_credentials,
)
from yanksync.core.formats.html.elements import Anchor, read_html
from yanksync.core.formats.html.empty_page import check_empty
from yanksync.core.formats.reader_rules import (
    FileCollector,
    InvalidFile,
    PageRules,
    PageWarnings,
    ParsedPage,
    check_api_version,
    check_length,
    page_serial,
    quoted_for_log,
    warn_foreign_files,
)
from yanksync.core.model import File, Hashes, Page, ProjectStatus, Yank
from yanksync.core.names import NormalizedName

_LINKS_PER_FILE = 2  # a page may have a menu, or a link to a signature for each file


def parse_html_page(
    body: bytes,
    content_type: str,
    url: str,
    project: NormalizedName,
    rules: PageRules,
    header_serial: str | None,
) -> ParsedPage:
    """Read an HTML page. It lacks project name, versions and sizes.

    A page that lacks ``pypi:repository-version`` counts only if it has a file, or is the empty page
    of this project. Any error page has links, and must not read as "nothing there" (R7).

    Args and Raises: as :func:`yanksync.core.formats.json_page_reader.parse_json_page`;
    ``content_type`` may name a charset.
    """
    html = read_html(body, content_type, _LINKS_PER_FILE * rules.max_files)
    warnings = PageWarnings()
    version = html.metas.get("pypi:repository-version")
    check_api_version(version, warnings)
    status = html.metas.get("pypi:project-status") or ProjectStatus.ACTIVE
    reason = html.metas.get("pypi:project-status-reason") or None
    check_length(status, rules, "the project status")
    check_length(reason, rules, "the reason of the project status")
    base = without_credentials(urljoin(without_credentials(url), html.base or ""))
    files = _files(html.anchors, base, rules, warnings)
    if version is None and not files:
        check_empty(body, content_type, url, project)
    page = Page(
        name=project,
        files=files,
        status=status,
        status_reason=reason,
        serial=page_serial(html.serial, header_serial),
    )
    warn_foreign_files(page, warnings)
    return ParsedPage(page, warnings.lines(), is_json=False)


def _files(
    anchors: list[Anchor], base: str, rules: PageRules, warnings: PageWarnings
) -> tuple[File, ...]:
    """Return the files that are fit to be published."""
    shelf = FileCollector(warnings, rules)
    renamed: list[str] = []
    for anchor in anchors:
        link, _, fragment = anchor.href.partition("#")
        try:
            file = _file(anchor, link, fragment, base, rules, warnings)
            if file is None:  # navigation, a README: no distribution
                continue
            shelf.add(file)
            if file.filename != anchor.text:
                renamed.append(file.filename)
        except InvalidFile as problem:
            name = linked_name(link)
            name = name if is_distribution(name) else anchor.text
            shelf.leave_out(name, str(problem), marked="data-yanked" in anchor.attributes)
    if renamed:
        some = ", ".join(map(quoted_for_log, renamed[:3]))
        warnings.add(f"{len(renamed)} files have another name than the text of their link: {some}")
    return shelf.files()


def _file(
    anchor: Anchor, link: str, fragment: str, base: str, rules: PageRules, warnings: PageWarnings
) -> File | None:
    """Return one file; None where the link leads to none.

    Raises:
        InvalidFile: the file cannot be published.
    """
    if len(link) > rules.max_string:
        raise InvalidFile("its URL is too long")
    found = linked_file(link, anchor.text, base, rules.allow_http)
    if found is None:
        return None
    attributes = anchor.attributes
    python, uploaded = attributes.get("data-requires-python"), attributes.get("data-upload-time")
    check_length(python, rules, "requires-python", InvalidFile)
    # Presence counts, not the value: lxml reads a bare attribute as "".
    reason = attributes.get("data-yanked")
    check_length(reason, rules, "a yank's reason", InvalidFile)
    provenance = attributes.get("data-provenance")
    if provenance is not None and provenance_url(provenance) is None:
        warnings.add("a provenance is no absolute https URL; not passed on")
        provenance = None
    return File(
        filename=found[0],
        url=found[1],
        hashes=fragment_hash(fragment),
        requires_python=python or None,
        upload_time=None if uploaded is None else upload_time(uploaded),
        yanked=None if reason is None else Yank(reason),
        core_metadata=_core_metadata(attributes, warnings),
        gpg_sig={"true": True, "false": False}.get(attributes.get("data-gpg-sig", "")),
        provenance=provenance,
    )


def _core_metadata(attributes: Mapping[str, str], warnings: PageWarnings) -> bool | Hashes | None:
    """Return the metadata claim; PEP 714's attribute before PEP 658's."""
    claim = attributes.get("data-core-metadata")
    if claim is None:
        claim = attributes.get("data-dist-info-metadata")
    if claim is None:
        return None
    if claim.lower() in ("true", "false"):
        return claim.lower() == "true"
    algorithm, equals, digest = claim.partition("=")
    if equals:
        try:
            return check_hashes({algorithm: digest})
        except InvalidFile:
            pass
    warnings.add("a core-metadata is neither true, false nor a hash; not passed on")
    return None
