"""Splits what is to be published into parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yanksync.core.parts import parts_that_fit
from yanksync.mirror.context import Mirror
from yanksync.state.queues.publish import QueuedProject

MOST = 1 << 20
"""Bytes of the pages of a batch, as the state holds them: compressed.

Each may take fifty while its page is judged and rendered."""


def page_batches(
    mirror: Mirror, queued: Sequence[QueuedProject], most: int = MOST
) -> Iterator[list[QueuedProject]]:
    """Yield ``queued`` in parts.

    The held pages of each have ``most`` bytes together; a larger page is alone.
    """
    sizes = mirror.state.projects.page_sizes([one.id for one in queued])
    yield from parts_that_fit(((one, sizes.get(one.id, 0)) for one in queued), most)
