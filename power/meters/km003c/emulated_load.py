"""Pure: what flows through an emulated meter, as a function of time whose energy is known exactly.

Between two points the load is either constant (the earlier point holds, as after a switch) or linear in
voltage and in current. Power is then constant or quadratic, and both are integrated in closed form.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from power.errors import MeterSettingError, WindowNotCovered

# Volts and amperes travel as signed 32-bit millionths; the margin is for noise and the uncalibrated averages.
LARGEST = (2**31 - 1001) / 1e6


@dataclass(frozen=True)
class LoadPoint:
    """Volts and amperes at an instant. Raises `MeterSettingError` for what no packet of the meter can carry."""

    t_s: float
    voltage_v: float
    current_a: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.t_s):
            raise MeterSettingError(f"A load begins at {self.t_s} s.", "Give its instant as a number of seconds.")
        if not all(abs(value) <= LARGEST for value in (self.voltage_v, self.current_a)):
            raise MeterSettingError(
                f"A load of {self.voltage_v} V and {self.current_a} A does not fit the meter's packet.",
                "Give volts and amperes, below 2147 of each: milliamperes divided by 1,000, microamperes by 1,000,000.",
            )


@dataclass(frozen=True)
class _Piece:
    """A stretch of `held_s` seconds from (`v0`, `i0`) to (`v1`, `i1`), linear in both."""

    held_s: float
    v0: float
    i0: float
    v1: float
    i1: float

    @property
    def energy_j(self) -> float:
        v0, i0, v1, i1 = self.v0, self.i0, self.v1, self.i1
        return self.held_s * (2.0 * v0 * i0 + v0 * i1 + v1 * i0 + 2.0 * v1 * i1) / 6.0


class LoadHistory:
    """Loads in time order; the first is taken to have held for ever before, the last holds from then on.

    With `interpolate` the load is linear between neighbouring points. Two points at one instant are a step.
    Raises `MeterSettingError` for no points at all and for points out of order.
    """

    def __init__(self, points: Iterable[LoadPoint], interpolate: bool = False) -> None:
        self._points = list(points)
        self._times = [point.t_s for point in self._points]
        self._interpolate = interpolate
        if not self._points:
            raise MeterSettingError("A load has no points.", "Give at least one: seconds, volts and amperes.")
        for earlier_s, later_s in pairwise(self._times):
            if later_s < earlier_s:
                raise MeterSettingError(
                    f"A load at {later_s} s comes after one at {earlier_s} s.", "Give the points in time order."
                )

    def append(self, point: LoadPoint) -> None:
        """Add a step after all others. Raises `MeterSettingError` where it is not the last or loads are linear."""
        if self._interpolate or point.t_s < self._times[-1]:
            raise MeterSettingError(
                "The load is given by a script until its end.", "Change the load only where no script gives it."
            )
        self._points.append(point)
        self._times.append(point.t_s)

    def shifted(self, by_s: float) -> "LoadHistory":
        """The same loads, all `by_s` seconds later."""
        return LoadHistory((replace(point, t_s=point.t_s + by_s) for point in self._points), self._interpolate)

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Exact joules between two instants. Raises `WindowNotCovered` for a window without duration."""
        return math.fsum(piece.energy_j for piece in self._pieces(start_s, end_s))

    def mean(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Mean volts and mean amperes between two instants. Raises `WindowNotCovered` as `energy_j` does."""
        pieces = list(self._pieces(start_s, end_s))
        whole_s = math.fsum(piece.held_s for piece in pieces)
        voltage = math.fsum(piece.held_s * (piece.v0 + piece.v1) / 2.0 for piece in pieces) / whole_s
        current = math.fsum(piece.held_s * (piece.i0 + piece.i1) / 2.0 for piece in pieces) / whole_s
        return voltage, current

    def _pieces(self, start_s: float, end_s: float) -> Iterator[_Piece]:
        if not start_s < end_s:
            raise WindowNotCovered("The window has no duration.", "Give an end that is after the start.")
        begin_s = start_s
        for after in range(bisect_right(self._times, start_s), len(self._points) + 1):
            until_s = min(self._times[after], end_s) if after < len(self._points) else end_s
            if until_s > begin_s:
                yield self._piece(after, begin_s, until_s)
                begin_s = until_s
            if until_s == end_s:
                return

    def _piece(self, after: int, begin_s: float, until_s: float) -> _Piece:
        """The load between two instants that both lie between the points `after - 1` and `after`."""
        held = self._points[max(after - 1, 0)]
        if not self._interpolate or not 0 < after < len(self._points):
            return _Piece(until_s - begin_s, held.voltage_v, held.current_a, held.voltage_v, held.current_a)
        coming = self._points[after]
        return _Piece(until_s - begin_s, *_between(held, coming, begin_s), *_between(held, coming, until_s))


def _between(earlier: LoadPoint, later: LoadPoint, at_s: float) -> tuple[float, float]:
    share = (at_s - earlier.t_s) / (later.t_s - earlier.t_s)
    voltage_v = earlier.voltage_v + share * (later.voltage_v - earlier.voltage_v)
    current_a = earlier.current_a + share * (later.current_a - earlier.current_a)
    return voltage_v, current_a
