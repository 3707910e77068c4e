"""Asks upstream for a few pages, to know what those of a tree are worth."""

from __future__ import annotations

from hashlib import blake2b
from heapq import nsmallest

from yanksync.adopt.page_trust import Ground, Pair, ground_of, read_page
from yanksync.core import layout
from yanksync.core.errors import YanksyncError
from yanksync.core.model import Page
from yanksync.core.names import NormalizedName, normalized
from yanksync.core.rules.fetch_plan import Look
from yanksync.core.rules.verdicts import Found
from yanksync.mirror.context import Mirror
from yanksync.sync.fetch import Failed, Question, fetch

SAMPLE = 20
"""How many of upstream's pages are asked for."""


def sample(mirror: Mirror) -> Ground:
    """Ask upstream for a few pages and hold the tree's against them.

    They are chosen by a hash of the name: spread over the tree, and the same in every run. Raises
    :class:`yanksync.core.errors.UpstreamError` when upstream is away.
    """
    chosen: list[tuple[NormalizedName, Page]] = []
    mirrored = filter(mirror.settings.mirrors, mirror.store.names())
    hashed = nsmallest(10 * SAMPLE, mirrored, key=_spread)
    reaches = mirror.state.pending.reaches(hashed)
    for name in hashed:
        ours = _page(mirror, name) if reaches.get(name) is not None else None
        if ours is not None and ours.serial == reaches[name] and ours.files:
            chosen.append((NormalizedName(name), ours))
    pages = dict(chosen[:SAMPLE])
    questions = [Question(Look(name=name), None) for name in pages]
    pairs, failed = [], None
    for one in fetch(mirror.upstream, questions, mirror.settings.upstream.workers):
        if isinstance(one.answer, Found):
            pairs.append(Pair(pages[one.look.name], one.answer.page))
        elif isinstance(one.answer, Failed):
            failed = one.answer.error
    if failed is not None and not pairs:
        raise failed
    return ground_of(pairs)


def _spread(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()


def _page(mirror: Mirror, name: str) -> Page | None:
    if normalized(name) != name:
        return None
    try:
        body = mirror.store.read(name, layout.V1_JSON.filename)
        if body is None:
            return None
        return read_page(NormalizedName(name), body, Ground(), mirror.upstream.rules).page
    except YanksyncError:
        return None
