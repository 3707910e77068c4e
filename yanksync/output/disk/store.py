"""Publishing to a directory: temporary file, sync, rename, sync.

Durability comes in batches. First all temporary files of a batch reach the disk. Then all renames
happen, and then their directories reach the disk. Only then does the state commit the digests.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from yanksync.core import layout
from yanksync.output.compress import compress_chunks, compressed_copy
from yanksync.output.disk.inventory import NO_TARGET, umask
from yanksync.output.disk.other_files import OtherFiles
from yanksync.output.disk.published_files import advice, publish_errors
from yanksync.output.disk.staging import (
    DIRECTORY_MODE,
    StagedFiles,
    discard,
    make_directory,
    order_page_last,
    published_in,
    read_chunks,
    refuse_link,
    remove_leftovers,
    stage_chunks,
    stage_file,
    stage_link,
    unlink,
    unstage,
)
from yanksync.output.inventory import OURS, TEMPORARY
from yanksync.output.reconcile import (
    FormUpdate,
    KeepProject,
    Operation,
    RemoveProject,
    WriteProject,
)
from yanksync.output.store import (
    EtagTable,
    ListForm,
    StoreFailure,
    obsolete_list_files,
)
from yanksync.system.atomic_files import create_new

log = logging.getLogger("yanksync")

# After one of these errors the rest of the batch would fail, too, so it is not tried.
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE}


class DiskStore(OtherFiles):
    """A directory of files for any web server."""

    @property
    def refused(self) -> bool:
        """True if the file system refused something harmless.

        The refusal was logged.
        """
        return self._refusals.any

    compress = staticmethod(compressed_copy)

    def prepare(self) -> None:
        """Make the directory, and remove a half-written list."""
        with publish_errors(self._root):
            self._make(str(self.output))
            self._make(self._root)
            for filename in TEMPORARY:
                unlink(f"{self._root}/{filename}")
            if not os.access(self._root, os.W_OK | os.X_OK):
                # Creating a file gives the reason, which is then logged once and not for each
                # project.
                os.close(create_new(f"{self._root}/{layout.temporary_name(layout.HTML.filename)}"))

    def _make(self, path: str) -> None:
        try:
            os.makedirs(path, DIRECTORY_MODE, exist_ok=True)
        except FileExistsError:
            why = "is there and no directory: move it away, or change mirror.output"
            if not os.path.exists(path):
                why = f"{NO_TARGET}: mount what it leads to, or correct it"
            raise OSError(errno.ENOTDIR, why, path) from None

    is_conditional = False

    def conditions(self, etags: EtagTable, names: Iterable[str]) -> AbstractContextManager[None]:
        """Set no conditions: the lock keeps other runs away."""
        return nullcontext()

    def forget_etags(self, etags: EtagTable, name: str, filenames: Iterable[str]) -> None:
        """Keep everything: files have no ETags."""

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        """Do ``operations``, durably; return the failures."""
        staged: list[StagedFiles] = []
        failures: list[StoreFailure] = []
        touched = {
            f"{self._root}/{operation.name}": None
            for operation in operations
            if isinstance(operation, KeepProject)
        }
        try:
            with publish_errors(self._root):
                self._stage_all(operations, staged, failures)
                self._make_durable(
                    staged, [path for base in touched for path in published_in(base)]
                )
                self._replace_all(staged, failures, touched)
                self._remove_all(operations, failures)
                self._sync_directories([*touched, self._root])
        finally:
            for one in staged:
                discard(one)
        return tuple(failures)

    def _stage_all(
        self,
        operations: Sequence[Operation],
        staged: list[StagedFiles],
        failures: list[StoreFailure],
    ) -> None:
        fatal: str | None = None
        writes = [one for one in operations if isinstance(one, WriteProject)]
        for operation in sorted(writes, key=lambda one: not one.withdraws):
            if fatal is not None and not operation.withdraws:
                failures.append(StoreFailure(operation.name, fatal, fatal=True))
                continue
            failure = self._stage_one(operation, staged)
            if failure is not None and operation.withdraws:
                failure = self._clear(operation, staged, failure)
            if failure is not None:
                failures.append(failure)
                if failure.fatal:
                    fatal = failure.why

    def _stage_one(self, operation: WriteProject, staged: list[StagedFiles]) -> StoreFailure | None:
        one = StagedFiles(operation.name)
        staged.append(one)
        try:
            self._stage(operation, one)
        except OSError as error:
            staged.remove(one)
            discard(one)  # no part of it may be published, and others can use its room
            return _failure(operation.name, error)
        return None

    def _clear(
        self, operation: WriteProject, staged: list[StagedFiles], failure: StoreFailure
    ) -> StoreFailure | None:
        """Remove a page that cannot be replaced (R9).

        The room that this frees may be enough for the new one.
        """
        base = f"{self._root}/{operation.name}"
        try:
            self._remove_files(base)
            self._sync_directories([base])
        except OSError:
            return failure
        failed = self._stage_one(operation, staged)
        if failed is None:
            return None
        why = f"its page was removed, and the new one cannot be written: {failed.why}"
        return StoreFailure(operation.name, why, fatal=failed.fatal)

    def _stage(self, operation: WriteProject, one: StagedFiles) -> None:
        base = f"{self._root}/{operation.name}"
        one.fresh = make_directory(base)
        for form in operation.forms:
            moment = self._stage_form(base, form, one)
            alias = layout.ALIAS.get(form.filename)
            if alias is not None:
                self._stage_alias(base, form, alias, moment, one)
        if operation.remove_leftovers:
            one.keep = {os.path.basename(final) for _, final in one.renames}

    def _stage_form(self, base: str, form: FormUpdate, one: StagedFiles) -> int | None:
        """Write the temporary files of one form.

        Return their mtime in ns.
        """
        if form.body is not None:
            moment = stage_file(base, form.filename, form.body, one)
        else:
            moment = os.lstat(f"{base}/{form.filename}").st_mtime_ns
        for codec, body in form.copies:
            name = form.filename + layout.SUFFIX[codec]
            stage_file(base, name, body, one, moment)
        for codec in form.remove:
            one.deletes.append(f"{base}/{form.filename}{layout.SUFFIX[codec]}")
        order_page_last(one, base, form.filename)
        return moment

    def _stage_alias(
        self, base: str, form: FormUpdate, alias: str, moment: int | None, one: StagedFiles
    ) -> None:
        for codec, body in form.copies:
            suffix = layout.SUFFIX[codec]
            stage_link(base, form.filename + suffix, alias + suffix, body, one, moment)
        if form.body is not None:
            stage_link(base, form.filename, alias, form.body, one, moment)
        for codec in form.remove:
            one.deletes.append(f"{base}/{alias}{layout.SUFFIX[codec]}")

    def _replace_all(
        self, staged: Sequence[StagedFiles], failures: list[StoreFailure], touched: dict[str, None]
    ) -> None:
        for one in staged:
            if not (one.renames or one.deletes or one.keep):
                continue
            base = f"{self._root}/{one.name}"
            touched[base] = None
            try:
                for path in one.deletes:
                    unlink(path)
                if one.keep is not None and not one.fresh:
                    remove_leftovers(base, one.keep)
                for temporary, final in one.renames:
                    os.replace(temporary, final)
                one.made.clear()
            except OSError as error:
                failures.append(_failure(one.name, error))

    def _remove_all(self, operations: Sequence[Operation], failures: list[StoreFailure]) -> None:
        for operation in operations:
            if isinstance(operation, RemoveProject):
                try:
                    self._remove(operation.name)
                except OSError as error:
                    failures.append(_failure(operation.name, error))

    def _remove(self, name: str) -> None:
        base = f"{self._root}/{name}"
        try:
            self._remove_files(base)
        except FileNotFoundError:
            return
        try:
            os.rmdir(base)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            log.warning("%s: the page is removed; files of other programs stay there", base)

    @staticmethod
    def _remove_files(base: str) -> None:
        refuse_link(base)
        entries = os.listdir(base)
        # A compressed copy is deleted before its page: with gzip_static it would otherwise still be
        # served after the page.
        for entry in sorted((OURS | TEMPORARY).intersection(entries), key=len, reverse=True):
            unlink(f"{base}/{entry}")

    def write_list(self, forms: Sequence[ListForm], codecs: tuple[str, ...]) -> tuple[str, ...]:
        """Replace the list of projects, durably, each file in one step."""
        one, copies = StagedFiles(""), list[str]()
        try:
            with publish_errors(self._root):
                one.deletes.extend(
                    f"{self._root}/{filename}" for filename in obsolete_list_files(forms)
                )
                for form in forms:
                    copies += self._stage_list(form, codecs, one)
                self._make_durable([one], ())
                for path in one.deletes:
                    unlink(path)
                for temporary, final in one.renames:
                    os.replace(temporary, final)
                one.made.clear()
                self._sync_directories([self._root])
        finally:
            discard(one)
        return tuple(copies)

    def _stage_list(self, form: ListForm, codecs: tuple[str, ...], one: StagedFiles) -> list[str]:
        """Write the temporary files of a form of the list.

        Return the names of its copies.
        """
        base, alias = self._root, layout.ALIAS.get(form.filename)
        moment = stage_chunks(base, form.filename, form.chunks(), one, None)
        page = f"{base}/{layout.temporary_name(form.filename)}"
        copies = []
        for codec in codecs:
            name = form.filename + layout.SUFFIX[codec]
            # Made from the file that is written already: making 750,000 rows again costs more than
            # reading them.
            stage_chunks(base, name, compress_chunks(codec, read_chunks(page)), one, moment)
            copy = f"{base}/{layout.temporary_name(name)}"
            if layout.is_worth_keeping(os.stat(page).st_size, os.stat(copy).st_size):
                copies.append(name)
            else:
                unstage(one, copy)
        for name in layout.aliases(form.filename):
            for suffix in layout.SUFFIX.values():
                if form.filename + suffix not in copies:
                    one.deletes.append(f"{base}/{name}{suffix}")
        order_page_last(one, base, form.filename)
        if alias is not None:
            for copy in copies:
                suffix = copy.removeprefix(form.filename)
                stage_link(base, copy, alias + suffix, None, one, moment)
            stage_link(base, form.filename, alias, None, one, moment)
        return copies

    def reset_mode(self, name: str | None) -> None:
        """Give a directory the mode of a new one."""
        path = str(self.output / layout.directory(name))
        with publish_errors(path):
            mode = stat.S_IMODE(os.stat(path).st_mode) & ~0o777
            os.chmod(path, mode | (DIRECTORY_MODE & ~umask()))

    def close(self) -> None:
        """Do nothing: every file is closed already."""


def _failure(name: str, error: OSError) -> StoreFailure:
    return StoreFailure(name, _why(error), fatal=error.errno in _FATAL)


def _why(error: OSError) -> str:
    # For a rename, name the target: the name of a temporary file says little.
    name = error.filename2 or error.filename
    if not name:
        return f"{error.strerror or error}{advice(error, None)}"
    return f"{error.strerror}: {name}{advice(error, name)}"
