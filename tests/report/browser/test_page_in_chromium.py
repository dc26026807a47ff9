"""The page of a report in a real browser: safe, reachable by keyboard, readable, printable, alone."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from groupnl_deploy.bench.run import save_run
from tests.report.browser.conftest import Browser
from tests.report.sample_runs import HOSTILE, sample_run, sample_trace

pytestmark = pytest.mark.browser
CONTRAST = Path(__file__).with_name("contrast.js")
OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"
CONTROLS = "a[href], button, input, summary, [tabindex='0']"


@pytest.fixture(params=["page", "full_page"])
def either_page(request: pytest.FixtureRequest) -> Path:
    """The sample runs, and repeats with every table that can be asked for."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("dark", [False, True])
def test_it_says_nothing_on_the_console_and_asks_nobody_for_anything(browser: Browser, page: Path, dark: bool) -> None:
    browser.open(page, dark=dark)
    browser.run(OPEN_ALL)
    browser.run("window.scrollTo(0, document.body.scrollHeight)")
    browser.run("return new Promise((done) => setTimeout(done, 300))")
    assert browser.logs("browser") == []
    assert [url for url in browser.requests() if not url.startswith("file:")] == []
    assert browser.run("return document.querySelectorAll('canvas').length") == 2 + 4 + 4


def test_markup_in_a_label_is_text(browser: Browser, page: Path) -> None:
    browser.open(page)
    shown = browser.run("return document.body.textContent")
    assert "</script><script>alert(1)</script><b onmouseover='x'>&amp; � �[31m \"q\" `$policy` ${title}" in shown
    assert HOSTILE not in shown  # its control codes are gone
    assert browser.run("return document.querySelectorAll('script, style').length") == 5
    assert browser.run("return document.querySelectorAll('b, i, [style*=color], [onmouseover]').length") == 0


def test_the_policy_lets_no_other_script_and_no_style_in(browser: Browser, page: Path) -> None:
    browser.open(page)
    told = browser.run("""
        const told = [];
        addEventListener("securitypolicyviolation", (event) => told.push(event.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "window.stranger = true";
        document.body.append(script);
        const styled = document.createElement("p");
        styled.setAttribute("style", "color: red");
        const image = document.createElement("img");
        image.src = "https://example.org/x.png";
        document.body.append(styled, image);
        return new Promise((done) => setTimeout(() => done([window.stranger === undefined, ...told]), 200));
    """)
    browser.logs("browser")
    assert told[0] is True and set(told[1:]) == {"script-src-elem", "style-src-attr", "img-src"}


def test_the_tab_key_reaches_every_control_and_shows_where_it_is(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run(OPEN_ALL)
    wanted = browser.run(f"""
        const all = [...document.querySelectorAll("{CONTROLS}")].filter((one) => one.checkVisibility());
        window.wanted = all.filter((one) => one.type !== "radio" || one.checked);
        return window.wanted.length;
    """)
    reached: set[int] = set()
    for _ in range(wanted + 2):
        browser.press("TAB")
        place, outline, width = browser.run("""
            const one = document.activeElement, style = getComputedStyle(one);
            return [window.wanted.indexOf(one), style.outlineStyle, parseFloat(style.outlineWidth)];
        """)
        if place >= 0:
            reached.add(place)
            assert outline != "none" and width >= 2
    missed = [place for place in range(wanted) if place not in reached]
    assert not missed, browser.run(f"return {missed}.map((place) => window.wanted[place].outerHTML.slice(0, 200))")


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_read(browser: Browser, either_page: Path, dark: bool, tell: Callable[[str], None]) -> None:
    browser.open(either_page, dark=dark)
    browser.run(OPEN_ALL)
    found, seen = browser.run(CONTRAST.read_text())
    assert found == [] and seen["count"] > 300
    tell(f"{'dark' if dark else 'light'}: {seen['count']} texts, the least contrast {seen['least']:.2f}")


@pytest.mark.parametrize("width", [320, 1280])
def test_the_numbers_of_a_heat_map_stand_in_their_squares(browser: Browser, full_page: Path, width: int) -> None:
    browser.open(full_page, width=width)
    numbers, outside, shades = browser.run("""
        const map = document.querySelector("#robustness svg");
        const squares = [...map.querySelectorAll("rect")].map((one) => one.getBoundingClientRect());
        const numbers = [...map.querySelectorAll(".value")].map((one) => one.getBoundingClientRect());
        const outside = numbers.filter((one, at) => one.left < squares[at].left || one.right > squares[at].right);
        return [numbers.length, outside.length, new Set([...map.querySelectorAll("rect")].map((one) =>
            getComputedStyle(one).fillOpacity)).size];
    """)
    assert (numbers, outside) == (18 * 6 + 2, 0) and shades > 20


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_has_nothing_to_scroll_sideways(browser: Browser, either_page: Path, width: int) -> None:
    browser.open(either_page, width=width)
    browser.run(OPEN_ALL)
    assert browser.run("return document.scrollingElement.scrollWidth") <= width
    assert browser.run("return [...document.querySelectorAll('canvas')].every((one) => one.clientWidth <= innerWidth)")


def test_it_is_printed_with_everything_open(browser: Browser, page: Path) -> None:
    browser.open(page)
    pdf = base64.b64decode(browser.cdp("Page.printToPDF", printBackground=True)["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pdf.startswith(b"%PDF") and 3 <= pages <= 30
    assert browser.run("return document.querySelectorAll('details[open]').length") == 2  # closed again


def test_a_chart_is_read_and_moved_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.press("ARROW_RIGHT", at="[data-chart=power]")
    said = browser.run("return document.querySelector('[data-chart=power] + output').textContent")
    assert re.match(r"\d+\.\d{3} s · 1 standard-ort \*: \d+\.\d+ W · 2 groupnl-ort \*:", said), said
    assert said.endswith("4 <i>groupnl *!: no measurement")
    browser.press("SPACE", at="[data-show='0']")
    browser.press("+", "ARROW_RIGHT", at="[data-chart=power]")
    said = browser.run("return document.querySelector('[data-chart=power] + output').textContent")
    assert "standard-ort" not in said and "groupnl-ort" in said
    assert browser.logs("browser") == []


def test_a_link_to_a_run_opens_it(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.press("ENTER", at="a[href='#run-4']")
    assert browser.run("return document.getElementById('run-4').open")


def test_an_hour_at_a_thousand_samples_a_second(
    browser: Browser, tmp_path: Path, write_page: Callable[..., Path], tell: Callable[[str], None]
) -> None:
    save_run(tmp_path / "long", sample_run(), sample_trace(rate_hz=1000.0, seconds=3600.0))
    page = write_page([tmp_path / "long"])
    megabytes = page.stat().st_size / 1e6
    browser.open(page)
    assert megabytes < 3 and browser.logs("browser") == []
    assert "3,600,000 samples drawn as 4" in browser.run("return document.body.textContent")
    highest = browser.run("""
        const bytes = Uint8Array.from(atob(JSON.parse(document.getElementById("data").textContent).runs[0].power.w),
            (one) => one.charCodeAt(0));
        return Math.max(...new Float32Array(bytes.buffer));
    """)
    assert highest == pytest.approx(12.0)
    loaded = browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    drawn = browser.run("return document.documentElement.dataset.drawnMs")
    tell(f"one hour at 1 kHz: {megabytes:.2f} MB, its scripts took {drawn} ms, loaded and drawn in {loaded:.0f} ms")
