"""Writes a page in the older JSON form that other mirrors follow.

bandersnatch and shadowmire read it. It has the files by version, each with its yank in two fields.
Facts that only the packages' metadata has (classifiers, dependencies, summaries) are not on a page,
so they are missing here, too.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType

from yanksync.core.formats.json_page_writer import encode_json
from yanksync.core.model import File, Hashes, Page, Yank
from yanksync.core.versions import files_by_version, sort_key

_TYPES = {
    ".whl": "bdist_wheel",
    ".egg": "bdist_egg",
    ".exe": "bdist_wininst",
    ".msi": "bdist_msi",
    ".rpm": "bdist_rpm",
    ".dmg": "bdist_dmg",
    ".deb": "bdist_deb",
}
_MICROSECONDS = slice(0, 19)  # of yyyy-mm-ddThh:mm:ss.ffffffZ: the characters before them


class _File(Struct, kw_only=True, gc=False):
    """A file, with every key that followers expect."""

    comment_text: str = ""
    core_metadata: bool | dict[str, str] | UnsetType = msgspec.field(name="core-metadata")
    digests: dict[str, str]
    downloads: int = -1
    filename: str
    has_sig: bool = False
    md5_digest: str | None
    packagetype: str
    python_version: str
    requires_python: str | None
    size: int | None
    upload_time: str | None
    upload_time_iso_8601: str | None
    url: str
    yanked: bool
    yanked_reason: str | None


class _Info(Struct, kw_only=True):
    """These keys describe the project or its newest version."""

    name: str
    requires_python: str | None
    version: str | None
    yanked: bool
    yanked_reason: str | None


class _Document(Struct):
    """The whole document."""

    info: _Info
    last_serial: int | UnsetType
    releases: dict[str, list[_File]]
    urls: list[_File]


def render_document(page: Page) -> bytes:
    """Return the document of an offered page (:func:`yanksync.core.policies.yanked.offered_page`).

    A file without a version is listed under ``""``. So the file and its mark are kept. Versions
    without files have an empty list. Texts are exact, as in the page's JSON form.
    """
    groups = {version or "": files for version, files in files_by_version(page)}
    versions = sorted({*groups, *(page.versions or ())}, key=sort_key)
    releases = {version: [_file(file) for file in groups.get(version, ())] for version in versions}
    newest = _newest(groups)
    files = releases[newest] if newest is not None else []
    yanked = bool(files) and all(file.yanked for file in files)
    return encode_json(
        _Document(
            info=_Info(
                name=page.name,
                requires_python=files[0].requires_python if files else None,
                version=newest,
                yanked=yanked,
                yanked_reason=files[0].yanked_reason if yanked else None,
            ),
            last_serial=UNSET if page.serial is None else page.serial,
            releases=releases,
            urls=files,
        )
    )


def _newest(groups: dict[str, tuple[File, ...]]) -> str | None:
    """Return the newest version with files.

    A version that is not yanked in full is preferred.
    """
    return max(
        groups,
        key=lambda text: (any(file.yanked is None for file in groups[text]), sort_key(text)),
        default=None,
    )


def _file(file: File) -> _File:
    hashes, metadata, at = dict(file.hashes), file.core_metadata, file.upload_time
    kind = _TYPES.get(file.filename[-4:].lower(), "sdist")
    return _File(
        core_metadata=UNSET if metadata is None else _claim(metadata),
        digests=hashes,
        filename=file.filename,
        md5_digest=hashes.get("md5"),
        packagetype=kind,
        python_version=_python(kind, file.filename),
        requires_python=file.requires_python,
        size=file.size,
        upload_time=None if at is None else at[_MICROSECONDS],
        upload_time_iso_8601=at,
        url=file.url,
        yanked=file.yanked is not None,
        yanked_reason=_reason(file.yanked),
    )


def _reason(yank: Yank | None) -> str | None:
    """Return the reason in the form of the older API.

    Null when there is none.
    """
    return None if yank is None or yank.reason == "" else yank.reason


def _python(kind: str, filename: str) -> str:
    if kind == "bdist_wheel":
        parts = filename.rsplit("-", 3)
        return parts[1] if len(parts) == 4 else "any"
    return "source" if kind == "sdist" else "any"


def _claim(metadata: bool | Hashes) -> bool | dict[str, str]:
    """Return the metadata's hashes; without any there is nothing to claim."""
    return metadata if isinstance(metadata, bool) else dict(metadata) or False
