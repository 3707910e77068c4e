"""Reads, renders and writes the pages of a first build in processes of their own.

Python runs one thread at a time, and these steps are Python: threads only make each other wait
(RATIONALE.rst). This process asks upstream and keeps the state. Each helper gets a portion of raw
pages, answers with what recording them needs, and publishes them once that is committed. A helper
does nothing out of the ordinary: it leaves that to this process, which does it in the ordinary way.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from yanksync.deflate import packed
from yanksync.fetch import Fetched, Question, read
from yanksync.mirror import Mirror, log
from yanksync.model import Page, Published
from yanksync.names import NormalizedName
from yanksync.publish import durable
from yanksync.publish.compress import copy_of
from yanksync.publish.disk import DiskStore
from yanksync.publish.reconcile import Work, Write, copies_of, published, reconcile
from yanksync.publishing import Outcome, Rendering, gather, note, publish
from yanksync.record import Batch
from yanksync.recovery import Wanted
from yanksync.showing import rendering_of
from yanksync.state.projects import StoredPage
from yanksync.upstream.parsing import parse_page
from yanksync.upstream.source import RawPage
from yanksync.weigh import Found

_PORTION = 200  # pages
_PORTION_BYTES = 4 << 20
_PORTION_SECONDS = 2.0  # or what came in so long: a page does not wait for a full portion
_MOST = 4  # of them one process can feed no more
_HEAD = 8  # bytes that say how long a message is
_READ, _PUBLISH = b"r", b"p"

Recorder = Callable[[Sequence[Fetched]], Batch]
"""Records answers, as :func:`yanksync.record.record` does."""


class _Came(Struct, array_like=True, frozen=True):
    """What a helper read."""

    page: Page  # the brief one, see _brief
    body: bytes  # packed for the state
    json: bool
    notes: tuple[str, ...]


_RAW = msgspec.msgpack.Decoder(list[tuple[NormalizedName, RawPage]])
_CAME = msgspec.msgpack.Decoder(list[_Came | None])
_STANDS = msgspec.msgpack.Decoder(list[Published] | None)
_ENCODER = msgspec.msgpack.Encoder()


def possible(mirror: Mirror) -> bool:
    """Return True if this process can have helpers, and they are of use.

    A process with threads cannot be forked safely; the service makes its passes in one.
    """
    return (
        sys.platform == "linux"
        and len(os.sched_getaffinity(0)) > 1
        and isinstance(mirror.store, DiskStore)
        and mirror.fence is None
        and mirror.state.meta.number("tree_serial") is None
        and threading.active_count() == 1
    )


class Helpers:
    """The helpers of a pass, and the portions that they work on. For one thread."""

    def __init__(self, mirror: Mirror, record: Recorder) -> None:
        self._mirror = mirror
        self._record = record
        self._team: list[_Helper] = []
        self._most = min(len(os.sched_getaffinity(0)), _MOST)
        self._poll = select.poll()
        self._portion: list[tuple[Question, RawPage]] = []
        self._size, self._begun = 0, mirror.monotonic()
        self._failed = False  # a helper met with something: this process does the rest

    def __enter__(self) -> Helpers:
        return self

    def __exit__(self, *_: object) -> None:
        """End the helpers, once they have finished what they are writing."""
        for helper in self._team:
            helper.end()

    def take(self, question: Question, page: RawPage) -> bool:
        """Take a page that came in to be read by a helper; False: it is not for one."""
        if self._failed or not question.fresh:
            return False
        now = self._mirror.monotonic()
        if not self._portion:
            self._size, self._begun = 0, now
        self._portion.append((question, page))
        self._size += len(page.body)
        late = now - self._begun > _PORTION_SECONDS
        if len(self._portion) >= _PORTION or self._size >= _PORTION_BYTES or late:
            self._submit()
        elif self._poll.poll(0):
            self._hear(0)
        return True

    def settle(self) -> None:
        """Record and publish everything that was taken. Raises what :func:`publish` raises."""
        self._submit()
        while any(helper.busy for helper in self._team):
            self._hear(None)

    def _submit(self) -> None:
        """Give the portion to a helper that has nothing to do; wait until there is one."""
        portion, self._portion = self._portion, []
        if not portion:
            return
        while not self._failed:
            helper = self._idle()
            if helper is None:
                self._hear(None)
            elif helper.read(portion):
                return
            else:
                self._give_up()
        self._do_it_here(portion)

    def _idle(self) -> _Helper | None:
        for helper in self._team:
            if not helper.busy:
                return helper
        if len(self._team) >= self._most:
            return None
        try:
            helper = _Helper(self._mirror, self._team)
        except OSError:  # too many processes, or open files
            self._give_up()
            return None
        self._team.append(helper)
        self._poll.register(helper.line, select.POLLIN)
        return helper

    def _hear(self, timeout: int | None) -> None:
        """Take what helpers have to say: what they read is recorded, what they wrote is noted."""
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout)}
        for helper in self._team:
            if helper.line.fileno() in ready:
                try:
                    answer = helper.answer()
                except (OSError, EOFError):
                    answer = None
                    self._poll.unregister(helper.line)
                if helper.portion:
                    self._was_read(helper, answer)
                else:
                    self._was_written(helper, answer)

    def _was_read(self, helper: _Helper, answer: bytearray | None) -> None:
        portion, helper.portion = helper.portion, []
        if answer is None:
            self._give_up()
            self._do_it_here(portion)
            return
        fetched: list[Fetched] = []
        places: dict[str, int] = {}
        came_all = zip(portion, _CAME.decode(answer), strict=True)
        for place, ((question, page), came) in enumerate(came_all):
            fetched.append(self._read(question, page, came))
            if came is not None:
                places[question.name] = place
        batch = self._record(fetched)
        mine: list[Wanted] = []
        others: list[Wanted] = []
        for one in gather(self._mirror, batch.awaiting, batch.pages):
            (mine if _is_ordinary(one) and one.row.name in places else others).append(one)
        if others:
            publish(self._mirror, [one.one for one in others])
        if mine and not helper.publish(mine, [places[one.row.name] for one in mine]):
            self._was_written(helper, None)

    def _read(self, question: Question, page: RawPage, came: _Came | None) -> Fetched:
        if came is None:
            return read(question.look, page, self._mirror.upstream.rules)
        stored = StoredPage(
            body=came.body, media=page.media, url=page.url, header_serial=page.header_serial
        )
        return Fetched(
            look=question.look,
            answer=Found(page=came.page),
            stored=stored,
            etag=page.etag,
            json=came.json,
            notes=came.notes,
        )

    def _was_written(self, helper: _Helper, answer: bytearray | None) -> None:
        written, helper.wanted = helper.wanted, []
        stands = None if answer is None else _STANDS.decode(answer)
        if stands is None:
            self._give_up()
            publish(self._mirror, [replace(one.one, dirty=True) for one in written])
            return
        done = [
            Rendering(one.one, one.row, Write(name=one.row.name, forms=(), tidy=False), stood)
            for one, stood in zip(written, stands, strict=True)
        ]
        note(self._mirror, Outcome(done, {}, fatal=False))

    def _do_it_here(self, portion: Sequence[tuple[Question, RawPage]]) -> None:
        rules = self._mirror.upstream.rules
        batch = self._record([read(question.look, page, rules) for question, page in portion])
        publish(self._mirror, batch.awaiting, batch.pages)

    def _give_up(self) -> None:
        if not self._failed:
            log.debug("a helper could not do its part; this process does it, and the rest")
        self._failed = True


def _is_ordinary(one: Wanted) -> bool:
    """Return True if exactly the page that was read is to be written where nothing is."""
    row = one.row
    is_new = row.published is None and row.word is None
    return is_new and one.page is not None and one.standing is None and not one.one.dirty


class _Helper:
    """A process of ours, and what it works on."""

    def __init__(self, mirror: Mirror, others: Sequence[_Helper]) -> None:
        """Start one. Raises :class:`OSError`."""
        self.portion: list[tuple[Question, RawPage]] = []  # it reads these
        self.wanted: list[Wanted] = []  # it writes these
        durable.prepare()  # modules are loaded once
        self.line, theirs = socket.socketpair()
        parent = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _serve(theirs, mirror, parent, [self.line, *(other.line for other in others)])
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    @property
    def busy(self) -> bool:
        """Whether it works on something."""
        return bool(self.portion or self.wanted)

    def read(self, portion: list[tuple[Question, RawPage]]) -> bool:
        """Let it read a portion; False: it has ended."""
        self.portion = portion
        sent = self._send(_READ, [(question.name, page) for question, page in portion])
        if not sent:
            self.portion = []
        return sent

    def publish(self, wanted: list[Wanted], places: list[int]) -> bool:
        """Let it publish what it has read, by the places in the portion; False: it has ended."""
        self.wanted = wanted
        return self._send(_PUBLISH, places)

    def _send(self, kind: bytes, task: object) -> bool:
        try:
            _send(self.line, kind + _ENCODER.encode(task))
        except OSError:
            return False
        return True

    def answer(self) -> bytearray | None:
        """Return what it says; None: it could not. Raises :class:`OSError`, :class:`EOFError`."""
        return _receive(self.line) or None

    def end(self) -> None:
        """Let it end, and wait for that."""
        self.line.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _serve(
    line: socket.socket, mirror: Mirror, parent: int, theirs: Sequence[socket.socket]
) -> None:
    """Work in a helper until its parent has no more for it, or is gone. Never returns.

    Signals that end a run stay blocked: the parent acts on them. Nothing of the parent's is put in
    order on the way out: its database is not ours.
    """
    try:
        for one in theirs:
            one.close()  # else no helper would ever find its line closed
        durable.die_with_parent()
        pages: list[Page | None] = []
        while os.getppid() == parent:
            task = _receive(line)
            answer = b""
            with suppress(Exception):  # what it is shows when the parent does the same
                if task[:1] == _READ:
                    pages, answer = _read_all(mirror, memoryview(task)[1:])
                else:
                    answer = _publish_all(mirror, [pages[i] for i in _PLACES.decode(task[1:])])
            _send(line, answer)
    finally:
        os._exit(0)


_PLACES = msgspec.msgpack.Decoder(list[int])


def _read_all(mirror: Mirror, task: memoryview) -> tuple[list[Page | None], bytes]:
    """Return the pages of a portion, and the answer to the parent."""
    rules = mirror.upstream.rules
    pages: list[Page | None] = []
    answers: list[bytes] = []
    for name, raw in _RAW.decode(task):
        page, answer = None, _ENCODER.encode(None)
        with suppress(Exception):
            parsed = parse_page(raw.body, raw.media, raw.url, name, rules, raw.header_serial)
            came = _Came(_brief(parsed.page), packed(raw.body), parsed.json, parsed.notes)
            page, answer = parsed.page, _ENCODER.encode(came)
        pages.append(page)
        answers.append(answer)
    return pages, _array(answers)


def _array(items: Sequence[bytes]) -> bytes:
    """Return encoded items as an array of MessagePack."""
    return b"".join((b"\xdd", len(items).to_bytes(4, "big"), *items))


def _brief(page: Page) -> Page:
    """Return what recording the first page of a project needs: of its files, those yanked."""
    yanked = tuple(file for file in page.files if file.yanked is not None)
    return replace(page, files=yanked or page.files[:1])


def _publish_all(mirror: Mirror, pages: Sequence[Page | None]) -> bytes:
    """Publish pages where nothing is; return the answer: what is there now, empty if not all is."""
    works: list[Work] = []
    stands: list[Published] = []
    for page in pages:
        assert page is not None
        rendered = rendering_of(mirror, page)
        copies = copies_of(rendered, mirror.settings.mirror.compress, copy_of)
        work = reconcile(page.name, None, rendered, copies, dirty=False)
        assert work is not None
        works.append(work)
        stands.append(published(rendered, copies))
    store = mirror.store
    assert isinstance(store, DiskStore)
    return b"" if store.apply(works) or store.refused else _ENCODER.encode(stands)


def _send(line: socket.socket, message: bytes) -> None:
    line.sendall(len(message).to_bytes(_HEAD, "big"))
    line.sendall(message)


def _receive(line: socket.socket) -> bytearray:
    """Return the next message. Raises :class:`EOFError` when the other side has ended."""
    head = _exactly(line, _HEAD)
    return _exactly(line, int.from_bytes(head, "big"))


def _exactly(line: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    view = memoryview(found)
    while view:
        count = line.recv_into(view)
        if count == 0:
            raise EOFError
        view = view[count:]
    return found
