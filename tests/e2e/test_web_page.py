"""The page of withdrawals in a browser, behind the nginx that ``yanksync show nginx`` sets up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Browser, running
from tests.e2e.mirror import running as mirrors
from tests.e2e.nginx import Nginx
from tests.support.fake_index.index import Served
from tests.support.lock_samples import PDM, PIPFILE, POETRY, PYLOCK, UV
from tests.support.web_site import TITLE, write_site
from tests.support.withdrawal_events import DAY, NOON, withdrawal
from yanksync.core.formats.lock_files.read import reader_of
from yanksync.core.model import HistoryAction as Action
from yanksync.core.withdrawals.web.chart import DayTotals

pytestmark = pytest.mark.e2e

HOSTILE = "</td><script>document.title='taken'</script><img src=x onerror=alert(1)> \u202egnp.exe"
SEEN = r"</td><script>document.title='taken'</script><img src=x onerror=alert(1)> \u202egnp.exe"
LONG = "a-project-with-a-name-that-is-so-long-that-no-phone-has-the-room-for-it-in-one-line"
EVENTS = [
    withdrawal(Action.YANK, "1.0", reason=HOSTILE, cursor=9),
    withdrawal(Action.REMOVE, "2.0.0rc1", project="flask-lite", cursor=8),
    withdrawal(Action.QUARANTINE, project="evil-kit", reason="malware", cursor=7),
    withdrawal(Action.UNYANK, "0.9", cursor=6),
    withdrawal(Action.YANK, "0.9", reason="broken metadata", cursor=5, time=NOON - DAY),
    withdrawal(Action.YANK, "3.0", project="flask-lite", files=["flask_lite-3.0.zip"], cursor=4),
    withdrawal(Action.YANK, "9" * 90, project=LONG, reason="x" * 250, cursor=3),
]
DAYS = [DayTotals(NOON // DAY - at, 3 + at % 5, at % 3, int(at == 7)) for at in range(100)]
LOCK = """\
version = 1

[[package]]
name = "Flask_Lite"
version = "2.0rc1"
source = { registry = "https://upstream.example/simple" }

[[package]]
name = "demo"
version = "1.0"
source = { editable = "." }

[[package]]
name = "sound"
version = "1.0"
source = { registry = "https://upstream.example/simple" }
"""
REQUIREMENTS = """\
# made by hand
-r other.txt
Demo[extra]==1.0.0 \\
    --hash=sha256:00
evil.kit == 4.2 ; python_version > "3"
flask-lite==3
sound==1.*
../../simple===1
constructor==constructor
sound>=2
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with the page."""
    output = tmp_path_factory.mktemp("page") / "mirror"
    write_site(output / "withdrawals", EVENTS, DAYS)
    return output


@pytest.fixture(scope="module")
def root(output: Path) -> Iterator[str]:
    """The address of the pages."""
    nginx = Nginx(output, output.parent / "nginx")
    yield f"{nginx.root_url}withdrawals/"
    nginx.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as browser:
        yield browser


def projects(browser: Browser) -> list[str]:
    return [one.text for one in browser.shown("#table tbody th[scope=row]")]


def wait_for_text(browser: Browser, selector: str, text: str) -> None:
    browser.wait_for(lambda: browser.one(selector).text == text)


def test_search_and_filters(browser: Browser, root: str) -> None:
    browser.open(root)
    assert len(projects(browser)) == len(EVENTS)
    assert browser.one("#matches").text == "7 events"
    search = browser.one("#search")
    search.send_keys("Flask_Lite")
    assert projects(browser) == ["flask-lite", "flask-lite"]
    assert len(browser.shown("tr.day")) == 1
    wait_for_text(browser, "#matches", "2 of 7 events shown")
    browser.one("input[value=yank]").click()
    assert projects(browser) == ["flask-lite"]
    search.clear()
    search.send_keys("metadata broken")
    wait_for_text(browser, "#matches", "None of 7 events shown")
    assert browser.shown("#table") == []
    browser.one("input[value=yank]").click()
    assert projects(browser) == ["demo"]
    browser.open(browser.driver.current_url)
    assert browser.one("#search").get_property("value") == "metadata broken"
    assert projects(browser) == ["demo"]
    browser.open(f"{root}#q=%")
    assert len(projects(browser)) == len(EVENTS)
    assert browser.errors() == []


def focused(browser: Browser) -> str:
    return str(browser.run("return document.activeElement.id || document.activeElement.outerHTML"))


def press(browser: Browser, *keys: str) -> None:
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)


def test_keys_reach_everything(browser: Browser, root: str) -> None:
    browser.open(root)
    press(browser, Keys.TAB)
    assert "Skip to the events" in focused(browser)
    assert browser.driver.switch_to.active_element.is_displayed()
    press(browser, Keys.ENTER, Keys.TAB)
    assert focused(browser) == "search"
    press(browser, "evil", Keys.ENTER)  # which sends no form
    assert projects(browser) == ["evil-kit"]
    press(browser, Keys.TAB, Keys.TAB, Keys.TAB)
    assert 'value="quarantine"' in focused(browser)
    press(browser, Keys.SPACE)
    assert projects(browser) == []
    press(browser, Keys.SPACE, Keys.TAB, Keys.TAB)
    assert 'href="project/evil-kit/index.html"' in focused(browser)
    press(browser, Keys.ENTER)
    assert browser.one("h1").text == "evil-kit"


def found(browser: Browser) -> list[list[str]]:
    rows = browser.shown("#pins-found tbody tr")
    return [[cell.text for cell in row.find_elements("xpath", "*")] for row in rows]


def test_pasted_pins_are_marked(browser: Browser, root: str) -> None:
    browser.open(root)
    browser.one("#pins-list").send_keys("nothing pinned")
    browser.one("#pins button").click()
    wait_for_text(browser, "#pins-status", "No exact pin (name==version) was found there.")
    browser.run("document.getElementById('pins-list').value = arguments[0]", REQUIREMENTS)
    browser.one("#pins button").click()
    wait_for_text(browser, "#pins-status", "3 of 4 pins are withdrawn.")
    assert found(browser) == [
        ["demo==1.0.0", "Yanked", "2026-11-29", SEEN, "pin installs"],
        ["evil-kit==4.2", "Quarantined", "2026-11-29", "malware", "pin fails"],
        ["flask-lite==3", "Yanked", "2026-11-29", "Only flask_lite-3.0.zip.", "pin installs"],
    ]
    assert browser.driver.title == TITLE
    asked = browser.requested()
    assert f"{root}project/constructor/withdrawn.json" in asked
    assert [url for url in asked if not url.startswith(root)] == []
    assert all("withdrawn.json" in error and "404" in error for error in browser.errors())


def test_lock_files_are_opened_and_dropped(browser: Browser, root: str, tmp_path: Path) -> None:
    browser.open(root)
    lock = tmp_path / "uv.lock"
    lock.write_text(LOCK)
    browser.one("#pins-file").send_keys(str(lock))
    wait_for_text(browser, "#pins-status", "1 of 2 pins is withdrawn.")
    assert [row[0] for row in found(browser)] == ["flask-lite==2.0rc1"]
    pipfile = '{"_meta": {}, "default": {"evil-kit": {"version": "==1.0"}, "x": {"path": "."}}}'
    browser.run(
        """const transfer = new DataTransfer();
        transfer.items.add(new File([arguments[0]], "Pipfile.lock"));
        document.getElementById("pins").dispatchEvent(
          new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));""",
        pipfile,
    )
    wait_for_text(browser, "#pins-status", "1 of 1 pin is withdrawn.")
    assert [row[0] for row in found(browser)] == ["evil-kit==1.0"]


LOCKS = [
    ("uv.lock", UV),
    ("poetry.lock", POETRY),
    ("pdm.lock", PDM),
    ("pylock.toml", PYLOCK),
    ("Pipfile.lock", PIPFILE),
]


def test_lock_files_are_read_as_the_audit_reads_them(
    browser: Browser, root: str, output: Path, tmp_path: Path
) -> None:
    names = ("demo", "mine", "forked", "other", "other-thing")
    gone = [withdrawal(Action.REMOVE, project=name) for name in names]
    write_site(output / "withdrawals/all", gone, DAYS)
    for name, text in LOCKS:
        reader = reader_of(name)
        assert reader is not None
        pins = [f"{pin.project}=={pin.version}" for pin in reader(text.encode()).pins]
        (tmp_path / name).write_text(text)
        browser.open(f"{root}all/index.html")
        browser.one("#pins-file").send_keys(str(tmp_path / name))
        browser.wait_for(lambda: browser.shown("#pins-found"))
        assert [row[0] for row in found(browser)] == pins


def test_a_yank_reaches_the_page(browser: Browser, served: Served, tmp_path: Path) -> None:
    for mirror in mirrors(served, tmp_path):
        mirror.upload("demo", "1.0")
        mirror.sync(withdrawals_publish="true")
        mirror.upstream.yank("demo", "1.0", HOSTILE)
        mirror.sync(withdrawals_publish="true")
        browser.open(f"{mirror.nginx.root_url}withdrawals/")
        assert [one.text for one in browser.shown("#table .reason")] == [SEEN]
        browser.one("#pins-list").send_keys("demo==1.0.0")
        browser.one("#pins button").click()
        wait_for_text(browser, "#pins-status", "1 of 1 pin is withdrawn.")
        browser.one("#table th a").click()
        assert [one.text for one in browser.shown("blockquote")] == [SEEN]
        browser.one("footer a[href*='simple']").click()
        assert browser.one("h1").text == "Links for demo"


def test_a_project_without_an_answer_is_not_called_fine(
    browser: Browser, root: str, output: Path
) -> None:
    damaged = output / "withdrawals/project/damaged"
    damaged.mkdir()
    (damaged / "withdrawn.json").write_text("<html>")
    browser.open(root)
    browser.one("#pins-list").send_keys("damaged==1.0\ndemo==7")
    browser.one("#pins button").click()
    expected = "None of 2 pins are withdrawn. 1 pin could not be checked: no answer."
    wait_for_text(browser, "#pins-status", expected)


def test_the_page_of_a_project_shows_its_timeline(browser: Browser, root: str) -> None:
    browser.open(root)
    browser.one("a[href='project/demo/index.html']").click()
    assert browser.one("header p").text == "1 version is withdrawn now."
    entries = [one.text.splitlines() for one in browser.shown(".timeline li")]
    assert [entry[0] for entry in entries] == [
        "29 November 2026, 12:09 · serial 109",
        "29 November 2026, 12:06 · serial 106",
        "28 November 2026, 12:00 · serial 105",
    ]
    assert entries[0][1:] == ["Yanked 1.0", SEEN, "pin installs"]
    assert browser.driver.title == f"demo – {TITLE}"
    assert browser.errors() == []


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_can_use_the_pages(browser: Browser, root: str, scheme: str, width: int) -> None:
    browser.open(root, scheme=scheme, width=width)
    browser.one("#pins-list").send_keys("demo==1.0")
    browser.one("#pins button").click()
    wait_for_text(browser, "#pins-status", "1 of 1 pin is withdrawn.")
    browser.one("summary").click()
    for page in ("", "project/demo/index.html", f"project/{LONG}/index.html"):
        if page:
            browser.open(root + page, scheme=scheme, width=width)
        assert browser.violations() == []
        assert browser.run("return document.documentElement.scrollWidth") == width
        background = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(","))) > 600) == (scheme == "light")


@pytest.mark.parametrize("width", [1200, 390])
def test_a_screen_reader_meets_tables_and_a_described_chart(
    browser: Browser, root: str, width: int
) -> None:
    browser.open(root, width=width)
    roles = browser.roles()
    assert ("image", "Yanks, removals and quarantines a day") in roles
    assert ("table", "Newest events, by day") in roles
    assert [name for role, name in roles if role == "rowheader"].count("flask-lite") == 2
    assert ("searchbox", "Search projects, versions and reasons") in roles
    assert ("button", "Check pins") in roles
    assert len([role for role, _ in roles if role == "status"]) == 2


def test_files_are_searched_without_a_server(browser: Browser, output: Path) -> None:
    browser.open((output / "withdrawals/index.html").as_uri())
    browser.one("#search").send_keys("malware")
    assert projects(browser) == ["evil-kit"]
    assert browser.shown("#pins") == []
    assert browser.run("return getComputedStyle(document.body).maxWidth") != "none"
    assert browser.errors() == []


def test_the_table_is_there_without_scripts(browser: Browser, root: str) -> None:
    with browser.without_scripts():
        browser.open(root)
        assert len(projects(browser)) == len(EVENTS)
        assert browser.shown("#filters") == browser.shown("#pins") == []
        assert len(browser.shown("svg.chart")) == 1
