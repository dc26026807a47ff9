"""Recordings as a page: what it shows, what it never loses, and that it is the report's own kind of page."""

import base64
import dataclasses
import json
import re

import numpy as np
import pytest

from groupnl_deploy.report.html.recordings_page import recordings_page
from groupnl_deploy.report.phases import PhaseTime
from groupnl_deploy.report.recordings import DrawnRecording
from power.energy import EnergyIndex
from power.marks import Mark
from tests.report.sample_runs import HOSTILE, _with_hole, sample_trace

AGAIN = "groupnl power plot a.csv --out again.html"


def recording(name: str = "a.csv", **more) -> DrawnRecording:
    trace = more.pop("trace", sample_trace())
    return DrawnRecording(name, EnergyIndex(trace), **more)


def data_of(page: str) -> dict:
    found = re.search(r'id="data">(.*?)</script>', page, re.S)[1]
    assert "<" not in found
    return json.loads(found)


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_it_has_power_joules_and_voltage_each_with_the_stamps() -> None:
    page = recordings_page([recording(problems=("a rule was broken",))], AGAIN)
    figures = re.findall(r"<figure>(.*?)</figure>", page, re.S)
    kinds = [re.search('data-chart="([^"]*)"', one)[1] for one in figures]
    assert kinds == ["power", "joules", "voltage"]
    assert all("EMULATED meter" in one and "INVALID" in one for one in figures)
    assert "A rule was broken." in page and " J in 24.98 s, mean " in page and AGAIN in page
    of_a_run = recordings_page([recording(phases=(PhaseTime("command", 5.0, 15.0),))], AGAIN)
    assert "The whole recording: " in of_a_run and "The whole recording" not in page
    (run,) = data_of(page)["runs"]
    assert run["marks"]["energy"] == "*!" and "Highest (W)" in page and "12*!" in page


def test_a_peak_is_drawn_and_joules_are_of_every_sample() -> None:
    trace = sample_trace(rate_hz=1000.0, seconds=300.0, emulated=False)
    page = recordings_page([recording(trace=trace)], AGAIN)
    (run,) = data_of(page)["runs"]
    assert "300,000 samples drawn as" in page and len(page) < 1_500_000
    assert np.nanmax(unpacked(run["power"]["w"])) == pytest.approx(12.0)
    whole = EnergyIndex(trace).window(float(trace.t_s[0]), float(trace.t_s[-1])).energy_j
    assert unpacked(run["power"]["j"])[-1] == pytest.approx(whole, rel=1e-5)


def test_joules_that_nobody_knows_have_no_chart() -> None:
    facts = dataclasses.replace(sample_trace().facts, renews_too_fast=True)
    page = recordings_page([recording(trace=dataclasses.replace(sample_trace(), facts=facts))], AGAIN)
    assert 'data-chart="joules"' not in page and "renewed its values faster" in page and ">INVALID<" in page


def test_a_hole_is_no_line_and_its_joules_are_in_no_sum() -> None:
    page = recordings_page([recording(trace=_with_hole(sample_trace()))], AGAIN)
    (run,) = data_of(page)["runs"]
    ((begin, end),) = run["power"]["holes"]
    assert end - begin == pytest.approx(3.04) and "3.04 s without measurement, so no joules of the whole" in page
    for name in ("w", "j", "v"):
        assert np.isnan(unpacked(run["power"][name])).sum() == 1


def test_marks_are_lines_and_a_table_and_a_mark_is_no_markup() -> None:
    page = recordings_page([recording(HOSTILE, marks=(Mark(5.25, "camera on"), Mark(6.0, HOSTILE)))], AGAIN)
    (run,) = data_of(page)["runs"]
    assert run["flags"][0] == [5.25, "camera on"] and "<td" in page and "5.250" in page
    assert HOSTILE not in page and "<script>alert" not in page and "\x1b" not in page and "\u202e" not in page


def test_several_begin_together_and_each_can_be_chosen() -> None:
    later = dataclasses.replace(
        sample_trace(emulated=False), t_s=sample_trace().t_s + 1_764_249_127.25, started_at=None
    )
    page = recordings_page(
        [recording("a.csv"), recording("b.csv", trace=later, marks=(Mark(1_764_249_128.25, "x"),))], AGAIN
    )
    first, second = data_of(page)["runs"]
    assert unpacked(first["power"]["t"])[0] == unpacked(second["power"]["t"])[0] == 0.0
    assert second["flags"] == [[1.0, "x"]] and (first["marks"]["energy"], second["marks"]["energy"]) == ("*", "")
    assert page.count("data-show=") == 2 and "2025-11-27 13:12:07" in page
    assert data_of(page)["axes"]["begin"] == "Seconds since each recording began"
    assert 'name="align"' not in page  # not all have a steady window


def test_runs_can_be_laid_over_one_another_by_their_steady_windows() -> None:
    phases = (PhaseTime("idle_before", 1.0, 5.0), PhaseTime("steady", 9.0, 19.0))
    page = recordings_page([recording("a", phases=phases), recording("b", phases=phases)], AGAIN)
    assert page.count('name="align"') == 2 and data_of(page)["runs"][0]["steady"] == 9.0


def test_of_watts_alone_there_is_no_voltage() -> None:
    facts = dataclasses.replace(sample_trace().facts, watts_alone=True)
    page = recordings_page([recording(trace=dataclasses.replace(sample_trace(), facts=facts))], AGAIN)
    assert 'data-chart="voltage"' not in page and data_of(page)["runs"][0]["power"]["v"] is None
