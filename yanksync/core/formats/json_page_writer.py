"""A page as JSON (PEP 691, 700, 714, 740, 792).

``meta`` comes first, and in it the serial, so that it can be read from the head of a file.
"""

from __future__ import annotations

import json

import msgspec
from msgspec import UNSET, Struct, UnsetType

from yanksync.core.model import File, Hashes, Page
from yanksync.core.policies.yanked import has_default_status


class _Meta(Struct, gc=False):
    """The ``meta`` object."""

    last_serial: int | UnsetType = msgspec.field(name="_last-serial")
    api_version: str = msgspec.field(name="api-version")


class _Status(Struct, omit_defaults=True, gc=False):
    """PEP 792's object."""

    status: str
    reason: str | None = None


class _File(Struct, rename="kebab", gc=False):
    """One element of ``files``, in the order that it is written.

    Keys are in alphabetical order, as Warehouse writes them. Unknown values are left out, because
    uv rejects a page with a size or time that is null.
    """

    core_metadata: bool | dict[str, str] | UnsetType
    filename: str
    gpg_sig: bool | UnsetType
    hashes: dict[str, str]
    provenance: str | UnsetType
    requires_python: str | UnsetType
    size: int | UnsetType
    upload_time: str | UnsetType
    url: str
    yanked: bool | str


class _Page(Struct, rename="kebab", gc=False):
    """The whole page."""

    meta: _Meta
    name: str
    project_status: _Status | UnsetType
    versions: tuple[str, ...] | UnsetType
    files: list[_File]


_ENCODER = msgspec.json.Encoder()


def render_page(page: Page) -> bytes:
    """Return the JSON form of an offered page (:func:`yanksync.core.policies.yanked.offered_page`).

    Texts are exact; lone surrogates are written as ``\\udXXX`` escapes.
    """
    sized = page.versions is not None and all(file.size is not None for file in page.files)
    return encode_json(
        _Page(
            meta=_Meta(UNSET if page.serial is None else page.serial, _version(page, sized)),
            name=page.name,
            project_status=UNSET
            if has_default_status(page)
            else _Status(page.status, page.status_reason),
            versions=page.versions if sized and page.versions is not None else UNSET,
            files=[_file(file, sized) for file in page.files],
        )
    )


def encode_json(value: Struct) -> bytes:
    """Return ``value`` as compact JSON in UTF-8."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:  # a lone surrogate
        text = json.dumps(
            msgspec.to_builtins(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode("utf-8", "backslashreplace")


def _version(page: Page, sized: bool) -> str:
    """Return the API version whose fields the page carries."""
    if not sized:
        return "1.0"
    if not has_default_status(page):
        return "1.4"
    return "1.3" if any(file.provenance is not None for file in page.files) else "1.1"


def _file(file: File, sized: bool) -> _File:
    """Return a file as it is written.

    ``sized``: whether the page may say sizes.
    """
    yank, metadata = file.yanked, file.core_metadata
    return _File(
        UNSET if metadata is None else _claim(metadata),
        file.filename,
        UNSET if file.gpg_sig is None else file.gpg_sig,
        dict(file.hashes),
        UNSET if file.provenance is None else file.provenance,
        UNSET if file.requires_python is None else file.requires_python,
        UNSET if file.size is None or not sized else file.size,
        UNSET if file.upload_time is None else file.upload_time,
        file.url,
        # Never "": pip treats it as unyanked. Never null: uv rejects the page.
        False if yank is None else True if yank.reason == "" else yank.reason,
    )


def _claim(metadata: bool | Hashes) -> bool | dict[str, str]:
    """Return the metadata's hashes; without any there is nothing to claim."""
    return metadata if isinstance(metadata, bool) else dict(metadata) or False
