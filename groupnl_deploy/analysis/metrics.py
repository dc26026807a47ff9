"""What two runs are compared in: each number's name in a report, its unit, and which direction is better. Pure."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from groupnl_deploy.bench.check import Doubts


@dataclass(frozen=True)
class Metric:
    """A number of a report's row.

    Args:
        name: of the column in CSV, and in a rule.
        title: in a table and a sentence.
        unit: of the number itself, as it is in JSON.
        shown_in: the unit in a table, of which `scale` make its own; none where that is the same.
        better: whether less or more of it is better.
        doubts: what must be believed for it to be a result; None where nothing spoils it.
        energy: whether a meter is needed, and an emulated one makes it up.
        evaluated: whether an evaluation under corruptions is needed, of the same images for all.
    """

    name: str
    title: str
    unit: str
    better: Literal["lower", "higher"] = "lower"
    doubts: Doubts | None = "time"
    energy: bool = False
    evaluated: bool = False
    shown_in: str = ""
    scale: float = 1.0
    path: str = ""

    def value(self, row: Any) -> float | None:
        """The row's number in its own unit; None where it has none."""
        try:
            found = attrgetter(self.path or self.name)(row)
        except AttributeError:  # of what is null as a whole, as the latencies of an emulated board
            return None
        return None if found is None else float(found)


METRICS: tuple[Metric, ...] = (
    Metric("p50_ms", "p50 latency", "ms", path="latency.p50_ms"),
    Metric("mean_ms", "mean latency", "ms", path="latency.mean_ms"),
    Metric("p99_ms", "p99 latency", "ms", path="latency.p99_ms"),
    Metric("fps", "FPS", "1/s", better="higher"),
    Metric("memory_mb", "peak memory", "MB", doubts=None),
    Metric("energy_j", "gross energy", "J", doubts="energy", energy=True, shown_in="mJ", scale=1e3),
    Metric("net_energy_j", "net energy", "J", doubts="energy", energy=True, shown_in="mJ", scale=1e3),
    Metric("corrupted_points_per_j", "robustness per joule", "points/J", "higher", "energy", True, evaluated=True),
)
"""All that is compared, in the order of the table. The verdict is of the first, or of `energy_j` (`verdict.py`)."""

BY_NAME = {metric.name: metric for metric in METRICS}
