"""The sign of a current, as every meter applies it."""

import math

from hypothesis import given
from hypothesis import strategies as st

from power.meters.base import with_sign


@given(st.sampled_from([1, -1]), st.floats(-1e3, 1e3).filter(bool))
def test_the_sign_turns_a_current_and_changes_no_digit(sign: int, current_a: float) -> None:
    assert with_sign(sign, current_a) == (current_a if sign == 1 else -current_a)


@given(st.sampled_from([1, -1]), st.sampled_from([0.0, -0.0]))
def test_no_current_is_zero_without_a_sign(sign: int, current_a: float) -> None:
    assert math.copysign(1.0, with_sign(sign, current_a)) == 1.0
