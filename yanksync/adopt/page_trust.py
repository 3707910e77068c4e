"""Decides whether ``adopt`` can use a page without fetching it.

A page is taken over without a request only if five things are true. It is in JSON. It has the
serial of upstream's list. It is complete. It links to upstream's files. Its yanks have their
reasons. All other pages are fetched. A page cannot show whether the program that wrote it was
right; a sample shows that (:func:`judge_sample`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.formats.html.elements import read_html
from yanksync.core.formats.parse import PageRules, ParsedPage, parse_page
from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.model import UNKNOWN_FORMS, File, Page, PublishedForms, Yank
from yanksync.core.names import NormalizedName
from yanksync.output.inventory import OURS, DirectoryContent, expected_files

_NOWHERE = "https://output.invalid"  # target of the tree's relative links until more is known


class SampleVerdict(Struct, frozen=True):
    """The result of comparing a tree with a sample of upstream's pages."""

    origins: frozenset[str] = frozenset()  # scheme://host of upstream's files
    base: str = _NOWHERE  # the origin for the tree's relative links
    problem: str | None = None  # a contradiction: then no page is trusted
    lacks: tuple[str, ...] = ()  # data of upstream's pages that the tree lacks


class PagePair(Struct, frozen=True):
    """A page of the tree and upstream's own, of one project."""

    ours: Page
    theirs: Page


def page_base(name: NormalizedName, verdict: SampleVerdict) -> str:
    """Return the base address of a page of the tree.

    Its relative links go up two directories.
    """
    return f"{verdict.base}/simple/{name}/"


def read_page(
    name: NormalizedName, body: bytes, verdict: SampleVerdict, rules: PageRules
) -> ParsedPage:
    """Read the JSON form of a page in the tree.

    Raises :class:`yanksync.core.errors.InvalidAnswer`.
    """
    media = layout.V1_JSON.content_type
    return parse_page(body, media, page_base(name, verdict), name, rules, None)


def judge_sample(pairs: Iterable[PagePair]) -> SampleVerdict:
    """Judge the tree by the sample ``pairs``.

    Its pages were read with an empty :class:`SampleVerdict`.
    """
    origins: set[str] = set()
    bases: set[str | None] = set()
    lacks: set[str] = set()
    for pair in pairs:
        origins.update(_origin(file) for file in pair.theirs.files)
        if pair.ours.serial is None or pair.ours.serial != pair.theirs.serial:
            continue
        problem = _contradiction(pair.ours, pair.theirs)
        if problem is not None:
            return SampleVerdict(problem=f"{pair.ours.name}: {problem}")
        bases.update(_bases(pair))
        lacks.update(_lacks(pair))
    base = bases.pop() if len(bases) == 1 else None
    return SampleVerdict(frozenset(origins), base or _NOWHERE, lacks=tuple(sorted(lacks)))


def _lacks(pair: PagePair) -> Iterable[str]:
    """Yield what the tree's page lacks, by Simple API names."""
    ours = {file.filename: file for file in pair.ours.files}
    for theirs in pair.theirs.files:
        file = ours[theirs.filename]
        if theirs.core_metadata and not file.core_metadata:
            yield "core-metadata"
        if theirs.provenance is not None and file.provenance is None:
            yield "provenance"
    if pair.theirs.status != pair.ours.status:
        yield "project-status"


def _bases(pair: PagePair) -> Iterable[str | None]:
    """Yield the addresses of a page's relative links; None: not known."""
    theirs = {file.filename: file.url for file in pair.theirs.files}
    for file in pair.ours.files:
        if _origin(file) == _NOWHERE:
            url = theirs[file.filename]
            origin = _origin_of(url)
            yield origin if url == origin + file.url.removeprefix(_NOWHERE) else None


def _contradiction(ours: Page, theirs: Page) -> str | None:
    """Return how two pages of one serial contradict each other."""
    there = {file.filename: file for file in theirs.files}
    here = {file.filename: file for file in ours.files}
    if there.keys() != here.keys():
        return (
            f"it has other files than upstream's page, which is at serial {theirs.serial} as well"
        )
    for name, file in here.items():
        if dict(file.hashes).get("sha256") != dict(there[name].hashes).get("sha256"):
            return f"{name} has another hash than upstream says"
        if (file.yanked is None) != (there[name].yanked is None):
            return f"upstream and the tree disagree on whether {name} is yanked"
    return None


def reason_to_fetch(
    parsed: ParsedPage, in_html: bytes | None, required_serial: int | None, verdict: SampleVerdict
) -> str | None:
    """Return why a page of the tree must be fetched; None: right.

    Args:
        parsed: the JSON form, read with ``verdict``.
        in_html: the HTML form beside it, if there is one.
        required_serial: the serial that upstream's list has for the project.
        verdict: what the sample has shown.
    """
    page = parsed.page
    if verdict.problem is not None:
        return f"no page is trusted: {verdict.problem}"
    if page.serial is None or required_serial is None:
        return "it has no serial" if page.serial is None else "upstream's list has no serial of it"
    if page.serial != required_serial:
        return f"it is at serial {page.serial}, upstream at {required_serial}"
    if any(" left out: " in note or note.endswith("more notes") for note in parsed.warnings):
        return "a file on it cannot be published"
    if not page.files:
        return "it has no files"  # a filter or an old error may have left out all files (R7)
    for file in page.files:
        if _origin(file) not in verdict.origins:
            return "its links do not lead to upstream's files"
        if file.size is None or file.upload_time is None or "sha256" not in dict(file.hashes):
            return "size, time or hash of a file are missing"
    return _lost_reason(page, in_html)


def _lost_reason(page: Page, in_html: bytes | None) -> str | None:
    """Say that a yank may have lost its reason.

    Other mirrors write ``true`` for every yank. They keep the reason in the HTML form, which shows
    whether there was one.
    """
    bare = [file.filename for file in page.files if file.yanked == Yank()]
    if not bare:
        return None
    lost = "a yank's reason is lost"
    try:
        html = read_html(in_html or b"", layout.HTML.content_type)
    except (InvalidDocument, UnicodeDecodeError):
        return lost
    if html.serial != str(page.serial):
        return lost
    marks = {anchor.text: anchor.attributes.get("data-yanked") for anchor in html.anchors}
    return None if all(marks.get(name) == "" for name in bare) else lost


def _origin(file: File) -> str:
    return _origin_of(file.url)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def written_by_us(body: bytes) -> bool:
    """Return True if yanksync wrote this JSON form.

    Other mirrors write the serial as a text.
    """
    return re.search(rb'"_last-serial":\s*\d', body) is not None


def forms_in_directory(content: DirectoryContent) -> PublishedForms:
    """Return the files of a project's directory.

    Its digests are void if the directory is inconsistent. That is so in four cases. A form is
    missing or unreadable. Its second name has other bytes. A compressed copy is stale. There are
    other files with names of yanksync.
    """
    seen = {one.name: one for one in content.entries if one.name in OURS}
    if any(one.digest is None for one in seen.values()):
        return UNKNOWN_FORMS
    digests = {name: one.digest for name, one in seen.items()}
    in_json, in_html = digests.get(layout.V1_JSON.filename), digests.get(layout.HTML.filename)
    if in_json is None or in_html is None:
        return UNKNOWN_FORMS
    copies = tuple(name for name in layout.compressed_names(layout.SUFFIX) if name in seen)
    forms = PublishedForms(in_json, in_html, copies, digests.get(layout.LEGACY.filename))
    return forms if expected_files(forms) == digests else UNKNOWN_FORMS
