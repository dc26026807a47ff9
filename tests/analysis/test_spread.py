import random
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.analysis.spread import Spread, spread

finite = st.floats(-1e9, 1e9)


def test_one_value_is_its_own_median():
    assert spread([3.5]) == Spread(1, 3.5, 3.5, 3.5, "single")


def test_under_six_values_it_is_the_range():
    assert spread([4.0, 1.0]) == Spread(2, 2.5, 1.0, 4.0, "range")
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(5, 3.0, 1.0, 5.0, "range")


# The ends' places among the ordered values, counted from 1, as printed tables of the sign test's interval have them.
@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (20, 6, 15), (50, 18, 33)])
def test_from_six_on_it_is_the_interval_of_order_statistics(n, low, high):
    assert spread(range(1, n + 1)) == Spread(n, (n + 1) / 2, low, high, "interval")


@pytest.mark.parametrize("n", range(6, 60))
def test_the_interval_holds_95_percent_and_the_next_narrower_does_not(n):
    low = int(spread(range(n)).low)  # how many lie below it

    def held(outside: int) -> float:
        return 1 - 2 * sum(comb(n, k) for k in range(outside + 1)) / 2**n

    assert held(low) >= 0.95 > held(low + 1)


def test_it_covers_the_true_median_as_often_as_it_says():
    drawn = random.Random(1)
    held = 0
    for _ in range(2000):
        found = spread([drawn.lognormvariate(0, 1) for _ in range(10)])
        held += found.low <= 1 <= found.high
    assert held / 2000 == pytest.approx(1 - 2 * 11 / 1024, abs=0.01)  # 97.9 %


@given(st.lists(finite, min_size=1, max_size=40), st.randoms())
def test_the_order_of_the_values_is_nothing(values, shuffler):
    mixed = values[:]
    shuffler.shuffle(mixed)
    assert spread(mixed) == spread(values)


@given(st.lists(finite, min_size=1, max_size=40))
def test_the_median_lies_between_both_ends_and_they_are_values(values):
    found = spread(values)
    assert found.low <= found.median <= found.high
    assert {found.low, found.high} <= set(values)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_nothing_and_what_is_no_number_is_refused(values):
    with pytest.raises(ValueError, match="finite values"):
        spread(values)
