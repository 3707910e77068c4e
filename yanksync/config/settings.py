"""The settings of a mirror, as frozen values.

:mod:`yanksync.config.load` makes them. Each key of ``yanksync.toml`` is one field here, with its
default.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

from msgspec import Struct

from yanksync.config.files_settings import FilesSettings
from yanksync.config.project_filter import ProjectFilter
from yanksync.core.model import HistoryAction
from yanksync.core.policies.cooldown import Cooldown
from yanksync.core.policies.overrides import Override
from yanksync.core.rules.removal_guard import GuardSettings
from yanksync.core.urls import redacted

StorageValue = str | bool | int | float


class JournalSource(StrEnum):
    """The source of changes; AUTO is xmlrpc, else listing, else none."""

    AUTO = "auto"
    XMLRPC = "xmlrpc"
    LISTING = "listing"
    NONE = "none"


class YankedPolicy(StrEnum):
    """What PEP 592 lets a mirror do with yanked files."""

    MARK = "mark"
    OMIT = "omit"


class Compression(StrEnum):
    """The compressed copies that a page may have."""

    GZIP = "gzip"
    BR = "br"
    ZSTD = "zstd"


class DirectoryObjectForm(StrEnum):
    """The form that S3 also has under the key ``simple/<project>/``."""

    NONE = "none"
    HTML = "html"
    JSON = "json"


class UpstreamSettings(Struct, frozen=True, kw_only=True):
    """Section ``[upstream]``: the index, and how it is asked."""

    simple_url: str | None = None  # with a trailing slash, may hold credentials; None: ask pip
    journal_url: str | None = None  # None: beside simple_url
    journal: JournalSource = JournalSource.AUTO
    workers: int = 16  # simultaneous page requests
    timeout: float = 30.0  # seconds, connect and between bytes
    stale_retry: float = 5.0  # seconds (R3)
    journal_interval: float = 1.0  # seconds (R13)
    allow_http: bool = False  # plain http beyond loopback (R10)
    sweep_days: int = 30  # 0: never
    max_page_size: int = 32 << 20  # bytes, packed or unpacked
    max_list_size: int = 256 << 20  # bytes, of the list of projects and of a journal answer
    contact: str = ""  # printable ASCII, for User-Agent
    redirect_hosts: tuple[str, ...] = ()  # "host" or "host:port", in lower case

    @property
    def urls(self) -> tuple[str, str]:
        """``simple_url`` and ``journal_url``, once ``config.load.with_simple_url`` ran."""
        if self.simple_url is None:
            raise RuntimeError("simple_url was not resolved before it was needed")
        return self.simple_url, self.journal_url or urljoin(self.simple_url, "../pypi")

    def __repr__(self) -> str:
        """Name the upstream without its credentials.

        Values appear in tracebacks and logs.
        """
        url = self.simple_url
        return f"Upstream(simple_url={None if url is None else redacted(url)!r}, …)"


class Bucket(Struct, frozen=True, kw_only=True):
    """A place in object storage: what ``s3://bucket/prefix`` names."""

    scheme: str  # s3, gs, az
    bucket: str  # for az: the container
    prefix: str = ""  # without slashes at its ends

    @property
    def root(self) -> str:
        """The bucket as a URL, without a trailing slash."""
        return f"{self.scheme}://{self.bucket}"

    def __str__(self) -> str:
        return f"{self.root}/{self.prefix}" if self.prefix else self.root


class MirrorSettings(Struct, frozen=True, kw_only=True):
    """Section ``[mirror]``: what is kept, and where."""

    output: Path | Bucket = Path("mirror")  # a directory, absolute once loaded, or object storage
    state: Path | Bucket = Path("yanksync.db")  # absolute once loaded, or one object
    lease: float = 300.0  # seconds for which a run has a state in object storage
    selection: ProjectFilter = ProjectFilter()  # the keys projects and exclude
    yanked: YankedPolicy = YankedPolicy.MARK
    deleted: Literal["remove", "yank"] = "remove"  # what pages do with files upstream removed
    files: Literal["link", "copy"] = "link"  # upstream's files, or copies of them
    compress: tuple[Compression, ...] = (Compression.GZIP,)  # in the order of Compression
    list_interval: float = 1800.0  # seconds
    legacy_json: bool = False  # also what followers of the older JSON API read
    slash_keys: DirectoryObjectForm = DirectoryObjectForm.NONE
    overrides: Path | None = None  # a file of [[override]] tables; absolute once loaded
    advisories: tuple[Path, ...] = ()  # OSV records; absolute once loaded

    @property
    def output_identity(self) -> str:
        """Return where in object storage the output is, and its form.

        The same for all directories: one that is moved takes its files along.
        """
        return "" if isinstance(self.output, Path) else f"{self.output} {self.slash_keys}"


class ScheduleSettings(Struct, frozen=True, kw_only=True):
    """Section ``[schedule]``: exactly one of the two is set."""

    every: float | None = 300.0  # seconds
    cron: str | None = None  # five fields, single spaces, as crontab(5) has them


class HookSettings(Struct, frozen=True, kw_only=True):
    """Section ``[hooks]``: what is called after a change of the output."""

    command: tuple[str, ...] = ()  # program and arguments; gets paths on standard input
    webhook: str | None = None  # gets JSON; may hold credentials
    webhook_header: str | None = None  # "Name: value", a secret
    manifest: Path | None = None  # a directory, absolute once loaded
    manifest_keep: float = 30 * 86400.0  # seconds
    timeout: float = 30.0  # seconds that one delivery may take
    allow_http: bool = False  # a webhook over plain http beyond loopback

    @property
    def enabled(self) -> tuple[str, ...]:
        """The names of the configured hooks, as in the state."""
        given = (bool(self.command), self.webhook is not None, self.manifest is not None)
        return tuple(name for name, is_given in zip(HOOK_NAMES, given, strict=True) if is_given)

    def __repr__(self) -> str:
        """Name the hooks alone: addresses and headers hold secrets."""
        return f"Hooks({', '.join(self.enabled)})"


HOOK_NAMES = ("command", "webhook", "manifest")
"""The hooks that can be configured."""


class HealthSettings(Struct, frozen=True, kw_only=True):
    """Section ``[health]``: where the result of a pass is reported."""

    metrics: Path | None = None  # a file for Prometheus' textfile collector; absolute once loaded
    ping: str | None = None  # gets the start and the end of each pass; a secret
    allow_http: bool = False  # a ping over plain http beyond loopback

    @property
    def watched(self) -> bool:
        """True if metrics or pings are configured."""
        return self.metrics is not None or self.ping is not None

    def __repr__(self) -> str:
        """Leave out the address, which is a secret."""
        return f"Health(metrics={self.metrics}, …)"


class NotifyFormat(StrEnum):
    """What a target of a notification gets."""

    JSON = "json"
    CHAT = "chat"  # a text for people


class NotifyTarget(Struct, frozen=True, kw_only=True):
    """One ``[[withdrawals.notify]]`` table: a target, and the withdrawals that it hears of."""

    name: str  # its position in the log is kept under it
    projects: ProjectFilter = ProjectFilter()
    actions: frozenset[HistoryAction] = frozenset()  # none: all
    command: tuple[str, ...] = ()  # program and arguments; gets events on standard input
    webhook: str | None = None  # may hold credentials; either this or command
    webhook_header: str | None = None  # "Name: value", a secret
    format: NotifyFormat = NotifyFormat.JSON

    @property
    def key(self) -> str:
        """Its name among the hooks, in ``status``."""
        return f"notify {self.name}"

    def wants(self, project: str, action: HistoryAction) -> bool:
        """Return whether it gets an action on a *normalised* project."""
        return (not self.actions or action in self.actions) and self.projects.includes(project)

    def __repr__(self) -> str:
        """Leave out addresses and headers, which hold secrets."""
        return f"NotifyTarget({self.name})"


class WithdrawalSettings(Struct, frozen=True, kw_only=True):
    """Section ``[withdrawals]``: what people and programs see of what was withdrawn."""

    publish: bool = False  # the log, the feeds and the OSV records below withdrawals/
    title: str = "Withdrawn releases"  # of the feeds
    watch: tuple[tuple[str, ProjectFilter], ...] = ()  # the name of each list, and its projects
    notify: tuple[NotifyTarget, ...] = ()

    @property
    def text(self) -> str:
        """A text that changes when the files do, for the same events.

        Raise the number when yanksync writes other files than before.
        """
        lists = " ".join(f"{name}={','.join(some.projects)}" for name, some in self.watch)
        return f"2 {self.title} {lists}"


class StorageSettings(Struct, frozen=True):
    """Section ``[storage]``: options for the object-storage client, passed on as they are."""

    options: tuple[tuple[str, StorageValue], ...] = ()  # sorted by key, keys in lower case

    def __repr__(self) -> str:
        """Name the keys alone: the values hold secrets."""
        return f"Storage({', '.join(key for key, _ in self.options)})"


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a run, checked once."""

    upstream: UpstreamSettings = UpstreamSettings()
    mirror: MirrorSettings = MirrorSettings()
    cooldown: Cooldown = Cooldown()
    overrides: tuple[Override, ...] = ()  # those of the file and of mirror.overrides
    files: FilesSettings = FilesSettings()
    guard: GuardSettings = GuardSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    hooks: HookSettings = HookSettings()
    health: HealthSettings = HealthSettings()
    withdrawals: WithdrawalSettings = WithdrawalSettings()
    storage: StorageSettings = StorageSettings()
    source: Path | None = None  # the file that was read, absolute; None: there is none

    @property
    def receivers(self) -> tuple[str, ...]:
        """The names of hooks and targets, as in ``status``."""
        return (*self.hooks.enabled, *(target.key for target in self.withdrawals.notify))

    @property
    def keys_without_effect(self) -> tuple[str, ...]:
        """The configured keys of ``[files]`` that only have an effect with copies."""
        return () if self.copies_files else self.files.changed_keys

    @property
    def copies_files(self) -> bool:
        """Whether package files are copied."""
        return self.mirror.files == "copy"

    @property
    def withheld(self) -> Path | Bucket | None:
        """Where copies out of service are kept; None: nowhere."""
        output, state = self.mirror.output, self.mirror.state
        if self.files.withheld is not None or not isinstance(output, Path):
            return self.files.withheld
        beside = state if isinstance(state, Path) else output
        return beside.with_name(f"{beside.name}.withheld")

    @property
    def is_closed_set(self) -> bool:
        """Whether lock files name all that is mirrored."""
        return self.copies_files and bool(self.files.lock_files)

    @property
    def keeps_deleted(self) -> bool:
        """Whether copies of files that upstream removed are kept."""
        return self.mirror.deleted == "yank" or self.files.deleted_index

    def is_mirrored(self, name: str) -> bool:
        """Return whether the project of this *normalised* name is mirrored."""
        return self.mirror.selection.includes(name)
