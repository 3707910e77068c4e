"""The pages of withdrawals, as bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

import html5lib
import pytest
from lxml import html

from tests.support.withdrawal_events import DAY, NOON, withdrawal
from yanksync.config.settings import WithdrawalSettings
from yanksync.core.model import HistoryAction as Action
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.web.chart import DAYS, DayTotals, chart
from yanksync.core.withdrawals.web.index_page import EVENTS, IndexContent, render_index
from yanksync.core.withdrawals.web.project_page import ProjectContent, render_project
from yanksync.core.withdrawals.web.shell import ASSETS, INDEX_POLICY, PROJECT_POLICY
from yanksync.core.withdrawals.web.standing import project_standing

HOSTILE = (
    "</td><script>alert(1)</script><img src=x onerror=alert(2)> &amp; \"'\u202e\x1b[31m\0\ud800"
)
SHOWN = "</td><script>alert(1)</script><img src=x onerror=alert(2)> &amp; \"'"
TODAY = NOON // DAY
ALL = [
    withdrawal(Action.YANK, HOSTILE, reason=HOSTILE, cursor=7),
    withdrawal(Action.REMOVE, "1.0", files=[HOSTILE], cursor=6),
    withdrawal(Action.QUARANTINE, project="other", cursor=5, time=NOON - DAY),
    withdrawal(Action.UNQUARANTINE, project="other", cursor=4, time=NOON - DAY),
    withdrawal(Action.RETURN, "1.0", cursor=3, time=NOON - 2 * DAY),
    withdrawal(Action.UNYANK, *(f"1.{n}" for n in range(50)), cursor=2, time=NOON - 2 * DAY),
    withdrawal(Action.REMOVE, files=["a.txt"], cursor=1, time=-(10**15)),
]


def index(
    events: Sequence[WithdrawalEvent] = ALL,
    counts: Sequence[DayTotals] = (DayTotals(TODAY, 2, 1, 1),),
    title: str = "Withdrawals",
    total: int | None = None,
) -> bytes:
    total = len(events) if total is None else total
    return render_index(
        IndexContent(title=title, last_day=TODAY, counts=counts, events=events, total=total)
    )


def project(events: Sequence[WithdrawalEvent] = ALL, title: str = "Withdrawals") -> bytes:
    return render_project(
        ProjectContent(
            project=NormalizedName("demo"),
            title=title,
            events=events,
            count=events[0].cursor,
            standing=project_standing(reversed(events)),
        )
    )


PAGES = pytest.mark.parametrize(
    ("page", "policy", "scripts"),
    [
        pytest.param(index(), INDEX_POLICY, 2, id="index"),
        pytest.param(index((), ()), INDEX_POLICY, 2, id="empty index"),
        pytest.param(project(), PROJECT_POLICY, 0, id="project"),
        pytest.param(project(ALL[-1:]), PROJECT_POLICY, 0, id="project with nothing"),
        pytest.param(project([withdrawal(Action.REMOVE)]), PROJECT_POLICY, 0, id="gone"),
    ],
)


def words(page: bytes) -> str:
    tree: Any = html.document_fromstring(page)
    return " ".join(tree.text_content().split())


@PAGES
def test_pages_are_html_and_keep_their_policy(page: bytes, policy: str, scripts: int) -> None:
    html5lib.HTMLParser(strict=True).parse(page)
    tree: Any = html.document_fromstring(page)
    assert tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content") == [policy]
    (about,) = tree.xpath("//meta[@name='description']/@content")  # shown beside links to it
    assert about.startswith("What was yanked, removed or quarantined ")
    assert len(tree.xpath("//script")) == len(tree.xpath("//script[@src][not(node())]")) == scripts
    assert tree.xpath("//style | //@style | //@*[starts-with(name(), 'on')] | //img") == []


@PAGES
def test_pages_name_no_other_host(page: bytes, policy: str, scripts: int) -> None:
    tree: Any = html.document_fromstring(page)
    links = tree.xpath("//@href | //@src")
    assert links
    assert [link for link in links if re.match(r"/|[a-z]+:", link)] == []


@pytest.mark.parametrize("page", [index(title=HOSTILE), project(title=HOSTILE)])
def test_hostile_text_stays_text(page: bytes) -> None:
    tree: Any = html.document_fromstring(page)
    assert tree.xpath("//reason | //img") == []
    reasons = {one.text_content() for one in tree.xpath("//*[@class='reason']")}
    assert reasons == {SHOWN + r"\u202e\x1b[31m\x00\ud800"}
    assert {one.text_content() for one in tree.xpath("//span[@class='files']")} >= reasons
    assert SHOWN in tree.findtext("head/title")
    assert not set("\u202e\x1b\0") & set(page.decode())


def test_letters_of_all_languages_stay_and_line_breaks_become_spaces() -> None:
    page = index([withdrawal(Action.YANK, "1.0", reason="défaut\r\nעברית\tカ\u00a0x")])
    assert "défaut עברית カ x" in words(page)


def test_events_stand_by_day_with_their_scope() -> None:
    tree: Any = html.document_fromstring(index())
    days = [body.xpath("string(tr[1])") for body in tree.xpath("//table[@id='table']/tbody")]
    assert days[:3] == [
        "Sunday, 29 November 2026",
        "Saturday, 28 November 2026",
        "Friday, 27 November 2026",
    ]
    rows = [
        [" ".join(cell.text_content().split()) for cell in row]
        for row in tree.xpath("//tr[@data-kind]")
    ]
    assert rows[2] == ["12:00", "Quarantined", "other", "whole project", "", "pin fails"]
    assert rows[5][3] == "1.0, 1.1, 1.2, 1.3 and 46 more versions"
    assert rows[6][3] == "a.txt"
    assert "7 events" in words(index())
    assert "The newest 1 of 7 events" in words(index(ALL[:1], total=7))
    assert "No event yet." in words(index(()))


def test_pages_are_bounded() -> None:
    many = [
        withdrawal(Action.YANK, *["1.0" * 100] * 10, reason="x" * 10_000, cursor=at)
        for at in range(2 * EVENTS, 0, -1)
    ]
    pages = (index(many), project(many))
    for page in pages:
        assert page.count(b'class="reason"') <= EVENTS + 1
    assert len(pages[0]) < 1_500_000
    assert all("The newest 1,000 of 2,000 events" in words(page) for page in pages)
    released = [withdrawal(Action.YANK, f"{at}.0", cursor=at) for at in range(250, 0, -1)]
    assert "and 50 more versions" in words(project(released))


def test_the_page_of_a_project_says_what_is_withdrawn_now() -> None:
    yank = withdrawal(Action.YANK, "1.0", reason="bad", cursor=2)
    assert "1 version is withdrawn now." in words(project([yank]))
    assert "Nothing is withdrawn now." in words(project([withdrawal(Action.UNYANK, "1.0")]))
    gone = withdrawal(Action.REMOVE, page_sha256=None, cursor=3)
    assert "whole project is withdrawn: Removed on 29 November 2026." in words(project([gone]))
    assert b"Files on this mirror" in project([yank])
    assert b"Files on this mirror" not in project([gone, yank])
    assert "29 November 2026, 12:02 · serial 102" in words(project([yank]))


def test_the_chart_has_a_bar_for_each_kind_and_day() -> None:
    counts = [
        DayTotals(TODAY - 200, 900),
        DayTotals(TODAY - 1, 1200, 300),
        DayTotals(TODAY, 0, 0, 5),
    ]
    tree: Any = html.fragment_fromstring(chart(counts, TODAY))
    assert tree.xpath("//svg//g/title/text()") == [
        "28 November 2026: 1,200 yanks, 300 removals",
        "29 November 2026: 5 quarantines",
    ]
    bars = [
        (bar.get("class"), float(bar.get("x")[:-1]), float(bar.get("height")))
        for bar in tree.xpath("//rect")
    ]
    assert [name for name, _, _ in bars] == ["yank", "remove", "quarantine"]
    assert bars[0][1] == bars[1][1] == pytest.approx(100 * (DAYS - 2) / DAYS, abs=0.01)
    assert bars[0][2] == pytest.approx(4 * bars[1][2], abs=0.05)
    scale = tree.xpath("//svg/text[not(@class)]/text()")
    assert scale == ["0", "500", "1,000", "1,500"]
    assert tree.xpath("//svg/text[@class='month']/text()") == ["Sep", "Oct", "Nov"]
    assert [row.text_content() for row in tree.xpath("//tbody/tr")] == [
        "29 November 2026005",
        "28 November 20261,2003000",
    ]
    assert "1,200 yanks, 300 removals, 5 quarantines. The most" in tree.xpath("string(//desc)")


@pytest.mark.parametrize(("most", "lines"), [(1, 2), (3, 4), (5, 4), (7, 5), (99, 6), (100_000, 5)])
def test_the_scale_ends_above_the_highest_bar(most: int, lines: int) -> None:
    tree: Any = html.fragment_fromstring(chart([DayTotals(TODAY, most)], TODAY))
    scale = [int(text.replace(",", "")) for text in tree.xpath("//svg/text[not(@class)]/text()")]
    assert scale[-1] >= most > scale[-2]
    assert len(scale) <= lines


def test_a_chart_without_events_is_left_out() -> None:
    assert chart([], TODAY) == ""
    assert chart([DayTotals(TODAY + 1, 5)], TODAY) == ""  # of a clock that is wrong


def test_other_assets_need_another_number() -> None:
    """A pass that adds events leaves the published assets as they are."""
    folder = files("yanksync.core.withdrawals.web").joinpath("assets")
    found = sha256(b"".join(folder.joinpath(name).read_bytes() for name in ASSETS)).hexdigest()
    number = WithdrawalSettings().text.partition(" ")[0]
    wanted = ("2", "549974def51aa447c1fc584b2693b912d5519af7fc0ef39fa207b7d855b0d71a")
    assert (number, found) == wanted, "raise the number in WithdrawalSettings.text, then here"


def test_the_page_is_light_without_its_data() -> None:
    folder = files("yanksync.core.withdrawals.web").joinpath("assets")
    assets = {one.name: len(one.read_bytes()) for one in folder.iterdir()}
    assert sorted(assets) == sorted(ASSETS)
    assert len(index((), ())) + sum(assets.values()) < 30_000
    assert assets["filter.js"] < 2_500
