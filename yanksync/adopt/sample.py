"""Fetches a few pages to decide whether a tree can be trusted."""

from __future__ import annotations

from hashlib import blake2b
from heapq import nsmallest

from yanksync.adopt.page_trust import PagePair, SampleVerdict, judge_sample, read_page
from yanksync.core import layout
from yanksync.core.errors import YanksyncError
from yanksync.core.model import Page
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.rules.fetch_plan import FetchTask
from yanksync.core.rules.verdicts import PageFound
from yanksync.mirror.context import Mirror
from yanksync.sync.fetch import FetchFailure, PageRequest, fetch

SAMPLE_SIZE = 20
"""How many of upstream's pages are asked for."""


def fetch_sample(mirror: Mirror) -> SampleVerdict:
    """Ask upstream for a few pages and compare the tree's with them.

    They are chosen by a hash of the name, so they are spread over the tree, and are the same in
    every run. Raises :class:`yanksync.core.errors.UpstreamError` if upstream does not answer.
    """
    chosen: list[tuple[NormalizedName, Page]] = []
    mirrored = filter(mirror.settings.is_mirrored, mirror.store.names())
    hashed = nsmallest(10 * SAMPLE_SIZE, mirrored, key=_spread)
    required_serials = mirror.state.fetch_queue.required_serials(hashed)
    for name in hashed:
        ours = _tree_page(mirror, name) if required_serials.get(name) is not None else None
        if ours is not None and ours.serial == required_serials[name] and ours.files:
            chosen.append((NormalizedName(name), ours))
    pages = dict(chosen[:SAMPLE_SIZE])
    questions = [PageRequest(FetchTask(name=name), None) for name in pages]
    pairs, failed = [], None
    for result in fetch(mirror.upstream, questions, mirror.settings.upstream.workers):
        if isinstance(result.answer, PageFound):
            pairs.append(PagePair(pages[result.task.name], result.answer.page))
        elif isinstance(result.answer, FetchFailure):
            failed = result.answer.error
    if failed is not None and not pairs:
        raise failed
    return judge_sample(pairs)


def _spread(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()


def _tree_page(mirror: Mirror, name: str) -> Page | None:
    """Return a page of the tree.

    None: there is none that can be read.
    """
    if normalize(name) != name:
        return None
    try:
        body = mirror.store.read(name, layout.V1_JSON.filename)
        if body is None:
            return None
        return read_page(NormalizedName(name), body, SampleVerdict(), mirror.upstream.rules).page
    except YanksyncError:
        return None
