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

from yanksync.bundle.acceptance import check_room, refuse_wrong_order
from yanksync.bundle.archive import Member, spool
from yanksync.bundle.check import CheckedBundle, checked_bundle
from yanksync.bundle.contents import BundleContents
from yanksync.bundle.places import Places
from yanksync.bundle.received import WrittenFiles, note_received
from yanksync.core import layout
from yanksync.core.bundles.header import BundleHeader, LogPart
from yanksync.core.bundles.members import MemberKind, is_deleted_index
from yanksync.core.errors import PublishError, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.withdrawals import paths
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

_DELETED_FORMS = (layout.V1_JSON, layout.V1_HTML, layout.HTML)
_FILES = 256  # package files that become visible together
_PAGES = 500
_CHUNK = 1 << 20  # bytes


def apply_file(places: Places, path: Path, *, dry_run: bool) -> BundleContents:
    """Check a bundle, and apply it unless ``dry_run``.

    Raises :class:`BundleError` and :class:`PublishError`.
    """

    def accept(header: BundleHeader) -> None:
        refuse_wrong_order(places, str(path), header)

    with checked_bundle(path, accept, places.progress) as checked:
        if not dry_run:
            check_room(places, checked)
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
        record = RunRecord(exit_code=ExitCode.FAILED, problem=str(error))
        runs.end(run, places.now(), record)
        raise
    record = RunRecord(exit_code=ExitCode.DONE, published=checked.pages)
    runs.end(run, places.now(), record)


def _apply(places: Places, bundle: CheckedBundle) -> None:
    facts, header = places.state.facts, bundle.header
    places.store.prepare()
    known = replace(facts.applied_bundle, source=header.mirror, begun=header.token)
    with places.state.transaction():
        facts.applied_bundle = known
    with WrittenFiles() as written:
        _Application(places, bundle, written).run()
        with places.state.transaction():
            note_received(places.state.received, bundle, written.files())
            facts.applied_bundle = AppliedBundle(
                source=header.mirror,
                cursor=header.cursor,
                token=header.token,
                made=header.made,
                applied=places.now(),
            )
            facts.put(complete_read=header.complete)  # the lag of this output grows from then on


_Body = tuple[Member, Iterator[bytes]]


class _Application:
    """Applies one bundle."""

    def __init__(self, places: Places, bundle: CheckedBundle, written: WrittenFiles) -> None:
        self._places, self._bundle, self._written = places, bundle, written
        self._store = places.store
        self._files: set[str] = set()  # paths of all package files of the bundle
        self._pages: set[str] = set()  # names of all its projects
        self._others: set[str] = set()  # paths of all other files

    def run(self) -> None:
        bundle = self._bundle
        self._places.packages.keep_incoming(())  # what a dead run left
        self._places.progress.expect("applying the bundle", bundle.pages + bundle.files)
        self._remove_pages(bundle.removed_pages)
        steps = {
            MemberKind.PACKAGE: self._add_files,
            MemberKind.PAGE: self._write_pages,
            MemberKind.LIST: self._write_list,
            MemberKind.DELETED: self._write_deleted_index,
        }
        for kind, members in groupby(self._members(), lambda one: one[0].kind):
            steps.get(kind, self._write_others)(members)
        self._store.delete_files(
            f"{one}/{form.filename}" for one in bundle.removed_deleted for form in _DELETED_FORMS
        )
        if bundle.header.has_everything:
            self._remove_pages([one for one in self._store.names() if one not in self._pages])
            self._remove_other_files(layout.DELETED_ROOT, _is_deleted_index)
            found = self._places.packages.packages()
            self._remove_files([path for path in found if path not in self._files])
        self._remove_files(bundle.removed_files)
        self._places.packages.keep_incoming(())
        if bundle.header.log is not LogPart.CHANGED:
            self._remove_other_files(layout.WITHDRAWALS, paths.is_ours)

    def _members(self) -> Iterator[_Body]:
        for member, chunks in self._bundle.members():
            yield member, self._written.noted(member, chunks)

    def _add_files(self, members: Iterator[_Body]) -> None:
        while batch := self._receive(islice(members, _FILES)):
            self._places.packages.publish_packages(batch)
            self._files.update(batch)
            self._places.progress.advance(sum(not one.endswith(".metadata") for one in batch))

    def _receive(self, members: Iterable[_Body]) -> list[str]:
        """Write files where no web server reads them; return their paths."""
        received: list[str] = []
        try:
            for member, chunks in members:
                received.append(member.path)
                with self._places.packages.receive(member.path) as incoming:
                    incoming.restart()
                    for chunk in chunks:
                        incoming.write(chunk)
        except BaseException:
            self._places.packages.keep_incoming(())
            raise
        return received

    def _write_pages(self, members: Iterator[_Body]) -> None:
        while batch := list(islice(self._operations(members), _PAGES)):
            self._publish(batch)
            self._pages.update(one.name for one in batch)
            self._places.progress.advance(len(batch))

    def _operations(self, members: Iterator[_Body]) -> Iterator[Operation]:
        """Yield what writes each page; its two forms follow each other."""
        for member, chunks in members:
            html = b"".join(chunks)
            json = b"".join(next(members)[1])
            forms = RenderedForms(html=html, json=json)
            codecs = self._places.settings.mirror.compress
            copies = compressed_copies(forms, codecs, self._store.compress)
            name = member.path.split("/")[1]
            written = reconcile(name, None, forms, copies, write_started=True)
            assert written is not None  # no form of it counts as published
            yield written

    def _publish(self, operations: Sequence[Operation]) -> None:
        names = [one.name for one in operations]
        with self._store.conditions(self._places.state.etags, names):
            failures = self._store.apply(operations)
        for one in failures:
            raise PublishError(layout.directory(one.name), f"{one.why}; apply the bundle again")

    def _write_list(self, members: Iterator[_Body]) -> None:
        with ExitStack() as stack:
            forms = []
            for member, chunks in members:
                body = stack.enter_context(_spooled(chunks))
                filename = member.path.rpartition("/")[2]
                forms.append(ListForm(filename, partial(_chunks, body)))
            with self._store.conditions(self._places.state.etags, [layout.LIST_KEY]):
                self._store.write_list(forms, self._places.settings.mirror.compress)

    def _write_deleted_index(self, members: Iterator[_Body]) -> None:
        """Write pages of the index of deleted files."""
        for member, chunks in members:
            body, (directory, _, filename) = b"".join(chunks), member.path.rpartition("/")
            files = [
                OutputFile(f"{directory}/{name}", layout.headers(name), partial(iter, (body,)))
                for name in layout.aliases(filename)
            ]
            self._store.write_files(files)
            self._others.update(file.path for file in files)

    def _write_others(self, members: Iterator[_Body]) -> None:
        while batch := list(islice(members, 1)):
            with ExitStack() as stack:
                files = []
                for member, chunks in chain(batch, islice(members, BATCH - 1)):
                    body = stack.enter_context(_spooled(chunks))
                    headers = paths.headers(member.path)
                    files.append(OutputFile(member.path, headers, partial(_chunks, body)))
                self._store.write_files(files)
                self._others.update(file.path for file in files)

    def _remove_other_files(self, directory: str, is_ours: Callable[[str], bool]) -> None:
        found = self._store.list_files(directory)
        self._store.delete_files(
            [path for path in found if is_ours(path) and path not in self._others]
        )

    def _remove_pages(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), _PAGES):
            self._publish([RemoveProject(name=one) for one in names[start : start + _PAGES]])

    def _remove_files(self, files: Sequence[str]) -> None:
        for start in range(0, len(files), _FILES):
            batch = files[start : start + _FILES]
            self._places.packages.delete_packages(batch)


def _is_deleted_index(path: str) -> bool:
    directory, _, filename = path.rpartition("/")
    return is_deleted_index(directory) and filename in {form.filename for form in _DELETED_FORMS}


def _spooled(chunks: Iterable[bytes]) -> IO[bytes]:
    file = spool()
    for chunk in chunks:
        file.write(chunk)
    return file


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(_CHUNK), b"")
