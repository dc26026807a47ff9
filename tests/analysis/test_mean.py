"""The mean of repeats and its interval."""

import math
import random

import pytest
from scipy import stats

from groupnl_deploy.analysis.mean import mean_of, student_t


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 9, 10, 30, 99, 100, 999])
def test_the_quantile_is_students(freedom: int) -> None:
    assert student_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_one_is_single_a_few_are_a_range_and_six_have_an_interval() -> None:
    assert mean_of([2.0]) == mean_of([2.0]) and mean_of([2.0]).kind == "single"
    few = mean_of([1.0, 5.0, 3.0])
    assert (few.kind, few.mean, few.low, few.high, few.confidence) == ("range", 3.0, 1.0, 5.0, None)
    values = [10.1, 9.9, 10.4, 9.6, 10.0, 10.3]
    six = mean_of(values)
    low, high = stats.t.interval(0.95, 5, loc=six.mean, scale=stats.sem(values))
    assert (six.kind, six.n, six.confidence) == ("interval", 6, 0.95)
    assert (six.low, six.high) == (pytest.approx(low), pytest.approx(high))
    assert mean_of([4.0] * 6).low == mean_of([4.0] * 6).high == 4.0


def test_the_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    draw = random.Random(1)
    found = [mean_of([draw.gauss(5.0, 2.0) for _ in range(7)]) for _ in range(4000)]
    share = sum(mean.low <= 5.0 <= mean.high for mean in found) / len(found)
    assert share == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_has_no_mean_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_of(values)
