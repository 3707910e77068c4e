"""Publishing to a directory: temporary file, sync, rename, sync.

Durability comes in batches: all temporary files of a batch reach the disk, then all renames happen,
then their directories reach the disk, and only then does the state commit the digests.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from yanksync.errors import PublishError
from yanksync.findings import Standing
from yanksync.owner import owner
from yanksync.publish import durable, layout
from yanksync.publish.compress import stream
from yanksync.publish.reconcile import FormWork, Remove, Work, Write
from yanksync.publish.standing import standing, umask
from yanksync.publish.store import HEAD, Failure, ListForm, Room, serial_in

_FILE_MODE = 0o644  # under the umask
_DIRECTORY_MODE = 0o755
_CHUNK = 1 << 20  # bytes
_SECOND = 1_000_000_000  # nanoseconds
# After one of these, nothing more will fit or be let in: the rest of the batch is not tried.
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE}


class _Staged:
    """What is written for one project and not yet in place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.renames: list[tuple[str, str]] = []  # (temporary path, final path), in order
        self.deletes: list[str] = []  # before any rename: siblings that have to go
        self.made: list[str] = []  # temporary paths
        self.keep: set[str] | None = None  # tidy: the only file names that may stay
        self.fresh = False  # the directory was made just now: nothing else stands in it


class DiskStore:
    """A directory of files, to be served by any web server."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self._root = str(output / layout.ROOT)

    def prepare(self) -> None:
        """Make the directory, and put away what a list half written has left."""
        try:
            self._make(str(self.output))
            self._make(self._root)
            for filename in layout.filenames():
                _unlink(f"{self._root}/{layout.temporary(filename)}")
            if not os.access(self._root, os.W_OK | os.X_OK):
                # Told once, and not for each project; what lets it be is asked for the reason.
                os.close(_open(f"{self._root}/{layout.temporary(layout.HTML.filename)}"))
        except OSError as error:
            raise _error(error, self._root) from error

    def _make(self, path: str) -> None:
        os.makedirs(path, _DIRECTORY_MODE, exist_ok=True)

    def apply(self, works: Sequence[Work]) -> tuple[Failure, ...]:
        """Do ``works``, durably; what could not be done comes back as failures."""
        staged: list[_Staged] = []
        failures: list[Failure] = []
        try:
            self._stage_all(works, staged, failures)
            durable.sync_files([path for one in staged for path in one.made], self._root)
            touched: dict[str, None] = {}
            self._replace_all(staged, failures, touched)
            self._remove_all(works, failures, touched)
            durable.sync_directories([*touched, self._root], self._root)
        except OSError as error:
            raise _error(error, self._root) from error
        finally:
            for one in staged:
                _discard(one)
        return tuple(failures)

    def _stage_all(
        self, works: Sequence[Work], staged: list[_Staged], failures: list[Failure]
    ) -> None:
        fatal: str | None = None
        for work in works:
            if isinstance(work, Remove):
                continue
            if fatal is not None:
                failures.append(Failure(work.name, fatal, fatal=True))
                continue
            one = _Staged(work.name)
            staged.append(one)
            try:
                self._stage(work, one)
            except OSError as error:
                failures.append(_failure(work.name, error))
                staged.remove(one)
                _discard(one)  # nothing of it may be synced, and its room helps the others
                if failures[-1].fatal:
                    fatal = failures[-1].why

    def _stage(self, work: Write, one: _Staged) -> None:
        base = f"{self._root}/{work.name}"
        one.fresh = _make_directory(base)
        for form in work.forms:
            moment = self._stage_form(base, form, one)
            twin = layout.TWIN.get(form.filename)
            if twin is not None:
                self._stage_twin(base, form, twin, moment, one)
        if work.tidy:
            one.keep = {os.path.basename(final) for _, final in one.renames}

    def _stage_form(self, base: str, form: FormWork, one: _Staged) -> int | None:
        """Write the temporary files of one form; return the mtime that they were given, in ns."""
        if form.body is not None:
            moment = _write(base, form.filename, form.body, one)
        else:
            moment = os.lstat(f"{base}/{form.filename}").st_mtime_ns
        for codec, body in form.siblings:
            name = form.filename + layout.SUFFIX[codec]
            _write(base, name, body, one, moment)
        for codec in form.drop:
            one.deletes.append(f"{base}/{form.filename}{layout.SUFFIX[codec]}")
        _page_last(one, base, form.filename)
        return moment

    def _stage_twin(
        self, base: str, form: FormWork, twin: str, moment: int | None, one: _Staged
    ) -> None:
        for codec, body in form.siblings:
            suffix = layout.SUFFIX[codec]
            _link(base, form.filename + suffix, twin + suffix, body, one, moment)
        if form.body is not None:
            _link(base, form.filename, twin, form.body, one, moment)
        for codec in form.drop:
            one.deletes.append(f"{base}/{twin}{layout.SUFFIX[codec]}")

    def _replace_all(
        self, staged: Sequence[_Staged], failures: list[Failure], touched: dict[str, None]
    ) -> None:
        for one in staged:
            if not (one.renames or one.deletes or one.keep):
                continue
            base = f"{self._root}/{one.name}"
            touched[base] = None
            try:
                for path in one.deletes:
                    _unlink(path)
                if one.keep is not None and not one.fresh:
                    _tidy(base, one.keep)
                for temporary, final in one.renames:
                    os.replace(temporary, final)
                one.made.clear()
            except OSError as error:
                failures.append(_failure(one.name, error))

    def _remove_all(
        self, works: Sequence[Work], failures: list[Failure], touched: dict[str, None]
    ) -> None:
        for work in works:
            if isinstance(work, Remove):
                try:
                    self._remove(work.name)
                except OSError as error:
                    failures.append(_failure(work.name, error))

    def _remove(self, name: str) -> None:
        base = f"{self._root}/{name}"
        try:
            _refuse_link(base)
            entries = os.listdir(base)
        except FileNotFoundError:
            return
        ours = set(layout.filenames())
        ours |= {layout.temporary(filename) for filename in ours}
        # A sibling goes before its page: with gzip_static it would be served after it (D10).
        for entry in sorted(ours.intersection(entries), key=len, reverse=True):
            _unlink(f"{base}/{entry}")
        os.rmdir(base)

    def write_list(self, forms: Sequence[ListForm], codecs: tuple[str, ...]) -> None:
        """Replace the list of projects, durably, each file in one step."""
        one = _Staged("")
        try:
            for form in forms:
                self._stage_list(form, codecs, one)
            durable.sync_files(one.made, self._root)
            for path in one.deletes:
                _unlink(path)
            for temporary, final in one.renames:
                os.replace(temporary, final)
            one.made.clear()
            durable.sync_directories([self._root], self._root)
        except OSError as error:
            raise _error(error, self._root) from error
        finally:
            _discard(one)

    def _stage_list(self, form: ListForm, codecs: tuple[str, ...], one: _Staged) -> None:
        base, twin = self._root, layout.TWIN.get(form.filename)
        moment = _write_chunks(base, form.filename, form.chunks(), one, None)
        for codec in codecs:
            name = form.filename + layout.SUFFIX[codec]
            # From what is written already: making 750,000 rows again costs more than reading them.
            written = _chunks(f"{base}/{layout.temporary(form.filename)}")
            _write_chunks(base, name, stream(codec, written), one, moment)
        names = [form.filename] if twin is None else [form.filename, twin]
        for codec, suffix in layout.SUFFIX.items():
            if codec not in codecs:
                one.deletes.extend(f"{base}/{name}{suffix}" for name in names)
        _page_last(one, base, form.filename)
        if twin is not None:
            for codec in codecs:
                suffix = layout.SUFFIX[codec]
                _link(base, form.filename + suffix, twin + suffix, None, one, moment)
            _link(base, form.filename, twin, None, one, moment)

    def read(self, name: str | None, filename: str) -> bytes | None:
        """Return a published file; None when it is not there."""
        try:
            return (self.output / layout.directory(name) / filename).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _error(error, str(self.output)) from error

    def serial(self, name: str | None) -> int | None:
        """Return the serial that a published page carries: from its head, or wherever it stands."""
        path = self.output / layout.directory(name) / layout.V1_JSON.filename
        try:
            with open(path, "rb") as file:
                head = file.read(HEAD)
                found = serial_in(head)
                return found if found is not None else serial_in(head + file.read())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _error(error, str(path)) from error

    def names(self) -> Iterator[str]:
        """Yield the names of the directories below ``simple/``."""
        try:
            with os.scandir(self._root) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        yield entry.name
        except OSError as error:
            raise _error(error, self._root) from error

    def standing(self, name: str | None) -> Standing:
        """Return what stands in a project's directory, or beside them for None."""
        path = str(self.output / layout.directory(name))
        return standing(path, _FILE_MODE, _DIRECTORY_MODE, below=name is None)

    def standings(self, names: Sequence[str]) -> Iterator[Standing]:
        """Yield what stands in these directories."""
        return map(self.standing, names)

    def reset_mode(self, name: str | None) -> None:
        """Give a directory the mode of a fresh one."""
        path = str(self.output / layout.directory(name))
        try:
            mode = stat.S_IMODE(os.lstat(path).st_mode) & ~0o777
            os.chmod(path, mode | (_DIRECTORY_MODE & ~umask()))
        except OSError as error:
            raise _error(error, path) from error

    def room(self) -> Room | None:
        """Return what is free on the file system of the output."""
        try:
            free = os.statvfs(self._root)
        except (OSError, AttributeError):  # not every system has it
            return None
        return Room(free.f_bavail * free.f_frsize, free.f_favail if free.f_files else None)

    def close(self) -> None:
        """Every file is closed already."""


def _make_directory(path: str) -> bool:
    """Return whether the directory was not there before."""
    try:
        os.mkdir(path, _DIRECTORY_MODE)
    except FileExistsError:
        _refuse_link(path)
        return False
    return True


def _refuse_link(path: str) -> None:
    """Refuse what is no directory: a link would lead us to wherever it points (F3)."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise OSError(errno.ENOTDIR, "is there and no directory of ours", path)


def _discard(one: _Staged) -> None:
    """Delete what was written and is not in place."""
    for path in one.made:
        with suppress(OSError):
            os.unlink(path)


def _open(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    return os.open(
        path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), _FILE_MODE
    )


def _write(
    base: str, filename: str, body: bytes, one: _Staged, moment: int | None = None
) -> int | None:
    return _write_chunks(base, filename, (body,), one, moment)


def _write_chunks(
    base: str, filename: str, chunks: Iterable[bytes], one: _Staged, moment: int | None
) -> int | None:
    temporary, final = f"{base}/{layout.temporary(filename)}", f"{base}/{filename}"
    one.made.append(temporary)
    one.renames.append((temporary, final))
    descriptor = _open(temporary)
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
        # All file times are set alike: nginx takes a sibling for its page whatever their times say,
        # but its ETag is made of them (spec-checklist D6, D10).
        if moment is None and one.fresh:
            moment = os.fstat(descriptor).st_mtime_ns  # as it is
        else:
            moment = _moment(descriptor, final) if moment is None else moment
            os.utime(descriptor if os.utime in os.supports_fd else temporary, ns=(moment, moment))
    finally:
        os.close(descriptor)
    return moment


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _moment(descriptor: int, final: str) -> int:
    """Return the mtime for a new file: now, but a whole second after the one it replaces (R12)."""
    now = os.fstat(descriptor).st_mtime_ns
    try:
        before = os.lstat(final).st_mtime_ns
    except FileNotFoundError:
        return now
    return (
        max(now, (before // _SECOND + 1) * _SECOND) if now // _SECOND <= before // _SECOND else now
    )


def _link(
    base: str, source: str, filename: str, body: bytes | None, one: _Staged, moment: int | None
) -> None:
    """Stage ``filename`` with the bytes staged for ``source``: a hard link where that works."""
    origin = f"{base}/{layout.temporary(source)}"
    temporary, final = f"{base}/{layout.temporary(filename)}", f"{base}/{filename}"
    if not one.fresh:
        _unlink(temporary)
    try:
        os.link(origin, temporary)
    except OSError:
        if body is None:
            body = Path(origin).read_bytes()
        _write(base, filename, body, one, moment)
        return
    one.made.append(temporary)
    one.renames.append((temporary, final))


def _page_last(one: _Staged, base: str, filename: str) -> None:
    """Put the rename of a page behind those of its siblings (R12)."""
    last = [pair for pair in one.renames if pair[1] == f"{base}/{filename}"]
    one.renames = [pair for pair in one.renames if pair[1] != f"{base}/{filename}"] + last


def _tidy(base: str, keep: set[str]) -> None:
    """Delete what a run that died has left: our own names only, staged files aside."""
    staged = {layout.temporary(name) for name in keep}
    for filename in layout.filenames():
        for name in (filename, layout.temporary(filename)):
            if name not in keep and name not in staged:
                _unlink(f"{base}/{name}")


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _failure(name: str, error: OSError) -> Failure:
    return Failure(name, _why(error), fatal=error.errno in _FATAL)


def _why(error: OSError) -> str:
    if not error.filename:
        return error.strerror or str(error)
    foreign = owner(Path(error.filename)) if error.errno in (errno.EACCES, errno.EPERM) else ""
    return f"{error.strerror}: {error.filename}{foreign}"


def _error(error: OSError, path: str) -> PublishError:
    where = str(error.filename or path)
    foreign = owner(Path(where)) if error.errno in (errno.EACCES, errno.EPERM) else ""
    return PublishError(where, f"{error.strerror or error}{foreign}")
