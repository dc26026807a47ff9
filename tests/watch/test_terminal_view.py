"""The terminal's view: in every width, with its marks, and with holes that are holes."""

import dataclasses

import pytest

from groupnl_deploy.watch.page import live_page
from groupnl_deploy.watch.points import Point
from groupnl_deploy.watch.terminal import levels, one_line, view_lines
from groupnl_deploy.watch.watched import Moment
from power.running import Totals
from power.trace import MeterFacts


def moment(missing_s: float = 0.0, emulated: bool | None = True, fast: bool = False, rows: int = 20) -> Moment:
    port = "/dev/serial/by-id/usb-ChargerLAB_POWER-Z_KM003C_0123456789-if01"
    facts = MeterFacts("km003c", "serial", port, emulated, 1, "vbus", 0.5, "block", 0.05, fast)
    totals = Totals(20.0, 5.1, 1.22, rows, 123.4, 2.0, 1, 3.5)
    return Moment(20.25, totals if rows else None, missing_s, facts)


POINTS = [Point(t, 2.7 if t < 8 else 6.2, 5.1, t, 3.0 if t == 13.0 else 0.0) for t in (1.0, 4.0, 7.0, 10.0, 13.0, 16.0)]


def texts(*arguments: object) -> list[str]:
    return ["".join(text for text, _ in line) for line in view_lines(*arguments)]  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [10, 17, 24, 39, 44, 80, 200])
@pytest.mark.parametrize("height", [4, 12, 50])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width: int, height: int) -> None:
    for now in (moment(), moment(missing_s=7.2, fast=True), moment(rows=0), moment(emulated=None)):
        lines = texts(now, POINTS, width, height)
        assert max(map(len, lines)) <= width
        for figure in now.figures.values():
            assert any(figure in line for line in lines)
        for word in now.words:
            assert any(word in line for line in lines)
    assert len(texts(moment(), POINTS, 80, height)) <= max(height, 9)


def test_what_it_says() -> None:
    said = " ".join(texts(moment(), POINTS, 100, 30))
    assert "EMULATED" in said and "20 measurements in 20 s, 2.0 a second, 1 hole of 3.5 s in all, not counted." in said
    assert "EMULATED" not in " ".join(texts(moment(emulated=False), POINTS, 100, 30))
    gone = " ".join(texts(moment(missing_s=7.2, fast=True), POINTS, 100, 30))
    assert "The meter has been gone for 7 s" in gone and "INVALID" in gone
    assert one_line(moment()).split() == [
        "20.2",
        "s",
        "5.100",
        "V",
        "1.220",
        "A",
        "6.222",
        "W",
        "123.4",
        "J",
        "EMULATED",
    ]
    assert "gone for 7 s" in one_line(moment(missing_s=7.2)) and "No measurement yet." in one_line(moment(rows=0))


def test_of_watts_alone_no_volt_and_no_ampere_is_made_up() -> None:
    facts = dataclasses.replace(moment().facts, watts_alone=True)
    now = dataclasses.replace(moment(), facts=facts)
    assert list(now.figures) == ["power", "energy"]
    said = " ".join(texts(now, POINTS, 60, 20))
    assert "6.222 W   123.4 J" in said and " V" not in said and " A" not in said
    assert 'data-live="voltage"' not in live_page(now).text and 'data-chart="voltage"' not in live_page(now).text
    assert 'data-chart="voltage"' in live_page(moment()).text


def test_a_column_has_its_highest_value_and_a_hole_has_none() -> None:
    found = levels(POINTS, (0.0, 20.0), 20, is_gone=False)
    assert found[0] is None and found[1:7] == [2.7] * 6 and found[10] == 6.2
    assert found[11:13] == [None, None] and found[13:] == [6.2] * 7
    assert levels(POINTS, (0.0, 20.0), 20, is_gone=True)[17:] == [None] * 3
    peak = [Point(0.1 * k, 12.0 if k == 77 else 1.0, 5.0, 0.0, 0.0) for k in range(200)]
    assert levels(peak, (0.0, 20.0), 10, is_gone=False)[3] == 12.0
    assert levels([], (0.0, 20.0), 5, is_gone=False) == [None] * 5
    drawn = texts(moment(), POINTS, 40, 8)
    assert any("█" in line for line in drawn) and any("▁" in line for line in drawn)
