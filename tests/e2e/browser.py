"""Debian's Chromium, driven by selenium, with axe-core in the pages."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.source_copy import ROOT

AXE = ROOT / "build/npm/node_modules/axe-core/axe.min.js"
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--no-first-run",
)
_SECONDS = 30  # a test machine may be busy


class Browser:
    """A running Chromium."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(
        self, url: str, *, scheme: str = "light", width: int = 1200, height: int = 900
    ) -> None:
        """Show a page; what the log of requests had is forgotten."""
        self._command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        self.driver.get("about:blank")  # else a change of the fragment alone loads nothing
        self._log("performance")
        self._log("browser")
        self.driver.get(url)

    def _command(self, name: str, **arguments: object) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return its value."""
        return self.driver.execute_script(script, *arguments)

    def one(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def shown(self, selector: str) -> list[WebElement]:
        """Return the elements of a CSS selector that can be seen."""
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return [one for one in found if one.is_displayed()]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` is true."""
        WebDriverWait(self.driver, _SECONDS, poll_frequency=0.05).until(lambda _: condition())

    def requested(self) -> list[str]:
        """Return the addresses that the page has asked for since it was opened."""
        events = [json.loads(message)["message"] for message in self._log("performance")]
        return [
            one["params"]["request"]["url"]
            for one in events
            if one["method"] == "Network.requestWillBeSent"
        ]

    def errors(self) -> list[str]:
        """Return what the console shows as an error: of the policy, of scripts, of requests."""
        return self._log("browser")

    def _log(self, kind: str) -> list[str]:
        entries = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]

    def violations(self) -> list[str]:
        """Return what axe-core finds."""
        self.run(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run().then(done, error => done({ passes: [], error: String(error) }))"
        )
        assert found["passes"], found
        return [
            f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def roles(self) -> list[tuple[str, str]]:
        """Return the roles and names that a screen reader meets."""
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in self._command("Accessibility.getFullAXTree")["nodes"]
            if not node["ignored"]
        ]

    @contextmanager
    def without_scripts(self) -> Iterator[None]:
        """Run no script of pages inside."""
        self._command("Emulation.setScriptExecutionDisabled", value=True)
        try:
            yield
        finally:
            self._command("Emulation.setScriptExecutionDisabled", value=False)

    def picture(self, path: Path, form: str = "png") -> None:
        """Write a screenshot."""
        quality = {} if form == "png" else {"quality": 80}
        found = self._command("Page.captureScreenshot", format=form, **quality)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def running() -> Iterator[Browser]:
    """Run a browser.

    :raises RuntimeError: when something of what it needs is missing
    """
    binaries = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in binaries or not AXE.exists():
        raise RuntimeError("these tests need chromium, chromium-driver and axe-core: scripts/test")
    options = ChromeOptions()
    options.binary_location, driver = map(str, binaries)
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "WARNING"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        chrome.set_script_timeout(_SECONDS)
        yield Browser(chrome)
    finally:
        chrome.quit()
