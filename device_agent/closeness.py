"""How near one answer of a model is to the right one."""

from typing import Literal

import numpy as np

from device_agent.arrays import Array


def error_of(found: Array, right: Array, measure: Literal["max", "mean"]) -> float:
    """The largest or the mean |Δ|; NaN where a number is missing, 0 for nothing but equal arrays."""
    unequal = np.atleast_1d(found != right)  # infinite numbers may be equal, and large whole ones equal only as floats
    if not unequal.any():
        return 0.0
    with np.errstate(invalid="ignore"):  # two infinite numbers, which are equal
        errors = np.abs(np.atleast_1d(found).astype(np.float64) - np.atleast_1d(right).astype(np.float64))
    errors[~unequal] = 0.0
    return float(errors.max() if measure == "max" else errors.mean()) or float(np.finfo(np.float64).tiny)


def same_answer(found: Array, right: Array, tie: float) -> bool:
    """The same arg-max, or one that the right output has as good as first."""
    answer = int(found.argmax())
    return answer == right.argmax() or float(right.max() - right.reshape(-1)[answer]) <= tie
