"""An output in memory, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yanksync.core import layout
from yanksync.core.errors import PublishError
from yanksync.output.compress import copy_of
from yanksync.output.inventory import Standing
from yanksync.output.published_serials import newest, serial_in, serial_of
from yanksync.output.reconcile import FormWork, Remove, Work, Write
from yanksync.output.store import Failure, ListForm, ListStands, Room, unlisted


class MemoryStore:
    """A store that lives as long as the object; for tests, and for trying things out."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}  #: path below the output → body
        self.writes: list[str] = []  #: every path put or deleted, in order

    compress = staticmethod(copy_of)

    def prepare(self) -> None:
        """Nothing is left over here."""

    def apply(self, works: Sequence[Work]) -> tuple[Failure, ...]:
        """Do ``works``; none fails."""
        for work in works:
            if isinstance(work, Remove):
                self._remove(work)
            elif isinstance(work, Write):
                self._write(work)
        return ()

    def _write(self, work: Write) -> None:
        base = layout.directory(work.name)
        if work.tidy:
            for filename in layout.filenames():
                self._drop(f"{base}/{filename}")
        for form in work.forms:
            for filename in layout.twins(form.filename):
                self._form(f"{base}/{filename}", form)

    def _form(self, path: str, form: FormWork) -> None:
        for codec in form.drop:
            self._drop(path + layout.SUFFIX[codec])
        for codec, body in form.siblings:
            self._put(path + layout.SUFFIX[codec], body)
        if form.body is not None:
            self._put(path, form.body)

    def _remove(self, work: Remove) -> None:
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
        for filename in unlisted(forms):
            self._drop(f"{base}/{filename}")
        for form in forms:
            body = b"".join(form.chunks())
            made = {codec: copy_of(codec, body) for codec in codecs}
            copies = {codec: copy for codec, copy in made.items() if copy is not None}
            work = FormWork(
                filename=form.filename,
                body=body,
                siblings=tuple(copies.items()),
                drop=tuple(codec for codec in layout.SUFFIX if codec not in copies),
            )
            for filename in layout.twins(form.filename):
                self._form(f"{base}/{filename}", work)
            names += [form.filename + layout.SUFFIX[codec] for codec in copies]
        return tuple(names)

    def read(self, name: str | None, filename: str) -> bytes | None:
        """Return a published file."""
        return self.files.get(f"{layout.directory(name)}/{filename}")

    def serial(self, name: str) -> int | None:
        """Return the highest serial in the published files of a project."""
        found = {filename: self.read(name, filename) for filename in layout.filenames()}
        return newest(serial_of(name, [body]) for name, body in found.items() if body is not None)

    def serials(
        self, names: Sequence[str], *, quick: bool = False
    ) -> Iterator[int | PublishError | None]:
        """Yield the serial of each project."""
        if not quick:
            return map(self.serial, names)
        form = layout.V1_JSON.filename
        return (serial_in(self.read(name, form) or b"") for name in names)

    def list_stands(self) -> ListStands:
        """Return what tells the published list from another one: a hash."""
        body = self.read(None, layout.V1_JSON.filename)
        if body is None:
            return ListStands(None, "")
        return ListStands(serial_in(body), str(hash(body)))

    def names(self) -> Iterator[str]:
        """Yield the names of the published projects."""
        found = {path.split("/")[1] for path in self.files if path.count("/") == 2}
        return iter(sorted(found))

    def standing(self, name: str | None) -> Standing:
        """Return what stands in a directory; there are no modes and nothing is unreadable."""
        from yanksync.output.disk.inventory import seen_in

        base = layout.directory(name) + "/"
        entries = tuple(
            seen_in(path.removeprefix(base), (body,))
            for path, body in self.files.items()
            if path.startswith(base) and "/" not in path.removeprefix(base)
        )
        return Standing(there=bool(entries), entries=entries)

    def standings(self, names: Sequence[str]) -> Iterator[Standing]:
        """Yield what stands in these directories."""
        return map(self.standing, names)

    def reset_mode(self, name: str | None) -> None:
        """There are no modes."""

    def room(self) -> Room | None:
        """Memory is not counted."""
        return None

    def close(self) -> None:
        """There is nothing to let go of."""
