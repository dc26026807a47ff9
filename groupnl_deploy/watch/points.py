"""The newest measurements of a meter, as many as views draw, in memory that does not grow.

Whoever looks takes a copy; nothing that a view does keeps the recorder waiting for longer than that copy takes.
"""

import itertools
import threading
from collections import deque
from typing import NamedTuple

from power.running import Totals

MOST = 24_000  # 3 hours of a meter at 2 a second, 5 minutes of one at 1,000
COLUMN_S = 0.05  # of what comes faster, the first, lowest, highest and last of each such stretch are kept


class Point(NamedTuple):
    """A measurement: seconds since the recording began, watts, volts, joules until then.

    `hole_s` is how long nothing was measured before it, where that is a hole, else 0.
    """

    t_s: float
    power_w: float
    voltage_v: float
    energy_j: float
    hole_s: float


class LivePoints:
    """Filled by the recorder's thread (`hear`), read by any other (`since`, `recent`)."""

    def __init__(self, most: int = MOST) -> None:
        self._kept: deque[Point] = deque(maxlen=most)
        self._count = 0  # of all that were ever kept
        self._waiting: list[Point] = []  # of the column at hand, behind its first
        self._column = -1
        self._holes, self._hole_s = 0, 0.0
        self._lock = threading.Lock()

    def hear(self, totals: Totals) -> None:
        """Take the newest measurement. No peak is left out."""
        hole_s = totals.hole_s - self._hole_s if totals.holes > self._holes else 0.0
        self._holes, self._hole_s = totals.holes, totals.hole_s
        point = Point(totals.t_s, totals.power_w, totals.voltage_v, totals.energy_j, hole_s)
        column = int(totals.t_s / COLUMN_S)
        with self._lock:
            if column == self._column:
                self._waiting.append(point)
                return
            self._column = column
            for one in (*_extremes(self._waiting), point):
                self._kept.append(one)
                self._count += 1
            self._waiting.clear()

    def since(self, number: int) -> tuple[int, list[Point]]:
        """The points from the one of that number on, counted from 0, and the number of the first of them.

        That is a later one where those before it are no more kept. The last number may be one that is not there yet.
        """
        with self._lock:
            oldest = self._count - len(self._kept)
            first = min(max(number, oldest), self._count)
            return first, list(itertools.islice(self._kept, first - oldest, None))

    def recent(self, seconds: float) -> list[Point]:
        """The points of the last so many seconds, and the one before them."""
        with self._lock:
            found: list[Point] = []
            for point in reversed(self._kept):
                found.append(point)
                if point.t_s < found[0].t_s - seconds:
                    break
        return found[::-1]


def _extremes(points: list[Point]) -> list[Point]:
    """The lowest, the highest and the last, each once, in their order."""
    if not points:
        return []
    watts = [point.power_w for point in points]
    places = {watts.index(min(watts)), watts.index(max(watts)), len(points) - 1}
    return [points[place] for place in sorted(places)]
