"""The pages of `power plot` and `power watch` in a real browser: drawn, alone, readable, and live."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.recording import recording
from groupnl_deploy.report.html.recordings_page import recordings_page
from groupnl_deploy.report.recordings import DrawnRecording
from groupnl_deploy.watch.points import LivePoints
from groupnl_deploy.watch.server import PageServer
from groupnl_deploy.watch.watched import Watched
from power.energy import EnergyIndex
from power.marks import Mark
from power.meters.km003c.emulated_adc import AdcModel
from power.meters.km003c.emulator import Km003cEmulator
from tests.report.browser.conftest import Browser
from tests.report.browser.test_page_in_chromium import CONTRAST
from tests.report.sample_runs import HOSTILE, _with_hole, sample_trace

pytestmark = pytest.mark.browser
PATIENCE_S = 30


@pytest.fixture(scope="module")
def plotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, one with a hole; the other with marks, of which one is markup, and a name that is."""
    trace = sample_trace()
    marks = (Mark(5.0, "camera on"), Mark(5.3, HOSTILE), Mark(24.9, "at the very end"))
    recordings = [
        DrawnRecording("a.csv", EnergyIndex(_with_hole(trace))),
        DrawnRecording(HOSTILE, EnergyIndex(dataclasses.replace(trace, t_s=trace.t_s + 1.0)), marks=marks),
    ]
    page = tmp_path_factory.mktemp("plotted") / "plot.html"
    page.write_text(recordings_page(recordings, "groupnl power plot a.csv b.csv --out again.html"), encoding="utf-8")
    return page


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_a_page_of_recordings_is_drawn_alone_and_can_be_read(
    browser: Browser, plotted: Path, dark: bool, width: int
) -> None:
    browser.open(plotted, dark=dark, width=width)
    assert browser.logs("browser") == []
    assert [url for url in browser.requests() if not url.startswith("file:")] == []
    assert browser.run("return document.querySelectorAll('canvas').length") == 3
    assert browser.run("return document.scrollingElement.scrollWidth") <= width
    found, _ = browser.run(CONTRAST.read_text())
    assert found == [] and browser.run("return document.querySelectorAll('b, i, [onmouseover]').length") == 0


def test_recordings_are_chosen_and_read_by_keyboard(browser: Browser, plotted: Path) -> None:
    browser.open(plotted)
    said = "return document.querySelector('[data-chart=joules] + output').textContent"
    browser.press("ARROW_RIGHT", at="[data-chart=joules]")
    both = browser.run(said)
    assert "1 a.csv *: no measurement · 2 </script>" in both and both.endswith(" J")
    browser.press("SPACE", at="[data-show='0']")
    browser.press("+", "ARROW_RIGHT", at="[data-chart=joules]")
    assert "a.csv" not in browser.run(said) and " J" in browser.run(said)
    assert browser.logs("browser") == []


@dataclasses.dataclass
class Live:
    """A page that is served, and the meter behind it."""

    address: str
    emulator: Km003cEmulator
    points: LivePoints


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    points, out = LivePoints(), tmp_path / "t.csv"
    with (
        Km003cEmulator(5.0, 1.0) as emulator,
        PageServer() as server,
        recording(MeterPlan("km003c", emulator.stable_port), out, print, heard=points.hear) as running,
        server.serving(Watched(running, points, out)),
    ):
        yield Live(server.address, emulator, points)


def until(browser: Browser, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait  # make test collects these tests without it

    WebDriverWait(browser.driver, PATIENCE_S, 0.1).until(lambda _: browser.run(f"return {script}"))


def text(name: str) -> str:
    return f"document.querySelector('[data-live={name}]').textContent"


# The blue dots of the chart: whether anything is drawn.
DRAWN = """(() => {
  const canvas = document.querySelector('[data-chart=power] canvas'), context = canvas.getContext('2d');
  const dots = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let blue = 0;
  for (let at = 0; at < dots.length; at += 4) if (dots[at + 2] > dots[at] + 90 && dots[at + 3] > 200) blue += 1;
  return blue;
})()"""


def test_a_live_page_shows_what_is_measured_a_hole_and_the_end(browser: Browser, live: Live) -> None:
    browser.open_address(live.address)
    until(browser, f"{text('power')} === '5.000 W'")
    until(browser, f"{DRAWN} > 50")
    assert browser.run("return document.querySelectorAll('.stamp.emulated').length") >= 4
    assert browser.run("return document.title").startswith("5.000 W EMULATED – ")
    live.emulator.set_load(5.0, 2.0)
    until(browser, f"{text('power')} === '10.000 W'")
    live.emulator.unplug()
    until(browser, f"{text('status')}.startsWith('The meter has been gone for 3 s')")
    assert browser.run(f"return {text('said')}") == "The meter is gone."
    live.emulator.replug()
    until(browser, f"{text('status')}.includes('1 hole of')")
    assert browser.run(f"return {text('said')}") == "The meter is back."
    assert [entry for entry in browser.logs("browser") if "getImageData" not in entry["message"]] == []  # our own
    own = [url for url in browser.requests() if not url.startswith(("chrome:", "data:"))]
    assert own and all(url.startswith(live.address) for url in own)


def test_a_live_page_stands_still_where_somebody_looks_and_goes_on_at_all(browser: Browser, live: Live) -> None:
    browser.open_address(live.address)
    until(browser, f"{text('status')}.startsWith('3 measurements')")
    right = "performance.now() && document.querySelector('[data-chart=power] + output').textContent"
    browser.press("+", "ARROW_RIGHT", at="[data-chart=power]")
    before = browser.run(f"return {right}")
    assert " s · power *: 5.0000 W" in before
    until(browser, f"{text('status')}.startsWith('6 measurements')")
    assert browser.run(f"return {right}") == before
    browser.press("0", at="[data-chart=power]")
    browser.press("SPACE", at="input[name=window][value='']")
    assert browser.logs("browser") == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_live_page_can_be_read_on_a_phone(browser: Browser, live: Live, dark: bool) -> None:
    browser.open_address(live.address, dark=dark, width=320)
    until(browser, f"{text('power')} === '5.000 W'")
    assert browser.run("return document.scrollingElement.scrollWidth") <= 320
    assert browser.run(CONTRAST.read_text())[0] == []


def test_a_live_page_lets_no_other_script_in_and_asks_nobody_else(browser: Browser, live: Live) -> None:
    browser.open_address(live.address)
    told = browser.run("""
        const told = [];
        addEventListener("securitypolicyviolation", (event) => told.push(event.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "window.stranger = true";
        document.body.append(script);
        const word = await fetch("http://127.0.0.1:9/").then(() => "answered", () => "refused");
        await new Promise((done) => setTimeout(done, 200));
        return [word, window.stranger === undefined, ...told];
    """)
    browser.logs("browser")
    assert told[:2] == ["refused", True] and set(told[2:]) == {"script-src-elem", "connect-src"}


def test_a_page_whose_watch_has_ended_says_so_and_keeps_what_it_has(browser: Browser) -> None:
    points = LivePoints()
    with PageServer() as server, Km003cEmulator(5.0, 1.0) as emulator:
        plan = MeterPlan("km003c", emulator.port)
        with recording(plan, None, print, heard=points.hear) as running, server.serving(Watched(running, points, None)):
            browser.open_address(server.address)
            until(browser, f"{DRAWN} > 50")
    until(browser, f"{text('status')}.startsWith('No answer from groupnl for')")
    assert browser.run(f"return {text('power')}") == "5.000 W" and browser.run(f"return {DRAWN}") > 50
    browser.logs("browser")


def test_a_meter_that_is_too_fast_is_stamped_as_soon_as_it_is_found(browser: Browser) -> None:
    points, adc = LivePoints(), AdcModel(update_hz=1000.0)
    with PageServer() as server, Km003cEmulator(5.0, 1.0, adc=adc) as emulator:
        plan = MeterPlan("km003c", emulator.port)
        with recording(plan, None, print, heard=points.hear) as running, server.serving(Watched(running, points, None)):
            browser.open_address(server.address)
            shown = "[...document.querySelectorAll('.stamp.bad')].filter((one) => one.checkVisibility()).length"
            until(browser, f"{shown} === 4")
    browser.logs("browser")
