"""Writes the form for followers beside pages whose removal a guard holds.

Such a page stays as it was published and is not rendered again: upstream has no page of it any
more. But a program that follows this mirror takes a listed project without that form for deleted.
So it is made of the page in the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.errors import BadAnswer, PublishError
from yanksync.core.formats.legacy_json_writer import render_document
from yanksync.core.model import Published
from yanksync.core.policies.yanked import offered
from yanksync.mirror.context import Mirror, log
from yanksync.output.reconcile import FormWork, Write, digest
from yanksync.state.project_rows import Project
from yanksync.sync.publish import BATCH, tell_failures
from yanksync.sync.published_page import page_in


class _StandIn(Struct, frozen=True):
    """A document to be put beside a page that stays as it is."""

    row: Project
    stands: Published
    document: bytes
    copies: tuple[tuple[str, bytes], ...]  # (codec, compressed document)


def stand_in(mirror: Mirror, held: Sequence[int]) -> None:
    """Put a document beside the pages of these projects, which a guard holds and which lack one.

    Raises :class:`PublishError` when nothing more can be written, and
    :class:`yanksync.core.errors.StateError`.
    """
    for start in range(0, len(held), BATCH):
        if not mirror.stopping():
            _stand_in(mirror, held[start : start + BATCH])


def _stand_in(mirror: Mirror, held: Sequence[int]) -> None:
    state = mirror.state
    made = list(_made(mirror, state.projects.by_id(held)))
    names = [one.row.name for one in made]
    if mirror.fence is not None:
        mirror.fence.load(state, names)
    failures = mirror.store.apply([_work(one) for one in made])
    failed = {failure.name: failure.why for failure in failures}
    with state.transaction():
        done = [one for one in made if one.row.name not in failed]
        state.unpublished.documented(
            (one.row.id, digest(one.document), (*one.stands.copies, *_names(one))) for one in done
        )
        if hooks := mirror.settings.hooks.names:
            stood = [(one.row.name, layout.codecs_of(one.stands.copies)) for one in done]
            state.outbox.add(hooks, stood)
        if mirror.fence is not None:
            mirror.fence.save(state, names)
    if failed:
        fatal = len(failed) == len(made) and any(failure.fatal for failure in failures)
        tell_failures(mirror, failed, fatal=fatal)


def _work(one: _StandIn) -> Write:
    form = FormWork(filename=layout.LEGACY.filename, body=one.document, siblings=one.copies)
    return Write(name=one.row.name, forms=(form,), tidy=False)


def _names(one: _StandIn) -> list[str]:
    return [layout.LEGACY.filename + layout.SUFFIX[codec] for codec, _ in one.copies]


def _made(mirror: Mirror, rows: Sequence[Project]) -> Iterator[_StandIn]:
    for row in rows:
        stands = row.published
        if stands is None:
            continue
        try:
            document = _document(mirror, row, stands)
        except (BadAnswer, PublishError) as error:
            if mirror.tally.tells(f"no stand-in {row.name}"):
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
            yield _StandIn(row, stands, document, copies)


def _document(mirror: Mirror, row: Project, stands: Published) -> bytes:
    body = mirror.store.read(row.name, layout.V1_JSON.filename)
    if body is None or digest(body) != stands.json:
        raise PublishError(layout.directory(row.name), "it is not the one that was published")
    page = page_in(row.name, body)
    return render_document(offered(page, mirror.settings.mirror.yanked.value))
