"""Waveforms with known energy, and the meter that measures them."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from power.errors import MeterSettingError, MeterUnreachable
from power.meters.synthetic import SyntheticMeter
from power.meters.waveform import FORMS, parse_waveform

EVERY_FORM = ["steady:5V,1.2A", "step:5V,0.5A,1.2A,2s", "ramp:5V,0.5A,1.2A,2s", "sine:5V,1A,0.2A,2s"]


class Clock:
    """The host's clock, set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("text", "start_s", "end_s", "joules"),
    [
        ("steady:5V,1.2A", 1.0, 3.0, 12.0),
        ("steady:5V,-0.1A", 0.0, 10.0, -5.0),
        ("step:5V,0.5A,1.2A,2s", 0.0, 4.0, 5.0 * (1.0 + 2.4)),
        ("step:5V,0.5A,1.2A,2s", 1.5, 2.5, 5.0 * 0.85),
        ("ramp:5V,0A,2A,4s", 0.0, 4.0, 20.0),
        ("ramp:5V,0A,2A,4s", 2.0, 6.0, 5.0 * (3.0 + 4.0)),
        ("sine:5V,1A,0.2A,2s", 0.0, 2.0, 10.0),
        ("sine:5V,1A,0.2A,2s", 0.0, 1.0, 5.0 + 5.0 * 0.2 * 2.0 / math.pi),
    ],
)
def test_the_energy_is_that_of_the_integral(text: str, start_s: float, end_s: float, joules: float) -> None:
    assert parse_waveform(text).energy_j(start_s, end_s) == pytest.approx(joules, rel=1e-12)


@given(
    text=st.sampled_from(EVERY_FORM),
    start_s=st.floats(0.0, 6.0),
    middle_s=st.floats(0.0, 6.0),
    end_s=st.floats(0.0, 6.0),
)
def test_energy_is_additive_and_means_are_energy_over_time(
    text: str, start_s: float, middle_s: float, end_s: float
) -> None:
    waveform = parse_waveform(text)
    start_s, middle_s, end_s = sorted((start_s, middle_s, end_s))
    assume(end_s - start_s > 1e-3)
    whole = waveform.energy_j(start_s, end_s)
    parts = waveform.energy_j(start_s, middle_s) + waveform.energy_j(middle_s, end_s)
    assert parts == pytest.approx(whole, abs=1e-12)
    mean_w = waveform.voltage_v * waveform.mean_current_a(start_s, end_s)
    assert mean_w * (end_s - start_s) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("text", EVERY_FORM)
def test_the_energy_agrees_with_a_fine_sum_of_the_current(text: str) -> None:
    waveform = parse_waveform(text)
    edges = np.linspace(0.0, 5.0, 5001)
    middles = (edges[1:] + edges[:-1]) / 2.0
    halves = [waveform.mean_current_a(middle - 1e-6, middle + 1e-6) for middle in middles]
    assert waveform.voltage_v * np.sum(np.diff(edges) * halves) == pytest.approx(waveform.energy_j(0.0, 5.0), rel=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        *("", "steady", "steady:", "steady:5V", "steady:5A,1V", "steady:5V,1A,2s", "steady:5,1", "square:5V,1A"),
        *("step:5V,1A,2A,0s", "sine:5V,1A,1A,-1s", "steady:5V,nanA", "steady:infV,1A", "steady:1e9V,1A"),
        "steady:5000V,1A",
    ],
)
def test_a_text_that_is_no_waveform_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(MeterSettingError) as caught:
        parse_waveform(text)
    assert all(form in caught.value.remedy for form in FORMS)


def test_the_examples_of_the_forms_are_waveforms() -> None:
    for form, example in FORMS.items():
        assert example.startswith(form)
        parse_waveform(example.partition(" ")[0])


def test_measurements_come_at_the_meters_own_rate_however_it_is_polled() -> None:
    for pause_s in (0.003, 0.02, 0.7, 5.0):
        clock = Clock()
        meter = SyntheticMeter("sine:5V,1A,0.2A,2s", update_hz=50.0, now=clock)
        rows = []
        while clock.now_s < 1010.0:
            clock.now_s += pause_s
            rows += meter.read()
        assert np.diff([row.t_s for row in rows]) == pytest.approx(0.02)
        assert len(rows) == int((clock.now_s - 1000.0) * 50.0)


@pytest.mark.parametrize("text", EVERY_FORM)
@pytest.mark.parametrize("sign", [1, -1])
def test_its_means_sum_up_to_its_energy_exactly(text: str, sign: int) -> None:
    clock = Clock()
    meter = SyntheticMeter(text, sign, update_hz=20.0, now=clock)
    clock.now_s += 5.0
    rows = meter.read()
    joules = math.fsum(row.power_w / 20.0 for row in rows)
    assert joules == pytest.approx(meter.energy_j(meter.began_s, rows[-1].t_s), rel=1e-9)
    assert math.copysign(1.0, joules) == sign


def test_no_measurement_is_given_twice_even_if_the_clock_went_back() -> None:
    clock = Clock()
    meter = SyntheticMeter("steady:5V,1A", now=clock)
    given = []
    for step_s in (1.0, -0.5, 0.7):
        clock.now_s += step_s
        given += [row.t_s for row in meter.read()]
    assert given == sorted(set(given))
    assert len(given) == 60


def test_it_is_emulated_whatever_it_is_asked_for() -> None:
    facts = SyntheticMeter("steady:5V,1A", update_hz=10.0).facts
    assert (facts.emulated, facts.averaging, facts.update_period_s) == (True, "block", 0.1)


@pytest.mark.parametrize("update_hz", [0.0, -1.0, 1000.1, math.nan])
def test_a_rate_that_is_none_is_refused(update_hz: float) -> None:
    with pytest.raises(MeterSettingError, match="times a second"):
        SyntheticMeter("steady:5V,1A", update_hz=update_hz)


def test_closed_it_gives_nothing_more() -> None:
    meter = SyntheticMeter("steady:5V,1A")
    meter.close()
    with pytest.raises(MeterUnreachable, match="closed"):
        meter.read()
