"""Makes the pages of a first build in several processes.

Python runs one thread at a time, and these steps are Python code, so threads would wait for each
other (docs/design/decisions/speed.rst#decision-helpers). This process fetches pages and writes the
state. Each helper gets some raw pages, returns the facts for recording them, and publishes them
after the commit. It leaves unusual pages to this process.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from yanksync.core.rules.verdicts import PageFound
from yanksync.mirror.context import Mirror, log
from yanksync.output.disk.store import DiskStore
from yanksync.output.reconcile import WriteProject
from yanksync.state.project_rows import StoredPage
from yanksync.sync.fetch import FetchResult, PageRequest, interpret_answer
from yanksync.sync.first_build.helper_process import PUBLISHED_FORMS, READ_PAGES, Helper, ReadPage
from yanksync.sync.publish import (
    PublishOutcome,
    RenderedProject,
    load_batch,
    mark_published,
    publish,
)
from yanksync.sync.record import RecordResult
from yanksync.sync.recovery.published_state import PublishTask
from yanksync.upstream.client import RawPage

_BATCH = 200  # pages
_BATCH_BYTES = 4 << 20
_LARGEST = 1 << 20  # bytes of a page; this process reads larger ones, so that helpers stay small
_BATCH_SECONDS = 2.0  # or this time: a page does not wait for a full batch
_MOST = 4  # one process cannot feed more helpers

Recorder = Callable[[Sequence[FetchResult]], RecordResult]
"""Records answers, as :func:`yanksync.sync.record.record` does."""


def can_use_helpers(mirror: Mirror) -> bool:
    """Return True if this process can use helpers.

    A process with threads cannot be forked safely, and the service makes its passes in a thread.
    """
    return (
        sys.platform == "linux"
        and len(os.sched_getaffinity(0)) > 1
        and isinstance(mirror.store, DiskStore)
        and not mirror.settings.copies_files
        and mirror.offers.is_off  # only this process knows the times of files
        and mirror.state.facts.recovery.serial is None
        and threading.active_count() == 1
    )


class Helpers:
    """The helpers of a pass and their batches, for one thread."""

    def __init__(self, mirror: Mirror, record: Recorder) -> None:
        self._mirror = mirror
        self._record = record
        self._team: list[Helper] = []
        self._poll = select.poll()
        self._batch: list[tuple[PageRequest, RawPage]] = []
        self._size, self._begun = 0, mirror.monotonic()
        self._failed = False  # a helper failed: this process does the rest

    def __enter__(self) -> Helpers:
        """Start the helpers, before there is a second thread."""
        for _ in range(min(len(os.sched_getaffinity(0)), _MOST)):
            try:
                helper = Helper(self._mirror, self._team)
            except OSError:  # too many processes, or open files
                break
            self._team.append(helper)
            self._poll.register(helper.line, select.POLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        """End the helpers, after they have finished writing."""
        for helper in self._team:
            helper.end()

    def take(self, request: PageRequest, page: RawPage) -> bool:
        """Give a page to a helper; False: helpers do not take it."""
        if self._failed or not request.fresh or len(page.body) > _LARGEST:
            return False
        now = self._mirror.monotonic()
        if not self._batch:
            self._size, self._begun = 0, now
        self._batch.append((request, page))
        self._size += len(page.body)
        late = now - self._begun > _BATCH_SECONDS
        if len(self._batch) >= _BATCH or self._size >= _BATCH_BYTES or late:
            self._submit()
        elif self._poll.poll(0):
            self._receive(0)
        return True

    def settle(self) -> None:
        """Record and publish all taken pages. Raises as :func:`publish`."""
        self._submit()
        while any(helper.busy for helper in self._team):
            self._receive(None)

    def _submit(self) -> None:
        """Give the batch to an idle helper.

        If there is none, wait.
        """
        batch, self._batch = self._batch, []
        if not batch:
            return
        while not self._failed:
            helper = next((one for one in self._team if not one.busy), None)
            if helper is None and self._team:
                self._receive(None)
            elif helper is not None and helper.read(batch):
                return
            else:
                self._give_up()
        self._publish_here(batch)

    def _receive(self, timeout: int | None) -> None:
        """Take the answers of helpers.

        The pages they read are recorded, and the pages they wrote are noted.
        """
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout)}
        for helper in self._team:
            if helper.line.fileno() in ready:
                try:
                    answer = helper.answer()
                except (OSError, EOFError):
                    answer = None
                    self._poll.unregister(helper.line)
                if helper.batch:
                    self._was_read(helper, answer)
                else:
                    self._was_written(helper, answer)

    def _was_read(self, helper: Helper, answer: bytearray | None) -> None:
        batch, helper.batch = helper.batch, []
        if answer is None:
            self._give_up()
            self._publish_here(batch)
            return
        fetched: list[FetchResult] = []
        positions: dict[str, int] = {}
        came_all = zip(batch, READ_PAGES.decode(answer), strict=True)
        for place, ((request, page), came) in enumerate(came_all):
            fetched.append(self._read(request, page, came))
            if came is not None:
                positions[request.name] = place
        recorded = self._record(fetched)
        mine: list[PublishTask] = []
        others: list[PublishTask] = []
        for one in load_batch(self._mirror, recorded.queued, recorded.pages):
            (mine if _is_ordinary(one) and one.row.name in positions else others).append(one)
        if others:
            publish(self._mirror, [one.queued for one in others])
        if mine and not helper.publish(mine, [positions[one.row.name] for one in mine]):
            self._was_written(helper, None)

    def _read(self, request: PageRequest, page: RawPage, came: ReadPage | None) -> FetchResult:
        if came is None:
            return interpret_answer(request.task, page, self._mirror.upstream.rules)
        stored = StoredPage(
            body=came.body,
            content_type=page.content_type,
            url=page.url,
            header_serial=page.header_serial,
        )
        return FetchResult(
            task=request.task,
            answer=PageFound(page=came.page),
            stored=stored,
            etag=page.etag,
            is_json=came.is_json,
            warnings=came.warnings,
        )

    def _was_written(self, helper: Helper, answer: bytearray | None) -> None:
        written, helper.wanted = helper.wanted, []
        stands = None if answer is None else PUBLISHED_FORMS.decode(answer)
        if stands is None:
            self._give_up()
            publish(self._mirror, [replace(one.queued, write_started=True) for one in written])
            return
        done = [
            RenderedProject(
                one.queued,
                one.row,
                WriteProject(name=one.row.name, forms=(), remove_leftovers=False),
                stood,
            )
            for one, stood in zip(written, stands, strict=True)
        ]
        mark_published(self._mirror, PublishOutcome(done, {}, fatal=False))

    def _publish_here(self, batch: Sequence[tuple[PageRequest, RawPage]]) -> None:
        rules = self._mirror.upstream.rules
        recorded = self._record(
            [interpret_answer(request.task, page, rules) for request, page in batch]
        )
        publish(self._mirror, recorded.queued, recorded.pages)

    def _give_up(self) -> None:
        if not self._failed:
            log.debug("a helper could not do its part; this process does it, and the rest")
        self._failed = True


def _is_ordinary(one: PublishTask) -> bool:
    """Return True if a new page is written as it was read."""
    row = one.row
    is_new = row.published is None and row.quarantine_serial is None
    return is_new and one.page is not None and one.content is None and not one.queued.write_started
