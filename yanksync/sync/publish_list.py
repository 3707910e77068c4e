"""Stage 8 for the list of projects: when it is written anew, and what from.

It goes behind the pages: whoever follows this mirror by its list finds no page older than it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from yanksync.core import layout
from yanksync.core.formats import project_list_writer
from yanksync.core.model import ListedProject
from yanksync.mirror.context import Mirror
from yanksync.output.digests import new_digest
from yanksync.output.store import ListForm
from yanksync.state.facts import UNREAD
from yanksync.state.queues.hooks import LEGACY

LIST_DIGESTS = {layout.V1_JSON.filename: "list_json", layout.LEGACY.filename: "list_legacy"}
"""Where the state keeps the digest of what was written, of the forms with serials in them."""

ANY_COPIES = " ".join((*layout.SUFFIX, LEGACY))
"""As ``list_codecs``: nobody knows what stands beside the list."""


def publish_list(mirror: Mirror) -> None:
    """Write the list of projects anew when its projects changed, or its serials long enough ago."""
    facts = mirror.state.facts
    now = mirror.now()
    written = facts.moment("list_written")
    changed = facts.flag("list_changed") or written is None
    if not changed:
        interval = mirror.settings.mirror.list_interval
        if not facts.flag("list_serials") or 0 <= now - (written or 0) < interval:
            return
    serial = facts.followed_serial
    newest = facts.number("tree_serial") or 0
    if (serial or 0) < newest or (serial is None and facts.text("catching_up") == UNREAD):
        return  # the one that stands there is newer than this state
    followed = facts.text(LIST_DIGESTS[layout.LEGACY.filename]) is not None
    digests: dict[str, str] = {}
    forms = tuple(
        ListForm(form.filename, partial(_digested, form, digests))
        for form in list_forms(mirror, serial)
    )
    facts.put(list_serial_writing=-1 if serial is None else serial)
    mirror.progress.expect("writing the list", 0)
    with mirror.store.conditions(mirror.state.etags, [layout.LIST_KEY]):
        copies = mirror.store.write_list(forms, mirror.settings.mirror.compress)
    stamp = mirror.store.published_list().stamp
    with mirror.state.transaction():
        facts.put(
            list_changed=None,
            list_serials=None,
            list_written=now,
            list_serial_written=serial,
            list_serial_writing=None,
            list_stamp=stamp,
            list_copies=" ".join(copies),
            **{key: digests.get(filename) for filename, key in LIST_DIGESTS.items()},
        )
        if hooks := mirror.settings.hooks.enabled:
            before = (facts.text("list_codecs") or "").split()
            if followed:
                before.append(LEGACY)
            mirror.state.hook_queue.add(hooks, [(layout.LIST_KEY, before)])
            facts.put(list_codecs=" ".join(mirror.settings.mirror.compress))


def list_forms(mirror: Mirror, serial: int | None) -> tuple[ListForm, ...]:
    """Return all forms of the list of projects, as they follow from the state."""
    both = project_list_writer.ProjectListForms(lambda: _rows(mirror), serial)
    forms = (
        ListForm(layout.V1_JSON.filename, both.json),
        ListForm(layout.HTML.filename, both.html),
    )
    if not mirror.settings.mirror.legacy_json:
        return forms
    serials = partial(project_list_writer.serial_rows, lambda: _rows(mirror))
    return (*forms, ListForm(layout.LEGACY.filename, serials))


def _digested(form: ListForm, digests: dict[str, str]) -> Iterator[bytes]:
    """Yield a form, and leave in ``digests`` what was written: its serials age (``verify``)."""
    engine = new_digest()
    for chunk in form.chunks():
        engine.update(chunk)
        yield chunk
    digests[form.filename] = engine.hexdigest()


def _rows(mirror: Mirror) -> Iterable[ListedProject]:
    return mirror.state.projects.listing()
