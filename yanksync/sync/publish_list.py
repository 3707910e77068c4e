"""Stage 8: writes the list of projects.

It is written after the pages, so a follower of the list never finds a page that is older than its
row.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from yanksync.core import layout
from yanksync.core.formats import project_list_writer
from yanksync.mirror.context import Mirror
from yanksync.output.digests import new_digest
from yanksync.output.store import ListForm
from yanksync.state.facts import NO_SERIAL, UNREAD, PublishedListRecord
from yanksync.state.queues.hooks import LEGACY

ANY_COPIES = " ".join((*layout.SUFFIX, LEGACY))
"""As the codecs of the published list: its copies are unknown."""


def publish_list(mirror: Mirror) -> None:
    """Write the list of projects if it is due.

    It is due when projects come or go, and for new serials after ``list_interval``.
    """
    facts = mirror.state.facts
    now = mirror.now()
    known = facts.published_list
    if not known.changed and known.written is not None:
        interval = mirror.settings.mirror.list_interval
        if not known.serials or 0 <= now - known.written < interval:
            return
    serial = facts.followed_serial
    recovery = facts.recovery
    if (serial or 0) < (recovery.serial or 0) or (serial is None and recovery.phase == UNREAD):
        return  # the published one is newer than this state
    digests: dict[str, str] = {}
    forms = tuple(
        ListForm(form.filename, partial(_digested, form, digests))
        for form in list_forms(mirror, serial)
    )
    facts.change(PublishedListRecord, serial_writing=NO_SERIAL if serial is None else serial)
    mirror.progress.expect("writing the list", 0)
    with mirror.store.conditions(mirror.state.etags, [layout.LIST_KEY]):
        copies = mirror.store.write_list(forms, mirror.settings.mirror.compress)
    stamp = mirror.store.published_list().stamp
    with mirror.state.transaction():
        hooks, codecs = mirror.settings.hooks.enabled, known.codecs
        if hooks:
            before = [*(codecs or "").split(), *([] if known.legacy is None else [LEGACY])]
            mirror.state.hook_queue.add(hooks, [(layout.LIST_KEY, before)])
            codecs = " ".join(mirror.settings.mirror.compress)
        facts.published_list = PublishedListRecord(
            written=now,
            serial_written=serial,
            stamp=stamp,
            copies=" ".join(copies),
            codecs=codecs,
            json=digests.get(layout.V1_JSON.filename),
            legacy=digests.get(layout.LEGACY.filename),
        )


def list_forms(mirror: Mirror, serial: int | None) -> tuple[ListForm, ...]:
    """Return all forms of the list of projects."""
    listing = mirror.state.projects.listing
    rows = partial(listing, revisions=not mirror.offers.is_off)
    both = project_list_writer.ProjectListForms(rows, serial)
    forms = (
        ListForm(layout.V1_JSON.filename, both.json),
        ListForm(layout.HTML.filename, both.html),
    )
    if not mirror.settings.mirror.legacy_json:
        return forms
    serials = partial(project_list_writer.serial_rows, listing)
    return (*forms, ListForm(layout.LEGACY.filename, serials))


def _digested(form: ListForm, digests: dict[str, str]) -> Iterator[bytes]:
    """Yield a form, and store its digest in ``digests``.

    ``verify`` compares with it, because the serials change later.
    """
    engine = new_digest()
    for chunk in form.chunks():
        engine.update(chunk)
        yield chunk
    digests[form.filename] = engine.hexdigest()
