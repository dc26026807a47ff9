"""How an emulated meter measures: what it holds, when it renews it, and what makes neighbours differ."""

import math
import statistics
from itertools import pairwise

import pytest

from power.errors import MeterSettingError
from power.meters.km003c.emulated_adc import AdcModel, EmulatedAdc
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint

BEGAN_S = 1000.0
STEADY = LoadHistory([LoadPoint(BEGAN_S, 5.0, 1.0)])
STEP = LoadHistory([LoadPoint(BEGAN_S, 5.0, 0.0), LoadPoint(BEGAN_S + 1.25, 4.0, 2.0)])
EXACT = {"noise_ua": 0.0, "flicker": False}


def emulated(load: LoadHistory, **model: object) -> EmulatedAdc:
    return EmulatedAdc(load, AdcModel(**model), BEGAN_S)


@pytest.mark.parametrize("update_hz", [2.0, 10.0, 50.0, 1000.0, 3.7])
def test_values_are_renewed_at_the_update_rate_however_often_they_are_asked_for(update_hz: float) -> None:
    meter = emulated(STEADY, update_hz=update_hz)
    numbers = [meter.newest(BEGAN_S + (poll + 0.5) / 3500.0) for poll in range(7000)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(math.ceil(2.0 * update_hz)))
    assert meter.measured(7) == meter.measured(7)


def test_a_value_is_the_mean_of_the_period_that_ended_last() -> None:
    """The step comes in the middle of the third half-second."""
    meter = emulated(STEP, **EXACT)
    held = [meter.block(BEGAN_S + at_s) for at_s in (0.0, 0.7, 1.49, 1.5, 1.99, 2.0)]
    assert [(raw.vbus_uv, raw.ibus_ua) for raw in held] == [
        *[(5_000_000, 0)] * 3,
        *[(4_500_000, 1_000_000)] * 2,
        (4_000_000, 2_000_000),
    ]


def test_averages_are_renewed_once_a_second_as_the_mean_of_the_last_two_half_seconds() -> None:
    for update_hz in (2.0, 50.0):
        meter = emulated(STEP, update_hz=update_hz, **EXACT)
        averages = [meter.block(BEGAN_S + at_s).ibus_avg_ua for at_s in (0.0, 1.0, 1.9, 2.0, 2.9, 3.0)]
        assert averages == [0, 0, 0, 1_500_000, 1_500_000, 2_000_000]
        raw = meter.block(BEGAN_S + 2.0)
        assert (raw.vbus_ori_avg_uv - raw.vbus_avg_uv, raw.ibus_ori_avg_ua - raw.ibus_avg_ua) == (6, 94)


def test_an_average_is_of_the_very_values_that_were_sent() -> None:
    meter = emulated(STEADY)
    currents = [meter.measured(number).ibus_ua for number in (3, 4)]
    assert meter.block(BEGAN_S + 2.0).ibus_avg_ua == round(sum(currents) / 2)


def test_noise_is_a_few_microamperes_around_the_truth_and_the_same_for_the_same_seed() -> None:
    currents = [emulated(STEADY).measured(number).ibus_ua for number in range(400)]
    assert statistics.fmean(currents) == pytest.approx(1e6, abs=1.0)
    assert 2.0 < statistics.stdev(currents) < 4.0
    assert currents == [emulated(STEADY).measured(number).ibus_ua for number in range(400)]
    assert currents != [emulated(STEADY, seed=1).measured(number).ibus_ua for number in range(400)]


def test_neighbours_always_differ_while_the_cc_line_flickers_and_never_when_it_does_not() -> None:
    flickering = [emulated(STEADY, noise_ua=0.0).measured(number) for number in range(200)]
    assert all(one != other for one, other in pairwise(flickering))
    assert {measured.ibus_ua for measured in flickering} == {1_000_000}
    assert len({emulated(STEADY, **EXACT).measured(number) for number in range(200)}) == 1


def test_a_meter_plugged_in_the_other_way_turns_the_sign_of_every_current() -> None:
    raw = emulated(STEADY, reversed=True, **EXACT).block(BEGAN_S + 3.0)
    assert (raw.vbus_uv, raw.ibus_ua, raw.ibus_avg_ua) == (5_000_000, -1_000_000, -1_000_000)


def test_the_temperature_is_missing_when_told_and_at_the_fastest_rate() -> None:
    for model, missing in (({}, False), ({"temperature": False}, True), ({"update_hz": 1000.0}, True)):
        assert (emulated(STEADY, **model).block(BEGAN_S).temperature_c is None) is missing


@pytest.mark.parametrize(
    "model",
    [{"update_hz": 0.0}, {"update_hz": 1001.0}, {"update_hz": float("nan")}, {"block_bytes": 48}, {"noise_ua": -1.0}],
)
def test_impossible_meters_are_refused(model: dict[str, float]) -> None:
    with pytest.raises(MeterSettingError) as caught:
        AdcModel(**model)
    assert caught.value.remedy.startswith("Choose")
