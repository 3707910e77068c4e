"""Values: what the mirror knows about one project, for ``why``."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from yanksync.core.model import Page
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.lost_file import LostFile
from yanksync.state.views.timeline import ProjectTimes, TimedEvent


class Answer(StrEnum):
    """Whether the release, or any release of the project, can be installed."""

    YES = "yes"
    YANKED = "yanked"  # only by an exact pin (PEP 592)
    NO = "no"


class PinOutcome(StrEnum):
    """What an installer does with an exact pin."""

    INSTALLS = "installs"
    WARNS = "warns"  # it installs, and prints the reason of the yank
    FAILS = "fails"


class FileRuling(Struct, frozen=True, kw_only=True):
    """Why a file is not offered as upstream has it."""

    file: str
    version: str | None
    action: str  # "hide" or "yank"
    rule: str  # the key, the override or the advisory
    reason: str  # text of the operator or the advisory
    until: float | None  # None: until the rules change


class OfferedPage(Struct, frozen=True):
    """A recorded page, and the same page after the operator's rules."""

    recorded: Page  # with the files that a guard keeps
    offered: Page
    rulings: tuple[FileRuling, ...] = ()


class ReleaseOffer(Struct, frozen=True, kw_only=True):
    """What is offered of one release."""

    version: str | None  # None: files without a version
    files: int  # upstream's files, and files that a guard keeps
    wheels: int = 0  # offered
    sdists: int = 0  # offered
    yanked: int = 0  # offered files that are marked
    hidden: int = 0  # by a rule of the operator
    omitted: int = 0  # because they are yanked, by ``mirror.yanked``
    reason: str | None = None  # of the first mark with a reason; None: no file is yanked
    requires_python: tuple[str, ...] = ()  # of the offered files
    pip: PinOutcome = PinOutcome.FAILS
    uv: PinOutcome = PinOutcome.FAILS


class WhyReport(Struct, frozen=True, kw_only=True):
    """Everything that ``why`` prints."""

    project: NormalizedName
    version: str | None  # as the user wrote it; None: the whole project
    presence: Presence
    serial: int | None  # of the recorded page
    published_serial: int | None
    forms: tuple[str, ...]  # file names of the published forms
    status: str | None  # of the page (PEP 792); None: there is no page
    status_reason: str | None
    times: ProjectTimes
    events: tuple[TimedEvent, ...]
    rulings: tuple[FileRuling, ...]
    kept: tuple[LostFile, ...]  # files that stay published although upstream lost them
    releases: tuple[ReleaseOffer, ...]
    page_serial: int | None = None  # of the page that ``releases`` are from
    not_kept: str | None = None  # why no copy of a removed file is offered; None: not known
