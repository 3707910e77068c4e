"""A page as HTML5 (PEP 503, 592, 658, 714, 740, 792).

The shape is Warehouse's, since consumers break on whitespace: one ``<a>`` on each line,
``href`` first, the serial as a comment at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO

from yanksync.core.model import File, Hashes, Page
from yanksync.core.policies.yanked import has_default_status

_SPECIAL = re.compile("[&<>\"'\r\0]")
_ENTITIES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&#34;",
        "'": "&#39;",
        "\r": "&#13;",
        "\0": "\ufffd",
    }
)
_FILES = 1000  # written at once
_LONG = 10_000  # characters of a reason
_SURROGATES = "[\ud800-\udfff]"


def render_page(page: Page) -> bytes:
    """Return the HTML form of an offered page (:func:`yanksync.core.policies.yanked.offered_page`).

    HTML cannot have NUL and lone surrogates; they become U+FFFD, the only loss.
    """
    title = f"Links for {escape(page.name)}"
    metas = [f'    <meta name="pypi:repository-version" content="{_version(page)}">\n']
    if not has_default_status(page):
        metas.append(_meta("pypi:project-status", page.status))
    if page.status_reason is not None:
        metas.append(_meta("pypi:project-status-reason", page.status_reason))
    # No PEP has upload times in HTML. An index that writes them there has no JSON, so it lacks
    # versions.
    timed = page.versions is None
    serial = "" if page.serial is None else f"<!--SERIAL {page.serial:d}-->\n"
    body = BytesIO()  # unlike a join, it never holds a huge page twice
    head = encode_utf8(
        f'<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset="utf-8">\n{"".join(metas)}'
        f"    <title>{title}</title>\n  </head>\n  <body>\n    <h1>{title}</h1>\n"
    )
    body.write(head)
    for files in _batches(page.files):
        body.write(encode_utf8("".join([_anchor(file, timed) for file in files])))
    body.write(f"  </body>\n</html>\n{serial}".encode())
    return body.getvalue()


def _batches(files: tuple[File, ...]) -> Iterator[tuple[File, ...]]:
    """Yield ``files`` in batches that are written at once.

    A reason of one MiB may take 24 MiB when it is escaped, so such files are written one by one.
    """
    long = any(file.yanked is not None and len(file.yanked.reason) > _LONG for file in files)
    size = 1 if long else _FILES
    for at in range(0, len(files), size):
        yield files[at : at + size]


def encode_utf8(text: str) -> bytes:
    """Return ``text`` in UTF-8, lone surrogates as U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return re.sub(_SURROGATES, "\ufffd", text).encode()


def escape(text: str) -> str:
    """Escape ``text`` for an attribute or an element."""
    return text.translate(_ENTITIES) if _SPECIAL.search(text) else text


_escape_again = lru_cache(maxsize=4096)(escape)  # for texts that repeat: requires-python


def _version(page: Page) -> str:
    """Return the lowest API version that has everything in this form.

    HTML lacks versions and sizes. So 1.1 says nothing here.
    """
    if not has_default_status(page):
        return "1.4"
    return "1.3" if any(file.provenance is not None for file in page.files) else "1.0"


def _meta(name: str, content: str) -> str:
    """Return one ``<meta>`` line."""
    return f'    <meta name="{name}" content="{escape(content)}">\n'


def _anchor(file: File, timed: bool) -> str:
    """Return the line of one file, with its upload time if ``timed``.

    A yank always has a value, because pip ignores a bare attribute.
    """
    python = file.requires_python
    extra = "" if python is None else f' data-requires-python="{_escape_again(python)}"'
    if file.core_metadata:  # "none" and "unknown" must not be written: pip reads any value as "yes"
        claim = _claim(file.core_metadata)
        extra += f' data-dist-info-metadata="{claim}" data-core-metadata="{claim}"'
    if file.gpg_sig is not None:
        extra += f' data-gpg-sig="{"true" if file.gpg_sig else "false"}"'
    if file.provenance is not None:
        extra += f' data-provenance="{escape(file.provenance)}"'
    if timed and file.upload_time is not None:
        extra += f' data-upload-time="{escape(file.upload_time)}"'
    if file.yanked is not None:
        extra += f' data-yanked="{escape(file.yanked.reason)}"'
    link, name = file.url, file.filename
    if _SPECIAL.search(link + name):
        link, name = escape(link), escape(name)
    return f'<a href="{link}{_fragment(file.hashes)}"{extra}>{name}</a><br>\n'


def _fragment(hashes: Hashes) -> str:
    """Return the fragment.

    Only sha256 is written, because uv refuses a whole page because of sha1.
    """
    for algorithm, digest in hashes:
        if algorithm == "sha256":
            return f"#sha256={escape(digest)}"
    return ""


def _claim(metadata: bool | Hashes) -> str:
    """Return the metadata claim.

    This is the sha256 if there is one, or else only that the metadata exists.
    """
    return "true" if metadata is True else _fragment(metadata or ())[1:] or "true"
