"""A page in a real browser: Debian's Chromium without a window, driven by Selenium."""

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from groupnl_deploy.bench.run import save_run
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.extras import NONE, Extras
from groupnl_deploy.report.pivot import Pivot
from groupnl_deploy.report.render import render
from tests.report.sample_runs import sample_run, sample_trace, save_evaluation, save_samples

if TYPE_CHECKING:  # make test collects these tests without it
    from selenium.webdriver import Chrome

# So that it asks nobody for anything: what is left in a log is the page's own.
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Browser:
    """One Chromium, and what a test asks of it."""

    driver: "Chrome"

    def open(self, page: Path, *, dark: bool = False, width: int = 1280) -> None:
        """Load a page from the disk and wait until it is drawn."""
        self.open_address(page.as_uri(), dark=dark, width=width)

    def open_address(self, address: str, *, dark: bool = False, width: int = 1280) -> None:
        """The same for any page."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])
        self.logs("browser"), self.logs("performance")
        self.driver.get(address)
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def cdp(self, command: str, **arguments: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        """JavaScript within the page; what it returns."""
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str, at: str | None = None) -> None:
        """Keys, each a letter or the name of one such as "TAB", for the element that has the focus, or for another."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        if at is not None:
            self.run(f"document.querySelector({json.dumps(at)}).focus()")
        codes = [getattr(Keys, key) if len(key) > 1 else key for key in keys]
        ActionChains(self.driver).send_keys(*codes).perform()

    def logs(self, kind: str) -> list[dict[str, Any]]:
        """What was logged since it was last asked for."""
        return self.driver.get_log(kind)

    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        events = (json.loads(entry["message"])["message"] for entry in self.logs("performance"))
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]


@contextlib.contextmanager
def started(*flags: str) -> Iterator[Browser]:
    """A Chromium with a profile of its own, which ends with the block. Raises `RuntimeError` where there is none."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        raise RuntimeError("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        for flag in (*QUIET, *flags, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        chrome = Chrome(options, Service(driver))
        try:
            yield Browser(chrome)
        finally:
            chrome.quit()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Started once for all tests."""
    with started() as one:
        yield one


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says a figure on the terminal, whatever pytest keeps to itself."""

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return say


@pytest.fixture(scope="session")
def write_page(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A report of these runs as a file."""

    def write(runs: list[Path], extras: Extras = NONE) -> Path:
        page = tmp_path_factory.mktemp("page") / "report.html"
        page.write_text(render(build_report(runs, drawn=True), "html", extras), encoding="utf-8")
        return page

    return write


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, write_page: Callable[..., Path]) -> Path:
    """The sample runs, one of which has markup for a name."""
    return write_page(save_samples(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory, write_page: Callable[..., Path]) -> Path:
    """Two things that were repeated and evaluated, with every table that can be asked for."""
    folder = tmp_path_factory.mktemp("repeats")
    save_evaluation(folder, missing=3)
    runs = []
    for number in range(3):
        for conv, p50_ms in (("standard", 10.0), ("groupnl", 8.0)):
            runs.append(folder / f"{conv}-run{number + 1}")
            save_run(runs[-1], sample_run(conv, p50_ms=p50_ms, seed=number), sample_trace(emulated=False))
    return write_page(runs, Extras("standard-run1", True, Pivot("convolution", None, "p50_ms,fps"), details=True))
