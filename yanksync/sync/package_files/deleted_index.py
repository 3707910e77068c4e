"""Publishes the index of deleted files below ``deleted/simple/``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import sha256

from yanksync.core import layout
from yanksync.core.errors import PublishError
from yanksync.core.formats import json_page_writer, project_list_writer
from yanksync.core.formats.html import page_writer as html_page_writer
from yanksync.core.model import ListedProject
from yanksync.core.package_files.copies import PackageFile
from yanksync.core.package_files.retention import deleted_page
from yanksync.mirror.context import Mirror, log
from yanksync.output.files import OutputFile
from yanksync.state.facts import AppliedConfig
from yanksync.state.package_files.kept import LIST

_BATCH = 500
_FORMS = (layout.V1_JSON, layout.V1_HTML, layout.HTML)


def publish_deleted_index(mirror: Mirror) -> None:
    """Write the changed pages of the index of deleted files.

    Without ``files.deleted_index`` the index is removed. A page that cannot be written is logged,
    and the next pass tries again.
    """
    try:
        if mirror.settings.files.deleted_index:
            _publish(mirror)
        elif mirror.state.facts.config.deleted_index:
            _remove(mirror)
    except PublishError as error:
        mirror.totals.causes[error.cause] += 1
        mirror.totals.problem = mirror.totals.problem or str(error)
        log.error("%s; the next pass writes the index of deleted files again", error)


def _publish(mirror: Mirror) -> None:
    kept = mirror.state.kept_files
    mirror.state.facts.change(AppliedConfig, deleted_index=True)
    while not mirror.stopping() and (names := kept.changed_pages(_BATCH)):
        copies = mirror.state.package_files.by_project(names)
        files, digests, gone = [], [], []
        for name in names:
            forms = page_forms(name, copies.get(name, ()))
            if forms is None:
                gone.append(name)
            else:
                files += output_files(name, forms)
                digests.append((name, digest(forms)))
        mirror.store.write_files(files)
        mirror.store.delete_files(path for name in gone for path in _paths(name))
        with mirror.state.transaction():
            kept.pages_written([*digests, (LIST, None)], gone)
    if kept.is_list_due() and not mirror.stopping():
        forms = list_forms(kept.page_digests())
        mirror.store.write_files(output_files(None, forms))
        kept.pages_written([(LIST, digest(forms))], [])


def page_forms(name: str, copies: Sequence[PackageFile]) -> tuple[bytes, bytes] | None:
    """Return a project's page in JSON and HTML; None: nothing is kept."""
    page = deleted_page(name, copies)
    if page is None:
        return None
    return json_page_writer.render_page(page), html_page_writer.render_page(page)


def list_forms(names: Iterable[str]) -> tuple[bytes, bytes]:
    """Return the list of the index in JSON and HTML."""
    rows = [ListedProject(name, name) for name in names if name != LIST]
    forms = project_list_writer.ProjectListForms(partial(iter, rows), None)
    return b"".join(forms.json()), b"".join(forms.html())


def digest(forms: tuple[bytes, bytes]) -> bytes:
    """Return the digest of both forms."""
    return sha256(b"".join(forms)).digest()


def expected_files(mirror: Mirror, name: str) -> list[OutputFile]:
    """Return the files of a page, or of the list."""
    if name == LIST:
        return output_files(None, list_forms(mirror.state.kept_files.page_digests()))
    copies = mirror.state.package_files.by_project([name]).get(name, ())
    forms = page_forms(name, copies)
    return [] if forms is None else output_files(name, forms)


def output_files(name: str | None, forms: tuple[bytes, bytes]) -> list[OutputFile]:
    """Return the files of a page; None: of the list."""
    json, html = forms
    bodies = (json, html, html)
    return [
        OutputFile(path, layout.headers(form.filename), partial(iter, [body]))
        for path, form, body in zip(_paths(name), _FORMS, bodies, strict=True)
    ]


def _paths(name: str | None) -> list[str]:
    base = layout.DELETED_ROOT if name is None else f"{layout.DELETED_ROOT}/{name}"
    return [f"{base}/{form.filename}" for form in _FORMS]


def _remove(mirror: Mirror) -> None:
    log.info("files.deleted_index is false; removing %s/", layout.DELETED_ROOT)
    kept = mirror.state.kept_files
    for name in kept.page_names():  # includes pages that this pass has changed
        mirror.store.delete_files(_paths(name or None))
    with mirror.state.transaction():
        kept.distrust_pages()
        mirror.state.facts.change(AppliedConfig, deleted_index=None)
