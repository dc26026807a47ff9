"""The paired statistics against cases calculated by hand, laws, and a second way of getting the same numbers."""

import itertools
import math
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from groupnl_deploy.analysis.paired import MOST_ENUMERATED, Paired, compare_pairs, holm, pairs_to_decide

ONES = [1.0] * 6
values = st.floats(0.01, 100.0)
pairs = st.lists(st.tuples(values, values), min_size=1, max_size=11)
enough = st.lists(st.tuples(values, values), min_size=6, max_size=9)


def of_logs(logs: list[float]) -> Paired:
    return compare_pairs([1.0] * len(logs), [math.exp(value) for value in logs])


def of(several: list[tuple[float, float]]) -> Paired:
    return compare_pairs([a for a, _ in several], [b for _, b in several])


def p_by_trying(logs: list[float], supposed: float = 0.0) -> float:
    """The definition, all signs written out."""
    rest = [value - supposed for value in logs]
    measured, near = abs(sum(rest)), 1e-9 * sum(map(abs, rest))
    ways = itertools.product((1, -1), repeat=len(rest))
    sums = [abs(sum(sign * value for sign, value in zip(way, rest, strict=True))) for way in ways]
    return sum(one >= measured - near for one in sums) / len(sums)


def test_six_pairs_of_which_b_is_always_the_higher():
    found = compare_pairs(ONES, [1.1, 1.2, 1.1, 1.3, 1.2, 1.1])
    assert found.p == 2 / 64 and found.kind == "interval"
    # One subset in 40 may lie outside at either end: of 64 that is one, the lowest and the highest ratio themselves.
    assert found.low == pytest.approx(1.1) and found.high == pytest.approx(1.3)
    assert found.ratio == pytest.approx((1.1**3 * 1.2**2 * 1.3) ** (1 / 6))
    assert (found.lower, found.higher) == (0, 6)


def test_fishers_darwin_data():
    """Fisher 1935, section 21: heights of 15 pairs of plants; 1,726 of the 32,768 ways reach the sum of 314 eighths."""
    eighths = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sum(eighths) == 314
    assert of_logs([value / 1000 for value in eighths]).p == 1726 / 32768


def test_seven_pairs_by_hand():
    # Of the 128 ways only those reach 27 that flip nothing, the 1, or all the others: 2 of each 64.
    found = of_logs([-0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08])
    assert found.p == 4 / 128
    # The third lowest of 127 subset means: -0.01, then {-0.01, 0.02} = 0.005, then {-0.01, 0.03} = 0.01.
    assert math.log(found.low) == pytest.approx(0.01)


def test_equal_values_show_nothing():
    found = compare_pairs([3.0] * 8, [3.0] * 8)
    assert (found.ratio, found.low, found.high, found.p) == (1.0, 1.0, 1.0, 1.0)
    assert found.effect is None and found.lower == found.higher == 0


def test_under_six_pairs_it_is_the_range_without_a_p_value():
    found = compare_pairs([1.0, 2.0, 4.0], [1.1, 2.4, 4.2])
    assert found.kind == "range" and found.p is None
    assert (found.low, found.high) == pytest.approx((1.05, 1.2))
    single = compare_pairs([2.0], [3.0])
    assert single.kind == "single" and single.low == single.high == single.ratio == pytest.approx(1.5)


def test_the_effect_is_the_mean_in_standard_deviations():
    found = of_logs([0.01, 0.02, 0.03])
    assert found.effect == pytest.approx(2.0) and found.log_sd == pytest.approx(0.01)


@given(enough)
@settings(max_examples=60, deadline=None)
def test_the_p_value_is_that_of_trying_all_signs(several):
    logs = [math.log(b / a) for a, b in several]
    assert of(several).p == pytest.approx(p_by_trying(logs))


@given(enough)
@settings(max_examples=40, deadline=None)
def test_the_interval_is_what_the_test_does_not_refute(several):
    logs = [math.log(b / a) for a, b in several]
    found, width = of(several), max(logs) - min(logs)
    assume(width > 1e-3)
    low, high = math.log(found.low), math.log(found.high)
    for inside in (low + 1e-5 * width, (low + high) / 2, high - 1e-5 * width):
        assert p_by_trying(logs, inside) > 0.05 or high - low < 1e-4 * width
    for outside in (low - 1e-5 * width, high + 1e-5 * width):
        assert p_by_trying(logs, outside) <= 0.05


@given(pairs)
@settings(deadline=None)
def test_b_against_a_is_the_inverse_of_a_against_b(several):
    there, back = of(several), of([(b, a) for a, b in several])
    assert (back.ratio, back.low, back.high) == pytest.approx((1 / there.ratio, 1 / there.high, 1 / there.low))
    assert back.p == there.p and (back.lower, back.higher) == (there.higher, there.lower)


@given(pairs, st.floats(1e-3, 1e3), st.lists(st.floats(1e-3, 1e3), min_size=11, max_size=11))
@settings(deadline=None)
def test_units_and_what_a_pair_has_in_common_are_nothing(several, unit, drifts):
    """Also not a machine that is slower in one pair than in another."""
    moved = of([(a * unit * drift, b * unit * drift) for (a, b), drift in zip(several, drifts, strict=False)])
    plain = of(several)
    assert (moved.ratio, moved.low, moved.high) == pytest.approx((plain.ratio, plain.low, plain.high))


@given(pairs, st.randoms())
@settings(deadline=None)
def test_the_order_of_the_pairs_is_nothing(several, shuffler):
    mixed = several[:]
    shuffler.shuffle(mixed)
    there, here = of(several), of(mixed)
    assert (here.ratio, here.low, here.high) == pytest.approx((there.ratio, there.low, there.high))
    assert here.p == there.p


@given(pairs)
@settings(deadline=None)
def test_the_interval_contains_the_ratio_and_excludes_1_where_a_difference_is_shown(several):
    found = of(several)
    assert found.low <= found.ratio * (1 + 1e-9) and found.ratio <= found.high * (1 + 1e-9)
    if found.p is not None and abs(math.log(found.low)) > 1e-6 < abs(math.log(found.high)):
        assert (found.p <= 0.05) == (not found.low <= 1 <= found.high)


def test_random_signs_agree_with_all_of_them(monkeypatch):
    drawn = random.Random(3)
    logs = [drawn.gauss(0.005, 0.02) for _ in range(16)]
    exact = of_logs(logs)
    monkeypatch.setattr("groupnl_deploy.analysis.paired.MOST_ENUMERATED", 15)
    resampled = of_logs(logs)
    assert resampled.resampled and not exact.resampled
    assert resampled.p == pytest.approx(exact.p, rel=0.05)
    assert (resampled.low, resampled.high) == pytest.approx((exact.low, exact.high), rel=5e-4)


def test_many_pairs_are_resampled_the_same_way_each_time():
    drawn = random.Random(4)
    logs = [drawn.gauss(0.01, 0.02) for _ in range(MOST_ENUMERATED + 5)]
    assert of_logs(logs) == of_logs(logs)
    assert of_logs(logs).low < of_logs(logs).ratio < of_logs(logs).high


def test_equal_things_are_told_apart_in_one_of_twenty_cases_at_most():
    drawn = random.Random(5)
    shown = sum(of_logs([drawn.gauss(0, 1) ** 3 for _ in range(10)]).p <= 0.05 for _ in range(1000))
    assert shown <= 65  # 50 expected, and less than 2 standard deviations more


def _session(drawn: random.Random, runs: int) -> list[float]:
    """A board that grows slowly warmer and cooler, whose runs differ by 1 %, one in twenty of them by some 5 % more."""
    drift, values = 0.0, []
    for _ in range(runs):
        drift = 0.98 * drift + drawn.gauss(0, 0.005)
        late = drawn.expovariate(20) if drawn.random() < 0.05 else 0.0
        values.append(math.exp(drift + drawn.gauss(0, 0.01) + late))
    return values


def test_of_200_comparisons_of_equal_things_16_at_most_are_false_alarms_and_3_percent_are_found_in_160():
    """The promise of `groupnl compare` at ten pairs; benchmarks/compare.py counts it on recorded runs."""
    drawn = random.Random(6)
    alarms = found = 0
    for _ in range(200):
        runs = _session(drawn, 20)
        pairs = [drawn.sample(pair, 2) for pair in zip(runs[::2], runs[1::2], strict=True)]
        a, b = ([pair[side] for pair in pairs] for side in (0, 1))
        alarms += compare_pairs(a, b).p <= 0.05
        slower = compare_pairs(a, [1.03 * value for value in b])
        found += slower.p <= 0.05 and slower.ratio > 1
    assert alarms <= 16 and found >= 160, (alarms, found)


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [float("nan")])])
def test_what_has_no_log_ratio_is_refused(a, b):
    with pytest.raises(ValueError, match="above zero"):
        compare_pairs(a, b)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0) and holm([]) == ()


def test_pairs_to_decide_grow_with_the_square_of_the_spread():
    logs = [0.01, 0.03] * 5
    needed = pairs_to_decide(of_logs(logs), 1.03)
    sd, distance = of_logs(logs).log_sd, math.log(1.03) - 0.02
    assert needed == math.ceil((2.8016 * sd / distance) ** 2)
    assert pairs_to_decide(of_logs(logs), 10.0) == 6
    assert pairs_to_decide(of_logs([0.02] * 8), 1.03) is None
