"""Reads a project page in HTML (PEP 503, 592, 714, 740, 792) into :class:`yanksync.model.Page`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urljoin

from yanksync.model import File, Hashes, Page, Status, Yank
from yanksync.names import NormalizedName
from yanksync.upstream.checks import (
    check_filename,
    check_hashes,
    file_url,
    fragment_hash,
    provenance_url,
    without_credentials,
)
from yanksync.upstream.html_reader import Anchor, HtmlPage, read_html
from yanksync.upstream.rules import (
    Broken,
    FileShelf,
    Notes,
    PageRules,
    ParsedPage,
    Unfit,
    check_api_version,
    check_length,
    note_strangers,
    page_serial,
)


def parse_html_page(
    body: bytes,
    content_type: str,
    url: str,
    project: NormalizedName,
    rules: PageRules,
    header_serial: str | None,
) -> ParsedPage:
    """Read an HTML page. It names neither project, versions, sizes nor times (B68).

    Args and Raises: as :func:`yanksync.upstream.json_page.parse_json_page`; ``content_type`` may
    name a charset.
    """
    html = read_html(body, content_type)
    notes = Notes()
    check_page(html, notes)
    status = html.metas.get("pypi:project-status") or Status.ACTIVE
    reason = html.metas.get("pypi:project-status-reason") or None
    check_length(status, rules, "the project status")
    check_length(reason, rules, "the reason of the project status")
    base = without_credentials(urljoin(without_credentials(url), html.base or ""))
    page = Page(
        name=project,
        files=_files(html.anchors, base, rules, notes),
        status=status,
        status_reason=reason,
        serial=page_serial(html.serial, header_serial),
    )
    note_strangers(page, notes)
    return ParsedPage(page, notes.lines(), json=False)


def check_page(html: HtmlPage, notes: Notes) -> None:
    """Accept a page of a version that we know (B10 to B12).

    Raises:
        Broken: another version, or neither a link nor a version: any error page looks like that,
            and it must not read as "nothing there" (design.md R7).
    """
    version = html.metas.get("pypi:repository-version")
    if version is None and not html.anchors:
        raise Broken("it has neither links nor a repository version")
    check_api_version(version, notes)


def _files(anchors: list[Anchor], base: str, rules: PageRules, notes: Notes) -> tuple[File, ...]:
    """Return the files that are fit to be published."""
    shelf = FileShelf(notes, rules)
    for anchor in anchors:
        link, _, fragment = anchor.href.partition("#")
        if link == "" or link.endswith("/"):
            continue  # "../" and its like: no file can be meant
        try:
            shelf.add(_file(anchor, link, fragment, base, rules, notes))
        except Unfit as problem:
            shelf.leave_out(anchor.text, str(problem))
    return shelf.files()


def _file(
    anchor: Anchor, link: str, fragment: str, base: str, rules: PageRules, notes: Notes
) -> File:
    """Return one file (B60 to B66).

    Raises:
        Unfit: the file cannot be published.
        Broken: a text is beyond all measure.
    """
    attributes = anchor.attributes
    python = attributes.get("data-requires-python")
    check_length(python, rules, "requires-python")
    # Presence counts, not the value: lxml reads a bare attribute as "" (B63, B64).
    reason = attributes.get("data-yanked")
    check_length(reason, rules, "a yank's reason")
    if len(link) > rules.max_string:
        raise Unfit("its URL is too long")
    check_filename(anchor.text)
    provenance = attributes.get("data-provenance")
    if provenance is not None and provenance_url(provenance) is None:
        notes.add("a provenance is no absolute https URL; not passed on")
        provenance = None
    return File(
        filename=anchor.text,
        url=file_url(link, base, anchor.text, rules.allow_http),
        hashes=fragment_hash(fragment),
        requires_python=python or None,
        yanked=None if reason is None else Yank(reason),
        core_metadata=_core_metadata(attributes, notes),
        gpg_sig={"true": True, "false": False}.get(attributes.get("data-gpg-sig", "")),
        provenance=provenance,
    )


def _core_metadata(attributes: Mapping[str, str], notes: Notes) -> bool | Hashes | None:
    """Return the metadata claim; PEP 714's attribute before PEP 658's (B65)."""
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
        except Unfit:
            pass
    notes.add("a core-metadata is neither true, false nor a hash; not passed on")
    return None
