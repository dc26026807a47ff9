"""The three rules that make joules of measurements, each as one prefix sum. Pure.

*trapezoid*: the power runs straight from each instant to the next. For meters that report the instant.

*interval*: each value is the mean over the interval that ends with it. For meters that report means over their
update period, of which it is exact: the energy of a mean over its own block is what truly flowed.

*hold*: each value holds until the next row. For rows that were written when the value changed, and for the loads that
an emulated meter follows. The last row ends the recording, and its value holds for nothing after it.

A joule is always a difference of two points of the sum, so adjacent windows add up whatever the rule.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from power.trace import Averaging, Samples

IntegrationMethod = Literal["trapezoid", "interval", "hold"]

METHODS: dict[IntegrationMethod, str] = {
    "trapezoid": "trapezoid, edges interpolated",
    "interval": "each value covers the interval before it",
    "hold": "each value holds until the next row",
}
RULE_FOR: dict[Averaging, IntegrationMethod] = {"instant": "trapezoid", "block": "interval", "row": "interval"}


@dataclass(frozen=True, eq=False)
class EnergySum:
    """Joules from the first knot to any instant up to the last. Arrays are (rows,), `knots_s` never decreasing.

    By the interval rule `power_w[i]` holds from knot i-1 to knot i, by hold from knot i to knot i+1; by the trapezoid
    it is the power at knot i.
    """

    method: IntegrationMethod
    knots_s: Samples
    power_w: Samples
    sum_j: Samples

    @classmethod
    def of(cls, method: IntegrationMethod, knots_s: Samples, power_w: Samples) -> "EnergySum":
        """Add up once, in time proportional to the rows."""
        level = _levels(method, power_w[:-1], power_w[1:])
        sum_j = np.concatenate((np.zeros(min(len(knots_s), 1)), np.cumsum(np.diff(knots_s) * level)))
        return cls(method, knots_s, power_w, sum_j)

    def until(self, at_s: Samples) -> Samples:
        """Joules up to each instant, which must lie between the first and the last knot. A binary search each."""
        left = np.clip(np.searchsorted(self.knots_s, at_s, side="right") - 1, 0, len(self.knots_s) - 2)
        elapsed_s = at_s - self.knots_s[left]
        if self.method == "interval":
            return self.sum_j[left] + elapsed_s * self.power_w[left + 1]
        if self.method == "hold":
            return self.sum_j[left] + elapsed_s * self.power_w[left]
        length_s = self.knots_s[left + 1] - self.knots_s[left]
        share = np.divide(elapsed_s, length_s, out=np.zeros_like(elapsed_s), where=length_s > 0.0)
        rise_w = (self.power_w[left + 1] - self.power_w[left]) * share
        return self.sum_j[left] + elapsed_s * (self.power_w[left] + rise_w / 2.0)

    def at_work(self, values: Samples, start_s: float, end_s: float) -> Samples:
        """Those of a row's `values` that the window is made of, by the trapezoid with the two at its edges."""
        after = int(np.searchsorted(self.knots_s, start_s, side="right"))
        until = int(np.searchsorted(self.knots_s, end_s, side="left"))
        if self.method == "interval":
            return values[after : until + 1]
        if self.method == "hold":
            return values[after - 1 : until]
        edges = np.interp([start_s, end_s], self.knots_s, values)
        return np.concatenate((edges, values[after:until]))


def _levels(method: IntegrationMethod, before: Samples, after: Samples) -> Samples:
    """The mean power between neighbouring knots, of which these are the powers at both; (rows - 1,)."""
    if method == "trapezoid":
        return (before + after) / 2.0
    return after if method == "interval" else before


def block_ends(t_s: Samples, changed: NDArray[np.bool_], period_s: float) -> Samples:
    """Until when each row's value held, for a meter that renews it every `period_s` seconds; (rows,).

    A row that repeats the value before it tells when somebody asked, not when the meter measured. What a changed
    value is the mean of began one update period before it came, so rows asked for since then end there.
    """
    ends_s = t_s.copy()
    repeats = np.flatnonzero(~changed)
    run = np.cumsum(changed)[repeats]  # which of the values each row repeats, counted from 1
    news_s = t_s[changed]
    next_s = np.append(news_s, np.inf)[run]
    ends_s[repeats] = np.minimum(t_s[repeats], np.maximum(next_s - period_s, news_s[run - 1]))
    return ends_s
