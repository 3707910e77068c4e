"""Writes the form for followers beside pages whose removal a guard holds.

Such a page stays as it was published. Upstream no longer has it. So it is never rendered again. But
a follower of this mirror treats a listed project as deleted if it lacks that form. So the form is
made from the page in the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer, PublishError
from yanksync.core.formats.legacy_json_writer import render_document
from yanksync.core.model import PublishedForms
from yanksync.core.policies.yanked import offered_page
from yanksync.mirror.context import Mirror, log
from yanksync.output.digests import digest
from yanksync.output.reconcile import FormUpdate, WriteProject
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.publish import BATCH, report_failures
from yanksync.sync.published_page import for_followers, parse_published_page


class _HeldDocument(Struct, frozen=True):
    """A document beside a page that stays as it is."""

    row: ProjectRow
    forms: PublishedForms
    document: bytes
    copies: tuple[tuple[str, bytes], ...]  # (codec, compressed document)


def write_held_documents(mirror: Mirror, held: Sequence[int]) -> None:
    """Write the older JSON form for held projects that lack it.

    Raises :class:`PublishError` if no file can be written any more, and
    :class:`yanksync.core.errors.StateError`.
    """
    for start in range(0, len(held), BATCH):
        if not mirror.stopping():
            _write_batch(mirror, held[start : start + BATCH])


def _write_batch(mirror: Mirror, held: Sequence[int]) -> None:
    state = mirror.state
    made = list(_documents(mirror, state.projects.by_id(held)))
    with mirror.store.conditions(state.etags, [one.row.name for one in made]):
        failures = mirror.store.apply([_work(one) for one in made])
    failed = {failure.name: failure.why for failure in failures}
    with state.transaction():
        done = [one for one in made if one.row.name not in failed]
        state.publish_queue.set_legacy_digests(
            (one.row.id, digest(one.document), (*one.forms.copies, *_names(one))) for one in done
        )
        if hooks := mirror.settings.hooks.enabled:
            stood = [(one.row.name, layout.codecs_of(one.forms.copies)) for one in done]
            state.hook_queue.add(hooks, stood)
    if failed:
        fatal = len(failed) == len(made) and any(failure.fatal for failure in failures)
        report_failures(mirror.totals, failed, fatal=fatal)


def _work(one: _HeldDocument) -> WriteProject:
    form = FormUpdate(filename=layout.LEGACY.filename, body=one.document, copies=one.copies)
    return WriteProject(name=one.row.name, forms=(form,), remove_leftovers=False)


def _names(one: _HeldDocument) -> list[str]:
    return [layout.LEGACY.filename + layout.SUFFIX[codec] for codec, _ in one.copies]


def _documents(mirror: Mirror, rows: Sequence[ProjectRow]) -> Iterator[_HeldDocument]:
    for row in rows:
        forms = row.published
        if forms is None:
            continue
        try:
            document = _document(mirror, row, forms)
        except (InvalidAnswer, PublishError) as error:
            if mirror.totals.first_time(f"no stand-in {row.name}"):
                log.warning(
                    "%s: is held, and nothing for followers can be made of its page: %s",
                    row.name,
                    error,
                    extra={"project": row.name},
                )
        else:
            codecs = mirror.settings.mirror.compress
            made = ((codec, mirror.store.compress(codec, document)) for codec in codecs)
            copies = tuple((codec, copy) for codec, copy in made if copy is not None)
            yield _HeldDocument(row, forms, document, copies)


def _document(mirror: Mirror, row: ProjectRow, forms: PublishedForms) -> bytes:
    body = mirror.store.read(row.name, layout.V1_JSON.filename)
    if body is None or digest(body) != forms.json:
        raise PublishError(layout.directory(row.name), "it is not the one that was published")
    page = parse_published_page(row.name, body)
    copies = mirror.state.package_files.by_project([row.name]).get(row.name, ())
    page = for_followers(page, copies)
    return render_document(offered_page(page, mirror.settings.mirror.yanked.value))
