"""The shapes of all JSON outputs, with the meaning of each key.

msgspec makes the JSON Schemas of them, and docs/reference/json.rst gets a table of each. The tests
compare what the commands print with the schemas.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from yanksync.adopt.results import AdoptOutcome
from yanksync.cli.display.held import KINDS
from yanksync.cli.reports.check import LEVELS
from yanksync.core.model import HistoryAction
from yanksync.core.pins import PinOperator
from yanksync.core.project_state import PublishReason
from yanksync.doctor.checks import Level
from yanksync.output.comparison import FindingKind
from yanksync.reports.audit.findings import FindingKind as AuditKind
from yanksync.reports.compare.differences import DifferenceKind
from yanksync.reports.rescue.findings import Outcome as RescueOutcome
from yanksync.reports.why.report import Answer, PinOutcome

Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


def _says(text: str) -> Meta:
    return Meta(description=text)


class Run(Struct, kw_only=True):
    """The run at work."""

    who: Annotated[str, _says("The process and the machine.")]
    since: Annotated[Time | None, _says("When it began.")]
    command: Annotated[str, _says('Its command; ``""`` with a state in object storage.')]
    phase: Annotated[str, _says('What it does at the moment; ``""``: not known.')]
    done: Annotated[int, _says("How many of ``total`` are done.")]
    total: Annotated[int, _says("How many there are in this phase; 0: not known.")]


class Pending(Struct, kw_only=True):
    """A project that waits to be fetched."""

    name: Name
    reach: Annotated[int | None, _says("The serial that its page must reach.")]
    since: Annotated[Time, _says("When the journal first named it.")]
    attempts: Annotated[int, _says("Passes without success.")]
    next_try: Annotated[Time, _says("When it is fetched next.")]
    behind: Annotated[bool, _says("True: the page stayed old for 26 hours.")]
    problem: Annotated[str | None, _says("Why it waits.")]
    held: Annotated[str | None, _says("Why a guard holds it.")]


class PackageFiles(Struct, kw_only=True):
    """Copies of package files; all 0 where files are not copied."""

    served: Annotated[int, _says("Copies that pages name.")]
    served_bytes: Annotated[int, _says("Their bytes.")]
    wanted: Annotated[int, _says("Files that are still to be copied.")]
    wanted_bytes: Annotated[int, _says("Their bytes, of those whose size upstream gives.")]
    failing: Annotated[int, _says("Those of them that could not be copied.")]
    lacking_metadata: Annotated[
        int, _says("Copies without their metadata (PEP 658), because it could not be copied.")
    ]
    withheld: Annotated[int, _says("Copies out of service.")]
    withheld_bytes: Annotated[int, _says("Their bytes.")]


class FailingFile(Struct, kw_only=True):
    """A package file that could not be copied, or whose metadata could not."""

    project: Name
    filename: Annotated[str, _says("Its name.")]
    problem: Annotated[str, _says("Why.")]
    next_try: Annotated[Time, _says("When it is tried again.")]


class Blocked(Struct, kw_only=True):
    """A project whose files could not be written."""

    name: Name
    since: Annotated[Time, _says("When the change was read that is not published.")]
    problem: Annotated[str, _says("Why.")]


class Withdrawal(Struct, kw_only=True):
    """A withdrawal that the output lacks."""

    project: Name
    version: Annotated[str | None, _says("As upstream spells it; null: the whole project.")]
    file: Annotated[str | None, _says("The file that was removed; null: all of the release.")]
    action: Annotated[
        Literal["yanked", "removed", "quarantined", "withdrawn"],
        _says("What upstream did; ``withdrawn``: files are still served that no page names."),
    ]
    at: Annotated[
        Time | None,
        _says("When upstream did it, or when the files were to leave; null: not known."),
    ]
    files: Annotated[int, _says("Withdrawn package files that are still served.")]
    problem: Annotated[str, _says("Why it cannot be published.")]


class Bundle(Struct, kw_only=True):
    """The newest bundle of an output that bundles feed."""

    cursor: Annotated[
        int | None, _says("Of the newest one that was applied to its end; null: none was.")
    ]
    made: Annotated[Time | None, _says("When it was made.")]
    applied: Annotated[Time | None, _says("When it was applied.")]
    unfinished: Annotated[bool, _says("True: another one was begun, and is to be applied again.")]


class Status(Struct, kw_only=True):
    """``yanksync status --json``"""

    configuration: Annotated[str | None, _says("The file that was read; null: there is none.")]
    upstream: Annotated[
        str | None,
        _says(
            "The index, without credentials; null: pip was not asked for it yet, or bundles feed "
            "the output."
        ),
    ]
    output: Annotated[str, _says("Where pages are published.")]
    state: Annotated[str, _says("Where the state is.")]
    state_bytes: Annotated[int | None, _says("Its size; null: there is no state.")]
    run: Annotated[Run | None, _says("The run at work; null: there is none.")]
    journal_serial: Annotated[
        int | None, _says("The journal is recorded up to this serial; null before the first run.")
    ]
    upstream_serial: Annotated[int | None, _says("The newest serial that upstream has shown.")]
    projects: Annotated[int, _says("Published projects.")]
    yanked_releases: Annotated[int, _says("Versions with at least one yanked file.")]
    pending: Annotated[int, _says("Projects that wait to be fetched.")]
    unpublished: Annotated[int, _says("Projects that are recorded and not published yet.")]
    held: Annotated[int, _says("Changes that wait for a person.")]
    held_kinds: Annotated[dict[str, int], _says("The same by kind.")]
    held_since: Annotated[Time | None, _says("Since when the oldest of them is held.")]
    behind: Annotated[
        int, _says("Projects whose page stayed older than its journal entry for 26 hours.")
    ]
    undelivered: Annotated[int, _says("Changes that hooks have not got yet, counted per hook.")]
    undelivered_hooks: Annotated[
        dict[str, int],
        _says("The same by hook; ``notify NAME`` is a target of ``[[withdrawals.notify]]``."),
    ]
    lag_seconds: Annotated[
        float | None,
        _says(
            "Age of the newest journal read that is published in full, ``behind`` and ``held`` "
            "left out; null before the first. Where bundles feed the output, of what the newest "
            "one brought."
        ),
    ]
    lag_serials: Annotated[int | None, _says("How many serials upstream is ahead of that read.")]
    throttled_until: Annotated[Time | None, _says("Until when upstream asked for a pause.")]
    cooldown_waiting: Annotated[int, _says("Files that wait to become old enough.")]
    cooldown_next: Annotated[
        Time | None,
        _says("When one of their pages changes: a file is old enough, or an override ends."),
    ]
    clock_problem: Annotated[
        str | None, _says("Why cooldown goes by the cut-off of an earlier pass.")
    ]
    unmatched_overrides: Annotated[
        list[str], _says("The overrides that match nothing, as they are written.")
    ]
    last_run: Annotated[
        Time | None, _says("When the newest run ended, or began if it has not ended.")
    ]
    last_success: Annotated[Time | None, _says("When a pass last ended with exit code 0.")]
    last_error: Annotated[
        str | None, _says("The message of the last failed pass; null: none since the last success.")
    ]
    last_error_at: Annotated[Time | None, _says("When that was.")]
    journal: Annotated[
        Literal["xmlrpc", "listing", "none"] | None,
        _says("What is followed; null before the first run."),
    ]
    unknown: Annotated[list[str], _says("Named projects that upstream never had.")]
    problems: Annotated[
        list[Pending], _says("Pending or behind projects with a problem; 100 at most.")
    ]
    blocked: Annotated[
        list[Blocked], _says("Projects whose files could not be written; 100 at most.")
    ]
    withdrawals: Annotated[
        list[Withdrawal],
        _says("Withdrawals by upstream that could not be published; 100 at most."),
    ]
    output_problem: Annotated[
        str | None, _says("Why the newest pass could not write the output; null: it could.")
    ]
    hook_problems: Annotated[list[str], _says("Why hooks failed, with the name of each.")]
    package_files: Annotated[PackageFiles, _says("Copies of package files, and their bytes.")]
    failing_files: Annotated[
        list[FailingFile], _says("Package files that could not be copied; 100 at most.")
    ]
    copy_limit: Annotated[
        str | None,
        _says("The keys of the limits that keep package files from being copied; null: none."),
    ]
    unfinished_forget: Annotated[
        list[str], _says("Projects that ``forget`` began to remove; the next pass goes on.")
    ]
    bundle: Annotated[Bundle | None, _says("The newest bundle; null: no bundle feeds this output.")]
    version: Annotated[str, _says("The version of yanksync.")]


class Change(Struct, kw_only=True):
    """``yanksync history --json``: an array of these, oldest first"""

    serial: Annotated[int | None, _says("The serial of the journal entry; null: observed.")]
    timestamp: Annotated[Time, _says("When upstream wrote it, or when it was observed.")]
    project: Annotated[Name, _says("The normalised name.")]
    version: Annotated[str | None, _says("As upstream spells it; null: the whole project.")]
    action: Annotated[HistoryAction, _says("What happened.")]
    file: Annotated[str | None, _says("The file, if a single one was removed.")]
    reason: Annotated[
        str | None,
        _says('The exact text. ``""``: none was given. Null: unknown, because no page showed it.'),
    ]
    source: Annotated[
        Literal["journal", "observed"],
        _says("``observed``: found by comparing pages, and no entry explains it."),
    ]
    files: Annotated[
        list[str], _says("The files, if only some of a release were yanked or unyanked.")
    ] = []


class HeldFile(Struct, kw_only=True):
    """A file that a guard keeps as it was published."""

    filename: str
    old: Annotated[dict[str, str], _says("Its published hashes by algorithm.")]
    new: Annotated[dict[str, str] | None, _says("Upstream's hashes; null: missing there.")]


class Hold(Struct, kw_only=True):
    """``yanksync holds --json``: an array of these"""

    project: Annotated[Name | None, _says("The normalised name; null: the whole mirror.")]
    what: Annotated[Literal[*KINDS], _says("The kind.")]
    why: Annotated[str, _says("What the guard says.")]
    since: Annotated[Time, _says("Since when.")]
    approve: Annotated[str, _says("What approving does.")]
    files: Annotated[list[HeldFile], _says("With ``files`` and ``hash``: the files.")]


class Approved(Struct, kw_only=True):
    """``yanksync approve --json``"""

    approved: Annotated[list[Hold], _says("What is released.")]
    missing: Annotated[list[str], _says("Names of which nothing is held.")]
    dry_run: Annotated[bool, _says("True: nothing was released.")]


class RestorableFile(Struct, kw_only=True):
    """A package file that is out of service."""

    project: Name
    file: Annotated[str, _says("The file name.")]
    size: Annotated[int, _says("In bytes.")]
    cause: Annotated[str | None, _says("Why it is out of service.")]
    delete_at: Annotated[Time | None, _says("When it is deleted; null: not by itself.")]
    refused: Annotated[str | None, _says("Why it is not restored; null: it is.")]


class Restored(Struct, kw_only=True):
    """``yanksync restore --json``"""

    files: Annotated[list[RestorableFile], _says("The files that are meant.")]
    missing: Annotated[list[str], _says("Names of which no file is out of service.")]
    restored: Annotated[bool, _says("False: nothing was restored.")]


class Removal(Struct, kw_only=True):
    """A project that a pass would remove."""

    name: Name
    why: str


class Fetch(Struct, kw_only=True):
    """A page that a pass would fetch."""

    name: Name
    reach: Annotated[int | None, _says("The serial that it must reach.")]
    urgent: Annotated[bool, _says("A withdrawal is among its entries.")]
    forced: Annotated[bool, _says("Without an ETag.")]
    since: Annotated[Time, _says("When it was first wanted.")]
    doubt: Annotated[str | None, _says("What an earlier pass saw and did not believe yet.")]
    doubt_since: Annotated[Time | None, _says("When that was.")]
    sweep: Annotated[bool, _says("No entry names it.")]
    behind: Annotated[bool, _says("The page stayed old for 26 hours.")]
    approved: Annotated[bool, _says("Its removal is approved.")]


class ChangedFile(Struct, kw_only=True):
    """A file that changed rules hide or bring back"""

    filename: Annotated[str, _says("Its name.")]
    appears: Annotated[bool, _says("Whether it comes back.")]


class ChangedMark(Struct, kw_only=True):
    """A file that changed rules mark as yanked, or mark no more"""

    filename: Annotated[str, _says("Its name.")]
    yanked: Annotated[bool, _says("Whether it is marked then.")]


class Ruling(Struct, kw_only=True):
    """A rule of the mirror that hides a file or marks it as yanked."""

    file: Annotated[str, _says("The file.")]
    version: Annotated[str | None, _says("Its version; null: it belongs to none.")]
    action: Annotated[Literal["hide", "yank"], _says("What the rule does with it.")]
    rule: Annotated[str, _says("The key, the override or the advisory.")]
    reason: Annotated[str, _says("What the operator or the advisory says.")]
    until: Annotated[Time | None, _says("When it ends; null: when the rules change.")]


class Event(Change, kw_only=True):
    """A change, and when the mirror did what about it."""

    asked: Annotated[
        Time | None, _says("The start of the journal read because of which the page was fetched.")
    ]
    attempts: Annotated[
        int | None, _says("How many passes asked for the page in vain; null: not known.")
    ]
    stale_since: Annotated[Time | None, _says("The first answer that was too old.")]
    recorded: Annotated[Time | None, _says("When a page showed it.")]
    published: Annotated[Time | None, _says("When it was published.")]


class Waiting(Struct, kw_only=True):
    """Why the project waits to be fetched."""

    required_serial: Annotated[int | None, _says("The serial that the page must reach.")]
    since: Annotated[Time, _says("Since when.")]
    attempts: Annotated[int, _says("Passes without success.")]
    stale_since: Annotated[Time | None, _says("The first answer that was too old.")]
    next_try: Annotated[Time, _says("When it is fetched next.")]
    behind: Annotated[bool, _says("True: the page stayed old for 26 hours.")]
    problem: Annotated[str | None, _says("What went wrong last.")]
    held: Annotated[str | None, _says("Why a guard holds it.")]
    held_since: Annotated[Time | None, _says("Since when.")]


class Unpublished(Struct, kw_only=True):
    """Why what is recorded is not published."""

    reason: Annotated[
        PublishReason,
        _says("``page``: a page waits; the others: the project is to be removed, and why."),
    ]
    since: Annotated[Time, _says("Since when.")]
    held: Annotated[str | None, _says("Why a guard holds it.")]
    held_since: Annotated[Time | None, _says("Since when.")]
    problem: Annotated[str | None, _says("Why it could not be written.")]


class KeptFile(Struct, kw_only=True):
    """A file that upstream lost or changed."""

    file: Annotated[str, _says("Its name.")]
    shown: Annotated[bool, _says("It stays as it was published; else it is left out.")]
    since: Annotated[Time, _says("Since when upstream's page differs.")]
    held: Annotated[str | None, _says("Why a guard holds it.")]
    held_since: Annotated[Time | None, _says("Since when.")]


class Doings(Struct, kw_only=True):
    """What the mirror did last."""

    serial: Annotated[int | None, _says("The serial of the recorded page.")]
    recorded: Annotated[Time | None, _says("When that page was recorded.")]
    checked: Annotated[Time | None, _says("When upstream last confirmed it.")]
    published_serial: Annotated[int | None, _says("The serial of the published page.")]
    published: Annotated[Time | None, _says("When that page was published.")]
    fetch: Annotated[Waiting | None, _says("Why it waits to be fetched; null: it does not.")]
    publish: Annotated[Unpublished | None, _says("Why it is not published; null: it is.")]
    kept: Annotated[list[KeptFile], _says("Files that a guard keeps or leaves out.")]


class Offered(Struct, kw_only=True):
    """What is offered."""

    json: Annotated[bool, _says("The JSON form is published.")]
    html: Annotated[bool, _says("The HTML form is published.")]
    legacy_json: Annotated[bool, _says("The form for followers is published.")]
    files: Annotated[int, _says("Files in each form.")]
    yanked: Annotated[int, _says("How many of them are marked yanked.")]
    hidden: Annotated[int, _says("Files that rules hide.")]
    omitted: Annotated[int, _says("Yanked files that ``mirror.yanked`` leaves out.")]


class Release(Struct, kw_only=True):
    """A release."""

    version: Annotated[str | None, _says("The version; null: files that belong to none.")]
    files: Annotated[int, _says("Its files at upstream, with those that a guard keeps.")]
    wheels: Annotated[int, _says("Offered wheels.")]
    sdists: Annotated[int, _says("Offered sdists.")]
    yanked: Annotated[int, _says("Offered files that are marked yanked.")]
    hidden: Annotated[int, _says("Files that rules hide.")]
    omitted: Annotated[int, _says("Yanked files that are left out.")]
    reason: Annotated[
        str | None, _says('Why it is yanked, exact; ``""``: no reason. Null: it is not yanked.')
    ]
    requires_python: Annotated[list[str], _says("What its offered files need of Python.")]
    pip: Annotated[PinOutcome, _says("What pip does with an exact pin.")]
    uv: Annotated[PinOutcome, _says("What uv does with an exact pin.")]


class Why(Struct, kw_only=True):
    """``yanksync why --json``"""

    project: Annotated[Name, _says("The normalised name.")]
    version: Annotated[str | None, _says("As it was asked for; null: the whole project.")]
    answer: Annotated[
        Answer, _says("Whether it can be installed; ``yanked``: only by an exact pin.")
    ]
    text: Annotated[str, _says("The answer in a sentence, for people.")]
    status: Annotated[str | None, _says("The project's status (PEP 792); null: no page.")]
    status_reason: Annotated[str | None, _says("Upstream's reason for it.")]
    events: Annotated[list[Event], _says("What upstream said, oldest first.")]
    mirror: Annotated[Doings, _says("What the mirror did.")]
    rules: Annotated[list[Ruling], _says("The rules that hide or mark files.")]
    offered: Annotated[Offered, _says("What is offered by the recorded page and the rules.")]
    releases: Annotated[list[Release], _says("The releases, or those that VERSION means.")]


class PlannedCopy(Struct, kw_only=True):
    """A package file that would be copied, or taken out of service."""

    filename: Annotated[str, _says("The file.")]
    bytes: Annotated[int | None, _says("Its size; null: upstream does not say.")]
    appears: Annotated[bool, _says("Whether it would be copied.")]


class PlannedCopies(Struct, kw_only=True):
    """What would happen to package files."""

    first: Annotated[list[PlannedCopy], _says("The files; 1,000 of each kind at most.")]
    added: Annotated[int, _says("How many would be copied, with those that wait already.")]
    added_bytes: Annotated[int, _says("Their bytes, as far as sizes are known.")]
    removed: Annotated[int, _says("How many would be taken out of service.")]
    removed_bytes: Annotated[int, _says("Their bytes.")]


class Plan(Struct, kw_only=True):
    """``yanksync sync --dry-run --json``"""

    cursor: Annotated[int | None, _says("The journal was read up to this serial.")]
    removals: Annotated[list[Removal], _says("Projects that would be removed.")]
    files: Annotated[list[ChangedFile], _says("Files that changed rules hide or bring back.")]
    marks: Annotated[list[ChangedMark], _says("Files whose mark changed rules set or take away.")]
    copies: Annotated[
        PlannedCopies, _says("Package files, as far as the pages of their projects are recorded.")
    ]
    held: Annotated[list[str], _says("What a guard holds, or would hold, and why.")]
    quarantines: Annotated[list[Name], _says("Projects that the journal quarantines.")]
    publications: Annotated[int, _says("Projects that are recorded and not published yet.")]
    rewrites: Annotated[list[Name], _says("Their names; 1,000 at most.")]
    looks: Annotated[
        list[Fetch], _says("Pages that would be fetched, withdrawals first; 1,000 at most.")
    ]
    more: Annotated[int, _says("How many pages more.")]


class Pass(Struct, kw_only=True):
    """``yanksync sync --json`` and ``full-resync --json``"""

    exit: Annotated[int, _says("The exit code.")]
    result: Annotated[str, _says("What it means.")]
    journal_serial: Annotated[int | None, _says("The journal is recorded up to this serial.")]
    seconds: Annotated[float, _says("How long the pass took.")]
    asked: Annotated[int, _says("Page requests.")]
    recorded: Annotated[int, _says("Pages with changes.")]
    published: Annotated[int, _says("Projects whose files were written.")]
    removed: Annotated[int, _says("Projects whose files were removed.")]
    files_copied: Annotated[int, _says("Package files that were copied.")]
    bytes_copied: Annotated[int, _says("Their bytes.")]
    files_failed: Annotated[
        int, _says("Package files that could not be copied, or only without their metadata.")
    ]
    files_waiting: Annotated[int, _says("Package files that a later pass copies.")]
    pending: Annotated[int, _says("Projects that wait to be fetched.")]
    unpublished: Annotated[int, _says("Projects that are recorded and not published yet.")]
    undelivered: Annotated[int, _says("Changes that a hook did not take.")]
    held: Annotated[int, _says("Changes that wait for a person.")]
    changes: Annotated[list[Change], _says("What the history got, oldest first.")]
    more_changes: Annotated[int, _says("How many changes more.")]
    reasons: Annotated[
        list[Change], _says("Yanks of earlier passes whose reason is known since this one.")
    ]
    first_build: Annotated[
        int | None, _says("The number of projects, if this pass ended a first build.")
    ]
    problem: Annotated[str | None, _says("Why the pass failed.")]
    next: Annotated[str | None, _says("The command to run next.")]


class Finding(Struct, kw_only=True):
    """A difference, or a note."""

    kind: Annotated[FindingKind, _says("See below.")]
    project: Annotated[
        Name | None, _says("The normalised name; null: the list of projects, or all of upstream.")
    ]
    path: Annotated[str, _says("Below the output, or an address at upstream.")]
    detail: Annotated[str | None, _says("More, for people.")]
    corrected: Annotated[
        bool | None, _says("With ``--repair``: whether it was corrected; else null.")
    ]
    why: Annotated[str | None, _says("Why it was not corrected.")]


class Verified(Struct, kw_only=True):
    """``yanksync verify --json``"""

    findings: Annotated[list[Finding], _says("In the order in which they were made.")]
    projects: Annotated[int, _says("Compared projects.")]
    files: Annotated[int, _says("Package files that were checked.")]
    differences: Annotated[int, _says("Findings that something is wrong.")]
    unchecked: Annotated[int, _says("What could not be read.")]
    unpublished: Annotated[int, _says("Projects that the next run publishes; not compared.")]
    held: Annotated[int, _says("Projects that wait for a person.")]
    pending: Annotated[int, _says("Projects with changes at upstream that no run has read.")]
    foreign: Annotated[int, _says("Files and directories of others.")]
    corrected: Annotated[int, _says("Findings that ``--repair`` corrected.")]
    uncorrected: Annotated[int, _says("Findings that it did not correct.")]


class Fate(Struct, kw_only=True):
    """What became of a page or a package file of the tree."""

    kind: Annotated[AdoptOutcome, _says("See below.")]
    project: Name | None
    path: str
    detail: str | None


class Adopted(Struct, kw_only=True, rename="kebab"):
    """``yanksync adopt --json``"""

    fates: Annotated[list[Fate], _says("What became of each page, directory and package file.")]
    kept: Annotated[int, _says("How many were kept as they are.")]
    rewritten: Annotated[int, _says("How many are published again from what they say.")]
    fetch: Annotated[int, _says("How many are not right, and fetched by the next ``sync``.")]
    missing: Annotated[int, _says("How many the tree does not have.")]
    gone: Annotated[int, _says("How many upstream does not list.")]
    left_out: Annotated[int, _says("How many the configuration does not select.")]
    foreign: Annotated[int, _says("Files and directories of others.")]
    copy_kept: Annotated[int, _says("Package files with the right hash.")]
    copy_missing: Annotated[int, _says("Package files that the tree does not have.")]
    altered: Annotated[int, _says("Package files that are not what their pages say.")]
    lacks: Annotated[list[str], _says("What upstream's pages have and the tree's lack.")]


class ForgottenContents(Struct, kw_only=True):
    """What the mirror had of a project."""

    project: Name
    pages: Annotated[int, _says("1: it was published.")]
    files: Annotated[int, _says("Its package files, also those out of service.")]
    bytes: Annotated[int, _says("Their size.")]
    history: Annotated[int, _says("Its rows in the history.")]
    events: Annotated[int, _says("Its events in the log of withdrawals.")]
    hashes: Annotated[int, _says("Its files whose hashes are remembered.")]


class Forgotten(Struct, kw_only=True):
    """``yanksync forget --json``"""

    forgotten: Annotated[list[ForgottenContents], _says("What was removed.")]
    dry_run: Annotated[bool, _says("Whether it is still there.")]


class ForgottenProject(Struct, kw_only=True):
    """``yanksync forget --list --json``"""

    project: Name
    since: Annotated[Time, _says("When it was forgotten.")]
    files: Annotated[int, _says("Its files whose hashes are remembered.")]


class Undone(Struct, kw_only=True):
    """``yanksync forget --undo --json``"""

    undone: Annotated[list[Name], _says("The projects that the next ``sync`` mirrors again.")]
    dry_run: Annotated[bool, _says("Whether they are still forgotten.")]


class BundleMade(Struct, kw_only=True):
    """``yanksync bundle create --json``"""

    file: Annotated[str, _says("The bundle.")]
    cursor: Annotated[int, _says("Its cursor, for the next ``--since``.")]
    since: Annotated[int, _says("The cursor of the bundle before it; 0: it has everything.")]
    pages: Annotated[int, _says("The pages of projects in it.")]
    files: Annotated[int, _says("The package files in it, without their metadata.")]
    removed_pages: Annotated[int, _says("The projects that it removes.")]
    removed_files: Annotated[int, _says("The package files that it removes.")]
    bytes: Annotated[int, _says("Its size.")]


class BundleApplied(BundleMade, kw_only=True):
    """``yanksync bundle apply --json``"""

    dry_run: Annotated[bool, _says("Whether it was checked only.")]


class Check(Struct, kw_only=True):
    """One check of ``doctor``."""

    name: str
    level: Level
    text: Annotated[str, _says("What was found.")]
    advice: Annotated[str, _says("What to do about it.")]


class Doctor(Struct, kw_only=True):
    """``yanksync doctor --json``"""

    ok: Annotated[bool, _says("No check failed.")]
    checks: Annotated[list[Check], _says("All checks, in order.")]


class Written(Struct, kw_only=True):
    """``yanksync init --json``"""

    file: Annotated[str, _says("The configuration that was written.")]
    ok: Annotated[bool, _says("No check failed.")]
    checks: Annotated[list[Check], _says("All checks, in order.")]
    next: Annotated[list[str], _says("The commands to go on with, in order.")]


class Problem(Struct, kw_only=True):
    """One thing that a monitoring system reports."""

    level: Literal[*LEVELS]
    text: str


class Monitored(Struct, kw_only=True):
    """``yanksync check --json``"""

    status: Annotated[Literal[*LEVELS], _says("The word of Nagios.")]
    code: Annotated[int, _says("The exit code, 0 to 3.")]
    problems: Annotated[list[Problem], _says("What is wrong, the worst first.")]
    lag_seconds: Annotated[float | None, _says("As in ``status``.")]
    held: Annotated[int, _says("As in ``status``.")]


class Webhook(Struct, kw_only=True, rename={"listed": "list"}):
    """The body that a webhook gets"""

    event: Annotated[Literal["changed"], _says("The kind of message.")]
    serial: Annotated[int | None, _says("The journal is recorded up to this serial.")]
    all: Annotated[bool, _says("True: everything may have changed; ``projects`` is empty.")]
    listed: Annotated[bool, _says("The list of projects changed.")]
    projects: Annotated[list[Name], _says("Projects whose files changed.")]
    paths: Annotated[list[str], _says("Their addresses below the output.")]


class ConfigError(Struct, kw_only=True):
    """A value that is not valid."""

    key: Annotated[str | None, _says("The key; null: the file as a whole.")]
    source: Annotated[str, _says("The file or the variable.")]
    problem: str


class ConfigErrors(Struct, kw_only=True):
    """``yanksync config check --json``"""

    errors: Annotated[list[ConfigError], _says("All errors; empty: the configuration is valid.")]
    without_effect: Annotated[
        list[str],
        _says('Keys of ``[files]`` that do nothing, as ``mirror.files`` is ``"link"``; no error.'),
    ]


class ConfigValue(Struct, kw_only=True):
    """``yanksync config show --json``: an array of these"""

    key: str
    value: Annotated[object, _says("The value in force; a secret is masked.")]
    source: Annotated[str, _says("``default``, the file or the variable.")]


class Version(Struct, kw_only=True):
    """``yanksync version --json``"""

    version: Annotated[str, _says("The version of yanksync.")]
    python: Annotated[str, _says("The version of Python.")]
    platform: Annotated[str, _says("The system.")]


class Defect(Struct, kw_only=True):
    """Something that is wrong with a pin."""

    kind: Annotated[AuditKind, _says("What is wrong.")]
    reason: Annotated[
        str | None, _says('The exact text. ``""``: none was given. Null: the kind has none.')
    ]
    since: Annotated[Time | None, _says("Since when; null: not known.")]
    files: Annotated[list[str], _says("Only these files; empty: the whole release.")]
    hashes: Annotated[list[str], _says("The hashes that no file has.")]
    rule: Annotated[
        str | None, _says("The rule of the mirror that hides or marks files; null: upstream did.")
    ]
    until: Annotated[Time | None, _says("The end of what the rule does; null: not known.")]


class Pin(Struct, kw_only=True):
    """A pin."""

    project: Name
    version: Annotated[str, _says("As the file has it.")]
    operator: Annotated[PinOperator, _says("How it is pinned; ``locked``: in a lock file.")]
    path: Annotated[str | None, _says("The file; null: it is installed.")]
    line: Annotated[int | None, _says("The line in it; null: not known.")]
    marker: Annotated[str | None, _says("Where the pin applies. It is judged in any case.")]
    findings: Annotated[list[Defect], _says("What is wrong; empty: the pin is fine.")]
    nearest: Annotated[
        str | None, _says("A version that can replace it; null: none, or nothing is wrong.")
    ]
    ignored: Annotated[bool, _says("Whether ``--ignore`` names it.")]
    fails: Annotated[bool, _says("Whether it makes the command exit with 1.")]


class Audit(Struct, kw_only=True):
    """``yanksync audit --format json``"""

    version: Annotated[str, _says("The version of yanksync.")]
    source: Annotated[str, _says("What the pins were judged by.")]
    failures: Annotated[int, _says("Pins that make the command exit with 1.")]
    skipped: Annotated[
        int, _says("Requirements and packages that were not judged: no exact version of an index.")
    ]
    pins: Annotated[list[Pin], _says("All pins, in the order of the files.")]


class Difference(Struct, kw_only=True):
    """A difference between the index and the state."""

    kind: Annotated[DifferenceKind, _says("See :doc:`/how-to/compare`.")]
    finding: Annotated[bool, _says("Whether it makes the command exit with 1; else it is a note.")]
    project: Name
    version: Annotated[str | None, _says("null: the whole project, or files of several versions.")]
    files: Annotated[list[str], _says("The files; empty: all of the version or project.")]
    reason: Annotated[str | None, _says("The state's reason, exact; null: there is none.")]
    index_reason: Annotated[str | None, _says("The reason that the index gives.")]
    since: Annotated[Time | None, _says("When upstream did it; null: the history does not know.")]
    serial: Annotated[
        int | None, _says("``behind`` and ``ahead``: the serial of the state's page.")
    ]
    index_serial: Annotated[int | None, _says("The same: the serial of the index's page.")]
    problem: Annotated[str | None, _says("``unchecked``: why the project was not compared.")]


class Compared(Struct, kw_only=True):
    """``yanksync compare --json``"""

    differences: Annotated[list[Difference], _says("Printed one by one as they are found.")]
    index: Annotated[str, _says("The index, without credentials.")]
    state: Annotated[str, _says("Where the state is.")]
    projects: Annotated[int, _says("Projects compared.")]
    findings: Annotated[int, _says("Differences that are findings.")]
    kinds: Annotated[dict[DifferenceKind, int], _says("Differences by kind.")]
    serial: Annotated[int | None, _says("Up to which the state followed upstream.")]
    index_serial: Annotated[
        int | None, _says("The serial of the index as a whole; null: it gives none.")
    ]
    behind_since: Annotated[
        Time | None,
        _says(
            "When the first withdrawal above ``index_serial`` happened; null: there is none, or "
            "the index gives no serial."
        ),
    ]
    oldest_withdrawal: Annotated[
        Time | None, _says("The time of the oldest withdrawal that the index does not show.")
    ]
    complete: Annotated[bool, _says("False: the comparison ended early.")]
    problem: Annotated[str | None, _says("Why it ended early.")]


class WithdrawalEvent(Struct, kw_only=True):
    """One line of ``log/NNNNNN.ndjson``"""

    cursor: Annotated[int, _says("Counts the events of this epoch: 1, 2, 3 and so on.")]
    logged: Annotated[Time, _says("When it entered the log. Never earlier than the line before.")]
    time: Annotated[
        Time, _says("When it happened, by the journal, else when it was seen. Can run backwards.")
    ]
    serial: Annotated[int | None, _says("The entry of the journal; null: seen on a page.")]
    project: Annotated[str, _says("The normalised name; empty: it was forgotten.")]
    action: Annotated[
        Literal["yank", "unyank", "remove", "quarantine", "unquarantine", "return", "forget"],
        _says("What happened."),
    ]
    versions: Annotated[list[str], _says("The releases; empty: the whole project.")]
    files: Annotated[list[str], _says("Only these files; empty: all files of the releases.")]
    reason: Annotated[str | None, _says('The exact text. ``""``: none was given. Null: not known.')]
    installable_by_pin: Annotated[
        bool, _says("Whether an exact pin could still be installed from this mirror.")
    ]
    page_sha256: Annotated[
        str | None,
        _says(
            "The SHA-256 of the project's ``index.v1_json`` that showed it first; null: none did."
        ),
    ]
    replaces: Annotated[
        int | None,
        _says("The cursor of an earlier event that said the same and knew less; null: none."),
    ]


class LogPage(Struct, kw_only=True):
    """A page of the log."""

    name: Annotated[str, _says("The file, beside the index.")]
    first: Annotated[int, _says("The cursor of its first event.")]
    last: Annotated[int, _says("The cursor of its last event.")]
    count: Annotated[int, _says("How many it has: 500, or less on the last page.")]
    sha256: Annotated[str, _says("Of the file.")]


class LogIndex(Struct, kw_only=True):
    """``log/index.json``"""

    version: Annotated[Literal[1], _says("Of this format. Keys may be added within a version.")]
    epoch: Annotated[int, _says("Another number: the log was begun again, and cursors with it.")]
    newest: Annotated[int, _says("The cursor of the newest event; 0: there is none.")]
    pages: Annotated[list[LogPage], _says("All pages, oldest first.")]


class RescuedFile(Struct, kw_only=True):
    """One file of the release that was found."""

    outcome: Annotated[
        RescueOutcome,
        _says("``verified``: its hash is a known one. ``unpacked``: uv keeps it without the file."),
    ]
    filename: Annotated[str | None, _says("Its name; null: unknown.")]
    path: Annotated[str, _says("Where it was found.")]
    hash: Annotated[
        str | None, _says("Its hash, of what is unpacked the one that uv noted; null: unknown.")
    ]
    known: Annotated[bool, _says("Whether the hash is a known one.")]
    copy: Annotated[str | None, _says("Where its copy is; null: it was not copied.")]
    problem: Annotated[str | None, _says("Why it was not read or copied; null: nothing failed.")]


class SearchedPlace(Struct, kw_only=True):
    """One place where was looked."""

    title: Annotated[str, _says("``pip's cache``, ``uv's cache``, or ``--from``.")]
    path: Annotated[str | None, _says("The directory; null: unknown.")]
    examined: Annotated[int, _says("Files that were compared.")]
    unreadable: Annotated[int, _says("Directories that could not be read.")]
    problem: Annotated[str | None, _says("Why it was not searched; null: it was.")]


class Rescue(Struct, kw_only=True):
    """``yanksync rescue --json``"""

    project: Annotated[Name, _says("The project.")]
    version: Annotated[str, _says("The version, as the command line has it.")]
    source: Annotated[str, _says("Where the known hashes come from.")]
    hashes: Annotated[list[str], _says("The known hashes, as ``algorithm:digest``.")]
    files: Annotated[list[RescuedFile], _says("The files that were found.")]
    places: Annotated[list[SearchedPlace], _says("Where was looked.")]
    install: Annotated[str | None, _says("A command that installs the copies; null: none.")]


class Fetches(Struct, kw_only=True):
    """The requests that brought a file, or a part of it."""

    requests: Annotated[int, _says("How many.")]
    clients: Annotated[int, _says("Of how many clients.")]


class ExposedClient(Struct, kw_only=True):
    """One client that fetched the file."""

    client: Annotated[
        str, _says("A keyed hash of the address; the address with ``--show-addresses``.")
    ]
    before: Annotated[int, _says("Requests before the withdrawal.")]
    after: Annotated[int, _says("Requests after it.")]
    unchanged: Annotated[int, _says("Requests that found the file unchanged (304).")]
    last: Annotated[Time, _says("Its newest request.")]


class ExposedFile(Struct, kw_only=True):
    """One withdrawn file that was fetched."""

    project: Annotated[Name, _says("Its project.")]
    version: Annotated[str | None, _says("Its version; null: unknown.")]
    filename: Annotated[str, _says("Its name.")]
    action: Annotated[Literal["yank", "remove", "quarantine"], _says("What upstream did.")]
    since: Annotated[Time | None, _says("When; null: before this mirror followed upstream.")]
    reason: Annotated[str | None, _says("The exact reason; null: unknown.")]
    before: Annotated[Fetches, _says("Requests before the withdrawal.")]
    after: Annotated[Fetches, _says("Requests after it, and all if ``since`` is null.")]
    unchanged: Annotated[int, _says("Requests that found the file unchanged (304).")]
    partial: Annotated[int, _says("How many of all requests brought only a part (206).")]
    clients: Annotated[list[ExposedClient], _says("All clients.")]


class Exposed(Struct, kw_only=True):
    """``yanksync exposure --json``"""

    since: Annotated[Time | None, _says("What ``--since`` says; null: all requests count.")]
    lines: Annotated[int, _says("Lines that were read.")]
    requests: Annotated[int, _says("Requests for files, withdrawn or not.")]
    skipped: Annotated[int, _says("Lines in no known format.")]
    files: Annotated[list[ExposedFile], _says("Withdrawn files that were fetched.")]


class LogLine(Struct, kw_only=True):
    """One line of ``--log-format json``"""

    time: Annotated[Time, _says("When, in UTC.")]
    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], _says("How serious it is.")
    ]
    message: Annotated[str, _says("The text.")]
    project: Annotated[Name, _says("The project, if it is about one.")] = ""
    traceback: Annotated[str, _says("With ``-vv`` and a bug in yanksync.")] = ""


class Notification(Struct, kw_only=True):
    """The body that the webhook of a notification gets"""

    event: Annotated[Literal["withdrawals"], _says("The kind of message.")]
    epoch: Annotated[int, _says("That of the log; with ``cursor`` it tells an event.")]
    events: Annotated[
        list[WithdrawalEvent], _says("The events, oldest first, as they are in the log.")
    ]


OBJECTS: dict[str, type[Struct]] = {
    "status": Status,
    "check": Monitored,
    "init": Written,
    "doctor": Doctor,
    "sync": Pass,
    "plan": Plan,
    "holds": Hold,
    "why": Why,
    "approve": Approved,
    "restore": Restored,
    "history": Change,
    "verify": Verified,
    "forget": Forgotten,
    "forget-list": ForgottenProject,
    "forget-undo": Undone,
    "bundle-create": BundleMade,
    "bundle-apply": BundleApplied,
    "adopt": Adopted,
    "config-check": ConfigErrors,
    "config-show": ConfigValue,
    "version": Version,
    "audit": Audit,
    "rescue": Rescue,
    "exposure": Exposed,
    "compare": Compared,
    "log": LogLine,
    "webhook": Webhook,
    "notify": Notification,
    "withdrawal-event": WithdrawalEvent,
    "withdrawal-index": LogIndex,
}
"""By the name of the schema."""

ARRAYS = {"holds", "history", "config-show", "forget-list"}
"""Outputs that are arrays of their object."""
