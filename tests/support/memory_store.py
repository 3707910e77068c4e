"""An output in memory, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from yanksync.core import layout
from yanksync.core.errors import PublishError
from yanksync.output.compress import compressed_copy
from yanksync.output.digests import digest
from yanksync.output.files import OutputFile
from yanksync.output.inventory import OURS, DirectoryContent, FileEntry, file_entry
from yanksync.output.published_serials import highest_serial, serial_in, serial_of
from yanksync.output.reconcile import FormUpdate, Operation, RemoveProject, WriteProject
from yanksync.output.store import (
    EtagTable,
    FreeSpace,
    ListForm,
    PublishedList,
    StoreFailure,
    obsolete_list_files,
)


class MemoryStore:
    """A store that lives as long as the object; for tests, and for trying things out."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}  #: path below the output → body
        self.writes: list[str] = []  #: every path put or deleted, in order

    compress = staticmethod(compressed_copy)

    def prepare(self) -> None:
        """Nothing is left over here."""

    is_conditional = False

    def conditions(self, etags: EtagTable, names: Iterable[str]) -> AbstractContextManager[None]:
        """Set no conditions."""
        return nullcontext()

    def forget_etags(self, etags: EtagTable, name: str, filenames: Iterable[str]) -> None:
        """Forget nothing."""

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        """Do ``operations``; none fails."""
        for operation in operations:
            if isinstance(operation, RemoveProject):
                self._remove(operation)
            elif isinstance(operation, WriteProject):
                self._write(operation)
        return ()

    def _write(self, work: WriteProject) -> None:
        base = layout.directory(work.name)
        if work.remove_leftovers:
            for filename in layout.filenames():
                self._drop(f"{base}/{filename}")
        for form in work.forms:
            for filename in layout.aliases(form.filename):
                self._form(f"{base}/{filename}", form)

    def _form(self, path: str, form: FormUpdate) -> None:
        for codec in form.remove:
            self._drop(path + layout.SUFFIX[codec])
        for codec, body in form.copies:
            self._put(path + layout.SUFFIX[codec], body)
        if form.body is not None:
            self._put(path, form.body)

    def _remove(self, work: RemoveProject) -> None:
        base = layout.directory(work.name) + "/"
        for path in [path for path in self.files if path.startswith(base)]:
            self._drop(path)

    def _put(self, path: str, body: bytes) -> None:
        self.files[path] = body
        self.writes.append(path)

    def _drop(self, path: str) -> None:
        if self.files.pop(path, None) is not None:
            self.writes.append(path)

    def write_list(self, forms: Sequence[ListForm], codecs: tuple[str, ...]) -> tuple[str, ...]:
        """Replace the list of projects."""
        base = layout.directory(None)
        names: list[str] = []
        for filename in obsolete_list_files(forms):
            self._drop(f"{base}/{filename}")
        for form in forms:
            body = b"".join(form.chunks())
            made = {codec: compressed_copy(codec, body) for codec in codecs}
            copies = {codec: copy for codec, copy in made.items() if copy is not None}
            operation = FormUpdate(
                filename=form.filename,
                body=body,
                copies=tuple(copies.items()),
                remove=tuple(codec for codec in layout.SUFFIX if codec not in copies),
            )
            for filename in layout.aliases(form.filename):
                self._form(f"{base}/{filename}", operation)
            names += [form.filename + layout.SUFFIX[codec] for codec in copies]
        return tuple(names)

    def write_files(self, files: Iterable[OutputFile]) -> None:
        """Replace files beside the pages."""
        for file in files:
            self._put(file.path, file.body)

    def read_file(self, path: str) -> bytes | None:
        """Return such a file."""
        return self.files.get(path)

    def file_chunks(self, path: str) -> Iterator[bytes] | None:
        """Return the bytes of such a file."""
        body = self.files.get(path)
        return None if body is None else iter((body,))

    def file_digest(self, path: str) -> bytes | None:
        """Return the digest of such a file."""
        body = self.files.get(path)
        return None if body is None else digest(body)

    def list_files(self, directory: str) -> Iterator[str]:
        """Yield the paths below a directory."""
        return iter(sorted(path for path in self.files if path.startswith(f"{directory}/")))

    def delete_files(self, paths: Iterable[str]) -> None:
        """Delete files beside the pages."""
        for path in list(paths):
            self._drop(path)

    def read(self, name: str | None, filename: str) -> bytes | None:
        """Return a published file."""
        return self.files.get(f"{layout.directory(name)}/{filename}")

    def serial(self, name: str) -> int | None:
        """Return the highest serial in the published files of a project."""
        found = {filename: self.read(name, filename) for filename in layout.filenames()}
        return highest_serial(
            serial_of(name, [body]) for name, body in found.items() if body is not None
        )

    def serials(
        self, names: Sequence[str], *, quick: bool = False
    ) -> Iterator[int | PublishError | None]:
        """Yield the serial of each project."""
        if not quick:
            return map(self.serial, names)
        form = layout.V1_JSON.filename
        return (serial_in(self.read(name, form) or b"") for name in names)

    def published_list(self) -> PublishedList:
        """Return what tells the published list from another one: a hash."""
        body = self.read(None, layout.V1_JSON.filename)
        if body is None:
            return PublishedList(None, "")
        return PublishedList(serial_in(body), str(hash(body)))

    def names(self) -> Iterator[str]:
        """Yield the names of the published projects."""
        base = layout.directory(None) + "/"
        found = {
            path.split("/")[1]
            for path in self.files
            if path.startswith(base) and path.count("/") == 2
        }
        return iter(sorted(found))

    def directory_content(self, name: str | None) -> DirectoryContent:
        """Return what stands in a directory.

        There are no modes, and everything is readable.
        """
        base = layout.directory(name) + "/"
        found = {path.removeprefix(base): path for path in self.files if path.startswith(base)}
        entries = tuple(
            file_entry(name, (self.files[path],)) if name in OURS else FileEntry(name=name)
            for name, path in found.items()
            if "/" not in name
        )
        return DirectoryContent(exists=bool(entries), entries=entries)

    def directory_contents(self, names: Sequence[str]) -> Iterator[DirectoryContent]:
        """Yield what stands in these directories."""
        return map(self.directory_content, names)

    def reset_mode(self, name: str | None) -> None:
        """There are no modes."""

    def free_space(self) -> FreeSpace | None:
        """Memory is not counted."""
        return None

    def close(self) -> None:
        """There is nothing to let go of."""
