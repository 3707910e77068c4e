"""Says what pip and uv do with an exact pin (PEP 592)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from yanksync.core.model import File
from yanksync.core.pins import Pin
from yanksync.core.policies.yanked import offered_page
from yanksync.core.versions import files_by_version
from yanksync.reports.why.report import OfferedPage, PinOutcome, ReleaseOffer

_SDISTS = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")


def release_offers(page: OfferedPage, *, omits_yanked: bool) -> tuple[ReleaseOffer, ...]:
    """Return what each release offers, in the order of versions."""
    offered = offered_page(page.offered, "omit" if omits_yanked else "mark")
    shown = {file.filename: file for file in offered.files}
    by_rule = {file.filename for file in page.offered.files}
    return tuple(
        _offer(
            version,
            files,
            [shown[file.filename] for file in files if file.filename in shown],
            hidden=sum(file.filename not in by_rule for file in files),
        )
        for version, files in files_by_version(page.recorded)
    )


def allowed_releases(releases: Collection[ReleaseOffer], pin: Pin) -> tuple[ReleaseOffer, ...]:
    """Return the releases that a pin allows (PEP 440)."""
    return tuple(one for one in releases if one.version is not None and pin.allows(one.version))


def chosen_release(releases: Sequence[ReleaseOffer]) -> ReleaseOffer | None:
    """Return the release that an installer takes.

    It is the newest release that is not yanked. Otherwise it is the newest with a file, or else the
    newest.
    """
    usable = [one for one in releases if one.pip is not PinOutcome.FAILS]
    fine = [one for one in usable if PinOutcome.INSTALLS in (one.pip, one.uv)]
    return next(reversed(fine or usable or releases), None)


def _offer(
    version: str | None, files: Sequence[File], shown: Sequence[File], *, hidden: int
) -> ReleaseOffer:
    wheels = [file for file in shown if file.filename.endswith(".whl")]
    sdists = [file for file in shown if file.filename.endswith(_SDISTS)]
    reasons = [file.yanked.reason for file in files if file.yanked is not None]
    reasons += [file.yanked.reason for file in shown if file.yanked is not None]
    return ReleaseOffer(
        version=version,
        files=len(files),
        wheels=len(wheels),
        sdists=len(sdists),
        yanked=sum(file.yanked is not None for file in shown),
        hidden=hidden,
        omitted=len(files) - hidden - len(shown),
        reason=next(filter(None, reversed(reasons)), "") if reasons else None,
        requires_python=tuple(
            dict.fromkeys(one.requires_python for one in shown if one.requires_python is not None)
        ),
        pip=_pip(wheels, sdists),
        uv=_uv(wheels, sdists),
    )


def _pip(wheels: Sequence[File], sdists: Sequence[File]) -> PinOutcome:
    """Return what pip does.

    pip takes yanked files only if there are no others.
    """
    return _outcome([file.yanked is None for file in (*wheels, *sdists)])


def _uv(wheels: Sequence[File], sdists: Sequence[File]) -> PinOutcome:
    """Return what uv does.

    uv prefers a wheel, yanked or not, to an sdist.
    """
    preferred = wheels or sdists
    if any(file.yanked is not None for file in preferred):
        return PinOutcome.WARNS
    return _outcome([True for _ in preferred])


def _outcome(fine: Collection[bool]) -> PinOutcome:
    if not fine:
        return PinOutcome.FAILS
    return PinOutcome.INSTALLS if any(fine) else PinOutcome.WARNS
