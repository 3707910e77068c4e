"""A helper process of a first build."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import closing, suppress

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.formats.deflate import zlib_compress
from yanksync.core.formats.parse import parse_page
from yanksync.core.model import Page, PublishedForms
from yanksync.core.names import NormalizedName
from yanksync.mirror.context import Mirror
from yanksync.output.disk.store import DiskStore
from yanksync.output.reconcile import Operation, compressed_copies, published_forms, reconcile
from yanksync.sync.fetch import PageRequest
from yanksync.sync.published_page import render_forms, shown_page
from yanksync.sync.recovery.published_state import PublishTask
from yanksync.system import fsync
from yanksync.system.signals import signals_held
from yanksync.upstream.client import RawPage

_HEAD = 8  # bytes with the length of a message
_READ, _PUBLISH = b"r", b"p"


class ReadPage(Struct, array_like=True, frozen=True):
    """A page that a helper has read."""

    page: Page  # a short one, see _brief
    body: bytes  # compressed for the state
    is_json: bool
    warnings: tuple[str, ...]


_RAW = msgspec.msgpack.Decoder(list[tuple[NormalizedName, RawPage]])
# The parent decodes these. The first has an answer to each page of a batch; None: the parent must
# read it itself. The second has the published forms of each project.
READ_PAGES = msgspec.msgpack.Decoder(list[ReadPage | None])
PUBLISHED_FORMS = msgspec.msgpack.Decoder(list[PublishedForms])
_PLACES = msgspec.msgpack.Decoder(list[int])
_ENCODER = msgspec.msgpack.Encoder()


class Helper:
    """A helper process, and its current work."""

    def __init__(self, mirror: Mirror, others: Sequence[Helper]) -> None:
        """Start one, from a process with one thread. Raises :class:`OSError`."""
        self.batch: list[tuple[PageRequest, RawPage]] = []  # it reads these
        self.wanted: list[PublishTask] = []  # it writes these
        fsync.prepare_fork()
        self.line, theirs = socket.socketpair()
        parent = os.getpid()
        with closing(theirs), signals_held():
            self._pid = os.fork()
            if self._pid == 0:
                _serve(theirs, mirror, parent, [self.line, *(other.line for other in others)])

    @property
    def busy(self) -> bool:
        """Whether it works on something."""
        return bool(self.batch or self.wanted)

    def read(self, batch: list[tuple[PageRequest, RawPage]]) -> bool:
        """Let the helper read a batch; False: it has ended."""
        self.batch = batch
        sent = self._send(_READ, [(request.name, page) for request, page in batch])
        if not sent:
            self.batch = []
        return sent

    def publish(self, wanted: list[PublishTask], positions: list[int]) -> bool:
        """Let the helper publish pages it has read; False: it has ended.

        Pages are named by their places in the batch.
        """
        self.wanted = wanted
        return self._send(_PUBLISH, positions)

    def _send(self, kind: bytes, task: object) -> bool:
        try:
            _send(self.line, kind + _ENCODER.encode(task))
        except OSError:
            return False
        return True

    def answer(self) -> bytearray | None:
        """Return its answer; None: it failed. Raises :class:`OSError`, :class:`EOFError`."""
        return _receive(self.line) or None

    def end(self) -> None:
        """Let the helper end, and wait for that."""
        self.line.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _serve(
    line: socket.socket, mirror: Mirror, parent: int, theirs: Sequence[socket.socket]
) -> None:
    """Work until the parent is done or gone. Never returns.

    Signals that end a run stay blocked, because the parent acts on them. The helper cleans up
    nothing of the parent when it ends, because the database belongs to the parent.
    """
    try:
        for one in theirs:
            one.close()  # otherwise no helper would notice that its connection was closed
        fsync.die_with_parent()
        pages: list[Page | None] = []
        while os.getppid() == parent:
            task = _receive(line)
            answer = b""
            with suppress(Exception):  # the parent does the same work, and then shows the error
                if task[:1] == _READ:
                    pages, answer = _read_all(mirror, memoryview(task)[1:])
                else:
                    answer = _publish_all(mirror, [pages[i] for i in _PLACES.decode(task[1:])])
            _send(line, answer)
    finally:
        os._exit(0)


def _read_all(mirror: Mirror, task: memoryview) -> tuple[list[Page | None], bytes]:
    """Return the pages of a batch, and the answer to the parent."""
    rules = mirror.upstream.rules
    pages: list[Page | None] = []
    answers: list[bytes] = []
    for name, raw in _RAW.decode(task):
        page, answer = None, _ENCODER.encode(None)
        with suppress(Exception):
            parsed = parse_page(raw.body, raw.content_type, raw.url, name, rules, raw.header_serial)
            came = ReadPage(
                _summary_of(parsed.page), zlib_compress(raw.body), parsed.is_json, parsed.warnings
            )
            page, answer = parsed.page, _ENCODER.encode(came)
        pages.append(page)
        answers.append(answer)
    return pages, _array(answers)


def _array(items: Sequence[bytes]) -> bytes:
    """Return encoded items as an array of MessagePack."""
    return b"".join((b"\xdd", len(items).to_bytes(4, "big"), *items))


def _summary_of(page: Page) -> Page:
    """Return the facts for recording the first page of a project.

    It has only the yanked files.
    """
    yanked = tuple(file for file in page.files if file.yanked is not None)
    return replace(page, files=yanked or page.files[:1])


def _publish_all(mirror: Mirror, pages: Sequence[Page | None]) -> bytes:
    """Publish pages of projects without published files.

    Returns the answer: the published forms; empty if a page failed.
    """
    works: list[Operation] = []
    stands: list[PublishedForms] = []
    for page in pages:
        assert page is not None
        rendered = render_forms(mirror, shown_page(mirror, page))
        copies = compressed_copies(rendered, mirror.settings.mirror.compress, mirror.store.compress)
        work = reconcile(page.name, None, rendered, copies, write_started=False)
        assert work is not None
        works.append(work)
        stands.append(published_forms(rendered, copies))
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
