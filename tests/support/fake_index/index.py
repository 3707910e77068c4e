"""A journal-keeping package repository in memory, behaving as PyPI was seen to behave.

``docs/design/upstream.rst`` has what was seen.

``FakeUpstream`` has the mutations; :func:`tests.support.fake_index.http_server.serve` puts it on a
socket. Time is ``clock`` and nothing else, so the same calls give the same bytes.
"""

from __future__ import annotations

from dataclasses import replace

from tests.support.fake_index.faults import Fault, Request
from tests.support.fake_index.http_server import Served, serve
from tests.support.fake_index.package_files import sdist, wheel
from tests.support.fake_index.pages import Answer
from tests.support.fake_index.repository import Repository, Snapshot, Writes
from tests.support.fake_index.values import (
    LONG,
    FileYank,
    Refused,
    Release,
    StoredFile,
    StoredProject,
    add_action,
    default_filenames,
    digest,
    iso_time,
    metadata_of,
    normalise,
)

__all__ = [
    "Answer",
    "FakeUpstream",
    "Fault",
    "Refused",
    "Request",
    "Served",
    "Snapshot",
    "sdist",
    "serve",
    "wheel",
]


class FakeUpstream(Repository):
    """The repository. Mutations return the newest serial and raise :class:`Refused`."""

    def create(self, name: str) -> int:
        """Create a project without releases."""
        with self.lock:
            key = normalise(name)
            if key in self._projects:
                raise Refused(f"{name} exists")
            return self.commit(key, StoredProject(name, {}, {}), self._creation())

    def upload(
        self,
        name: str,
        version: str,
        filename: str | None = None,
        *,
        content: bytes | None = None,
        requires_python: str | None = LONG,
        core_metadata: bytes | bool | None = None,
        upload_time: str | None = None,
        provenance: str | None = None,
    ) -> int:
        """Add a file, with project and release where they are new."""
        with self.lock:
            key = normalise(name)
            held = self._projects.get(key)
            writes = [] if held else self._creation()
            project = replace(held or StoredProject(name, {}, {}), display=name)
            if filename is None:
                choices = default_filenames(name, version, content)
                filename = next(f for f in choices if f not in self._used)
            if filename in self._used:
                raise Refused(f"{filename} was used before")
            release = project.releases.get(version)
            if release is None:  # the first upload decides
                release = Release(version, requires_python)
                writes.append((version, "new release"))
            body = f"{filename}\n".encode() if content is None else content
            file = StoredFile(
                filename=filename,
                version=version,
                content=body,
                sha256=digest(body),
                upload_time=iso_time(self.clock) if upload_time is None else upload_time,
                metadata=metadata_of(name, version, filename, body, core_metadata),
                provenance=provenance,
            )
            self._used.add(filename)
            writes.append((version, add_action(filename)))
            changed = replace(
                project,
                releases={**project.releases, version: release},
                files={**project.files, filename: file},
            )
            return self.commit(key, changed, writes)

    def yank(self, name: str, version: str, reason: str = "") -> int:
        """Yank a release; on a yanked one this is how the reason changes."""
        return self._mark(name, version, reason, "yank release")

    def unyank(self, name: str, version: str) -> int:
        """Take a yank back; accepted on a release that is not yanked, too."""
        return self._mark(name, version, None, "unyank release")

    def yank_file(
        self, name: str, filename: str, reason: str | None = "", *, row: bool = False
    ) -> int:
        """Yank one file (None: unyank it), unlike Warehouse.

        There is a row only if asked.
        """
        with self.lock:
            key, project = self._require(name)
            file = self._file(project, filename)
            verb = "unyank" if reason is None else "yank"
            marked = replace(file, own_yank=FileYank(reason))
            writes: Writes = [(file.version, f"{verb} file {filename}")] if row else []
            changed = replace(project, files={**project.files, filename: marked})
            return self.commit(key, changed, writes)

    def remove_file(self, name: str, filename: str) -> int:
        """Remove one file; its release stays, maybe without files."""
        with self.lock:
            key, project = self._require(name)
            version = self._file(project, filename).version
            files = {n: f for n, f in project.files.items() if n != filename}
            writes: Writes = [(version, f"remove file {filename}")]
            return self.commit(key, replace(project, files=files), writes)

    def remove_release(self, name: str, version: str) -> int:
        """Remove a release: one row, none for its files."""
        with self.lock:
            key, project = self._require(name)
            self._release(project, version)
            changed = replace(
                project,
                releases={v: r for v, r in project.releases.items() if v != version},
                files={n: f for n, f in project.files.items() if f.version != version},
            )
            return self.commit(key, changed, [(version, "remove release")])

    def remove_project(self, name: str) -> int:
        """Remove a project: one row; the page is 404 from here on."""
        with self.lock:
            key, project = self._require(name)
            return self.commit(key, None, [(None, "remove project")], spelling=project.display)

    def quarantine_project(self, name: str) -> int:
        """Quarantine a project: 200 without files, gone from the list."""
        return self._status(name, "quarantined", [(None, "project quarantined")])

    def clear_project_quarantine(self, name: str) -> int:
        """End it; the status is active, whatever it was before."""
        if self._require(name)[1].status != "quarantined":
            raise Refused(f"{name} is not quarantined")
        return self._status(name, "active", [(None, "project quarantine cleared")])

    def quarantine_release(self, name: str, version: str) -> int:
        """Quarantine a release: its files vanish without a marker."""
        return self._quarantine(name, version, True, "release quarantined")

    def clear_release_quarantine(self, name: str, version: str) -> int:
        """End it; the release returns with the yank that it had."""
        return self._quarantine(name, version, False, "release quarantine cleared")

    def archive(self, name: str) -> int:
        """Archive a project: the page changes, with no row or serial."""
        return self.set_status(name, "archived")

    def unarchive(self, name: str) -> int:
        """Take it back, again without row and serial."""
        return self.set_status(name, "active")

    def set_status(self, name: str, status: str, reason: str | None = None) -> int:
        """Give a project any PEP 792 status, without row and serial."""
        if self._require(name)[1].status == "quarantined":
            raise Refused(f"{name} is quarantined")
        return self._status(name, status, [], reason)

    def role(self, name: str, action: str = "add Owner alice") -> int:
        """Write a role row: the serial rises, the page says nothing else."""
        with self.lock:
            key, project = self._require(name)
            return self.commit(key, project, [(None, action)])

    def invite(self, name: str, user: str = "bob", role: str = "Maintainer") -> int:
        """Invite somebody: the serial rises, the CDN is not purged."""
        return self.role(name, f"invite {role} {user}")

    def revoke_invite(self, name: str, user: str = "bob", role: str = "Maintainer") -> int:
        """Take an invitation back: the serial rises, the CDN is not purged."""
        return self.role(name, f"revoke_invite {role} {user}")

    def _creation(self) -> Writes:
        return [(None, "create"), (None, f"add Owner {self.user}")]

    def _require(self, name: str) -> tuple[str, StoredProject]:
        key = normalise(name)
        if key not in self._projects:
            raise Refused(f"no project {name}")
        return key, self._projects[key]

    def _release(self, project: StoredProject, version: str) -> Release:
        if version not in project.releases:
            raise Refused(f"{project.display} has no release {version}")
        return project.releases[version]

    def _file(self, project: StoredProject, filename: str) -> StoredFile:
        if filename not in project.files:
            raise Refused(f"{project.display} has no file {filename}")
        return project.files[filename]

    def _mark(self, name: str, version: str, reason: str | None, action: str) -> int:
        with self.lock:
            key, project = self._require(name)
            release = self._release(project, version)
            if release.quarantined:
                raise Refused(f"{version} is quarantined")
            files = {
                n: replace(f, own_yank=None) if f.version == version else f
                for n, f in project.files.items()
            }
            marked = {**project.releases, version: replace(release, yanked=reason)}
            changed = replace(project, releases=marked, files=files)
            return self.commit(key, changed, [(version, action)])

    def _status(self, name: str, status: str, writes: Writes, reason: str | None = None) -> int:
        with self.lock:
            key, project = self._require(name)
            return self.commit(key, replace(project, status=status, status_reason=reason), writes)

    def _quarantine(self, name: str, version: str, quarantined: bool, action: str) -> int:
        with self.lock:
            key, project = self._require(name)
            release = self._release(project, version)
            if release.quarantined == quarantined:
                raise Refused(f"{version}: {action} changes nothing")
            marked = {**project.releases, version: replace(release, quarantined=quarantined)}
            return self.commit(key, replace(project, releases=marked), [(version, action)])
