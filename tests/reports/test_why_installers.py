"""What pip and uv do with an exact pin (PEP 592), as the real ones were seen to do."""

from __future__ import annotations

import pytest

from yanksync.core.model import File, Page, Yank
from yanksync.core.names import NormalizedName
from yanksync.reports.why.installers import allowed_releases, chosen_release, release_offers
from yanksync.reports.why.read import pin_of
from yanksync.reports.why.report import OfferedPage, PinOutcome

INSTALLS, WARNS, FAILS = PinOutcome.INSTALLS, PinOutcome.WARNS, PinOutcome.FAILS
WHEEL, SDIST, EGG = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-1.0-py3.11.egg"


def page(**files: str | None) -> Page:
    names = {"wheel": WHEEL, "sdist": SDIST, "egg": EGG}
    return Page(
        name="demo",
        files=tuple(
            File(
                filename=names[kind],
                url=f"https://files.example/{names[kind]}",
                yanked=None if reason is None else Yank(reason),
                requires_python=">=3.9",
            )
            for kind, reason in files.items()
        ),
    )


@pytest.mark.parametrize(
    ("files", "pip", "uv"),
    [
        ({"wheel": None, "sdist": None}, INSTALLS, INSTALLS),
        ({"wheel": "bad", "sdist": None}, INSTALLS, WARNS),
        ({"wheel": None, "sdist": "bad"}, INSTALLS, INSTALLS),
        ({"wheel": "bad", "sdist": ""}, WARNS, WARNS),
        ({"sdist": None}, INSTALLS, INSTALLS),
        ({"sdist": ""}, WARNS, WARNS),
        ({"egg": None}, FAILS, FAILS),
    ],
)
def test_an_exact_pin(files: dict[str, str | None], pip: PinOutcome, uv: PinOutcome) -> None:
    whole = page(**files)
    (found,) = release_offers(OfferedPage(whole, whole), omits_yanked=False)
    assert (found.pip, found.uv) == (pip, uv)
    assert found.yanked == sum(reason is not None for reason in files.values())
    assert found.requires_python == (">=3.9",)


def test_omitted_and_hidden_files_are_not_offered() -> None:
    whole = page(wheel="bad", sdist=None)
    (found,) = release_offers(OfferedPage(whole, whole), omits_yanked=True)
    assert (found.wheels, found.sdists, found.omitted, found.reason) == (0, 1, 1, "bad")
    assert (found.pip, found.uv) == (INSTALLS, INSTALLS)
    (found,) = release_offers(OfferedPage(whole, page(sdist=None)), omits_yanked=False)
    assert (found.hidden, found.sdists, found.omitted) == (1, 1, 0)
    (found,) = release_offers(OfferedPage(whole, page()), omits_yanked=False)
    assert (found.hidden, found.pip, found.uv) == (2, FAILS, FAILS)


def test_a_pin_allows_local_versions_and_takes_the_newest() -> None:
    names = ("demo-1.0.tar.gz", "demo-1.0+cpu.tar.gz", "demo-1.0.1.tar.gz")
    files = tuple(File(filename=name, url=f"https://files.example/{name}") for name in names)
    whole = Page(name="demo", files=files)
    offers = release_offers(OfferedPage(whole, whole), omits_yanked=False)
    allowed = allowed_releases(offers, pin_of(NormalizedName("demo"), "1"))
    assert [one.version for one in allowed] == ["1.0", "1.0+cpu"]
    chosen = chosen_release(allowed)
    assert chosen is not None and chosen.version == "1.0+cpu"
    assert chosen_release(()) is None


def test_a_pin_takes_the_release_that_is_not_yanked() -> None:
    yanked = File(
        filename="demo-1.0+cpu.tar.gz",
        url="https://files.example/demo-1.0+cpu.tar.gz",
        yanked=Yank("broken"),
    )
    fine = File(filename="demo-1.0.tar.gz", url="https://files.example/demo-1.0.tar.gz")
    whole = Page(name="demo", files=(fine, yanked))
    offers = release_offers(OfferedPage(whole, whole), omits_yanked=False)
    chosen = chosen_release(allowed_releases(offers, pin_of(NormalizedName("demo"), "1.0")))
    assert chosen is not None and chosen.version == "1.0"
