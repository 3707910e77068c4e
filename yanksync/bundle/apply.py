"""Applies a bundle to an output.

Files come before the pages that name them, and removals come last. The whole bundle was checked
before. Each step can be repeated: if a run dies, the same bundle is applied again. Files that it
did not reach stay as they were until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from yanksync.bundle.acceptance import check_room, look_at_output, refuse_wrong_order
from yanksync.bundle.archive import spool
from yanksync.bundle.check import CheckedBundle, checked_bundle
from yanksync.bundle.contents import BundleContents
from yanksync.bundle.package_files import Body, add_files
from yanksync.bundle.places import Places
from yanksync.bundle.received import WrittenFiles, note_received
from yanksync.core import layout
from yanksync.core.bundles.header import BundleHeader, LogPart
from yanksync.core.bundles.members import DELETED_INDEX, MemberKind, is_ours, is_package, member_of
from yanksync.core.errors import PublishError, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.parts import parts_that_fit
from yanksync.core.withdrawals import paths
from yanksync.output.comparison import FindingKind, unexpected_directory
from yanksync.output.files import BATCH, OutputFile
from yanksync.output.reconcile import (
    Operation,
    RemoveProject,
    RenderedForms,
    compressed_copies,
    reconcile,
)
from yanksync.output.store import ListForm
from yanksync.state.facts import AppliedBundle
from yanksync.state.runs import RunRecord

_FILES = 256  # files that are removed together
_PAGES = 500
_PAGE_BYTES = 8 << 20  # of pages that are written together
_CHUNK = 1 << 20  # bytes


def apply_file(places: Places, path: Path, *, dry_run: bool) -> BundleContents:
    """Check a bundle, and apply it unless ``dry_run``.

    Raises :class:`BundleError` and :class:`PublishError`.
    """

    def accept(header: BundleHeader) -> None:
        refuse_wrong_order(places, str(path), header)
        look_at_output(places, str(path), header)

    with checked_bundle(path, accept, places.progress) as checked:
        if not dry_run:
            places.packages.keep_incoming(())  # what a dead run left
        check_room(places, checked)
        if not dry_run:
            with _noted_run(places, checked):
                _apply(places, checked)
        return checked.contents


@contextmanager
def _noted_run(places: Places, checked: CheckedBundle) -> Iterator[None]:
    """Note for ``status`` how applying a bundle ended."""
    runs = places.state.runs
    run = runs.begin("bundle apply", places.now())
    try:
        yield
    except YanksyncError as error:
        if isinstance(error, PublishError):
            is_begun = places.state.facts.applied_bundle.begun == checked.header.token
            error = _with_advice(error, is_begun=is_begun)
        record = RunRecord(exit_code=ExitCode.FAILED, problem=str(error))
        runs.end(run, places.now(), record)
        raise error from None
    record = RunRecord(exit_code=ExitCode.DONE, published=checked.pages)
    runs.end(run, places.now(), record)


def _with_advice(error: PublishError, *, is_begun: bool) -> PublishError:
    problem = (
        f"{error.problem}; the bundle is applied in part. Correct the cause, and apply the same "
        "bundle again"
        if is_begun
        else f"{error.problem}; nothing was changed. Correct the cause, and apply the bundle again"
    )
    return PublishError(error.where, problem, is_full=error.is_full)


def _apply(places: Places, bundle: CheckedBundle) -> None:
    facts, header = places.state.facts, bundle.header
    places.store.prepare()
    known = replace(
        facts.applied_bundle,
        source=header.mirror,
        begun=header.token,
        begun_cursor=header.cursor,
        begun_made=header.made,
    )
    with places.state.transaction():
        facts.applied_bundle = known
    with WrittenFiles() as written:
        application = _Application(places, bundle, written)
        application.write()
        with places.state.transaction():
            note_received(places.state.received, bundle, written.files())
        application.remove()
        with places.state.transaction():
            facts.applied_bundle = AppliedBundle(
                source=header.mirror,
                cursor=header.cursor,
                token=header.token,
                made=header.made,
                applied=places.now(),
            )
            facts.put(complete_read=header.complete)  # the lag of this output grows from then on


class _Application:
    """Applies one bundle."""

    def __init__(self, places: Places, bundle: CheckedBundle, written: WrittenFiles) -> None:
        self._places, self._bundle, self._written = places, bundle, written
        self._store = places.store

    def write(self) -> None:
        """Write what the bundle has, and remove pages that went."""
        bundle = self._bundle
        self._places.progress.expect("applying the bundle", bundle.pages + bundle.files)
        self._remove_pages(bundle.removed.projects())
        steps: dict[MemberKind, Callable[[Iterator[Body]], None]] = {
            MemberKind.PACKAGE: partial(add_files, self._places),
            MemberKind.PAGE: self._write_pages,
            MemberKind.LIST: self._write_list,
            MemberKind.DELETED: self._write_deleted_index,
        }
        for kind, members in groupby(self._members(), lambda one: one[0].kind):
            steps.get(kind, self._write_others)(members)

    def remove(self) -> None:
        """Remove what went. The state knows what the bundle has by now."""
        bundle = self._bundle
        self._store.delete_files(
            f"{directory}/{filename}"
            for directory in bundle.removed.deleted_index()
            for filename in DELETED_INDEX
        )
        if bundle.header.has_everything:
            self._remove_pages(
                filter(self._is_page, self._not_received(self._store.names(), _page))
            )
            self._remove_other_files(layout.DELETED_ROOT)
            found = filter(is_package, self._places.packages.packages())
            self._remove_files(self._not_received(found))
        self._remove_files(bundle.removed.packages())
        self._places.packages.keep_incoming(())
        if bundle.header.log is not LogPart.CHANGED:
            self._remove_other_files(layout.WITHDRAWALS)

    def _members(self) -> Iterator[Body]:
        for member, chunks in self._bundle.members():
            yield member, self._written.noted(member, chunks)

    def _write_pages(self, members: Iterator[Body]) -> None:
        for batch in parts_that_fit(self._operations(members), _PAGE_BYTES, _PAGES):
            self._publish(batch)
            self._places.progress.advance(len(batch))

    def _operations(self, members: Iterator[Body]) -> Iterator[tuple[Operation, int]]:
        """Yield what writes each page, and how many bytes.

        Its two forms follow each other.
        """
        for member, chunks in members:
            html = b"".join(chunks)
            json = b"".join(next(members)[1])
            forms = RenderedForms(html=html, json=json)
            codecs = self._places.settings.mirror.compress
            copies = compressed_copies(forms, codecs, self._store.compress)
            name = member.path.split("/")[1]
            written = reconcile(name, None, forms, copies, write_started=True)
            assert written is not None  # no form of it counts as published
            yield written, len(html) + len(json)

    def _publish(self, operations: Sequence[Operation]) -> None:
        names = [one.name for one in operations]
        with self._store.conditions(self._places.state.etags, names):
            failures = self._store.apply(operations)
        for one in failures:
            raise PublishError(layout.directory(one.name), one.why)

    def _write_list(self, members: Iterator[Body]) -> None:
        with ExitStack() as stack:
            forms = []
            for member, chunks in members:
                body = stack.enter_context(_spooled(chunks))
                filename = member.path.rpartition("/")[2]
                forms.append(ListForm(filename, partial(_chunks, body)))
            with self._store.conditions(self._places.state.etags, [layout.LIST_KEY]):
                self._store.write_list(forms, self._places.settings.mirror.compress)

    def _write_deleted_index(self, members: Iterator[Body]) -> None:
        """Write pages of the index of deleted files."""
        for member, chunks in members:
            body, (directory, _, filename) = b"".join(chunks), member.path.rpartition("/")
            files = [
                OutputFile(f"{directory}/{name}", layout.headers(name), partial(iter, (body,)))
                for name in layout.aliases(filename)
            ]
            self._store.write_files(files)

    def _write_others(self, members: Iterator[Body]) -> None:
        while batch := list(islice(members, 1)):
            with ExitStack() as stack:
                files = []
                for member, chunks in chain(batch, islice(members, BATCH - 1)):
                    body = stack.enter_context(_spooled(chunks))
                    headers = paths.headers(member.path)
                    files.append(OutputFile(member.path, headers, partial(_chunks, body)))
                self._store.write_files(files)

    def _not_received(
        self, found: Iterable[str], member: Callable[[str], str] = str
    ) -> Iterator[str]:
        """Yield those of ``found`` that no bundle brought.

        ``member`` returns the path of the member that makes one of them.
        """
        for batch in _batches(found, _PAGES):
            known = self._places.state.received.known({member(one) for one in batch})
            yield from (one for one in batch if member(one) not in known)

    def _is_page(self, name: str) -> bool:
        """Return False for a directory of another program."""
        found = unexpected_directory(name, self._store.directory_content(name))
        return found.kind is FindingKind.EXTRA

    def _remove_other_files(self, directory: str) -> None:
        ours = filter(is_ours, self._store.list_files(directory))
        for batch in _batches(self._not_received(ours, member_of), _FILES):
            self._store.delete_files(batch)

    def _remove_pages(self, names: Iterable[str]) -> None:
        for batch in _batches(names, _PAGES):
            self._publish([RemoveProject(name=one) for one in batch])

    def _remove_files(self, files: Iterable[str]) -> None:
        for batch in _batches(files, _FILES):
            self._places.packages.delete_packages(batch)


def _batches(found: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(found)
    while batch := list(islice(rest, size)):
        yield batch


def _page(name: str) -> str:
    """Return the member that shows that a bundle has a project."""
    return f"{layout.directory(name)}/{layout.V1_JSON.filename}"


def _spooled(chunks: Iterable[bytes]) -> IO[bytes]:
    file = spool()
    for chunk in chunks:
        file.write(chunk)
    return file


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(_CHUNK), b"")
