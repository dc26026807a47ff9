"""What equal forms cost on a target: a checked-in table, so that an export measures nothing and repeats exactly.

`benchmarks/export.py --write-costs` measures a new table. One that nobody has measured on its own board says so.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from device_agent.strict import StrictError, from_json
from exporters.errors import ExportFailed

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class SparseCost:
    """Times of the forms of one sparse seed convolution with two channels a group, in microseconds, one thread.

    Each form was timed between the pointwise convolution that makes its input and the per-channel step and pointwise
    convolution that read its output, and what these take alone was subtracted. So the layout changes that a form causes
    are part of its time.

    Args:
        channels: input channels; half as many filters.
        kernel_size: k.
        stride: of the convolution.
        pixels: height and width of the input.
        grouped_us: the one Conv node with channels / 2 groups.
        depthwise_us: two depthwise convolutions, their inputs made by two halves of the pointwise convolution, and
            the sum.
        pair_sum_us: one depthwise convolution over all channels, and the sum of each two neighbours.
    """

    channels: int
    kernel_size: int
    stride: int
    pixels: int
    grouped_us: float
    depthwise_us: float
    pair_sum_us: float | None = None

    def distance(self, channels: int, kernel_size: int, stride: int, pixels: int) -> float:
        """How unlike another shape this one is: doublings of channels and of pixels, and another kernel or stride."""
        doublings = abs(math.log2(channels / self.channels)) + abs(math.log2(pixels / self.pixels))
        return doublings + abs(kernel_size - self.kernel_size) + abs(stride - self.stride)


@dataclass(frozen=True)
class Costs:
    """The table of one target.

    Args:
        target: for which it was made.
        measured: whether the numbers were taken on that target itself.
        machine: where they were taken.
        runtime: with which runtime.
        sparse: forms of the sparse seed convolution.
    """

    target: str
    measured: bool
    machine: str
    runtime: str
    sparse: tuple[SparseCost, ...]
    schema_version: int = 4

    def nearest_sparse(self, channels: int, kernel_size: int, stride: int, pixels: int) -> SparseCost:
        """The measured shape that is most like this one."""
        return min(self.sparse, key=lambda cost: cost.distance(channels, kernel_size, stride, pixels))


def load_costs(name: str) -> Costs:
    """A checked-in table. Raises `ExportFailed` where there is none of that name that can be read."""
    path = TABLES / f"{name}.json"
    try:
        return from_json(Costs, path.read_bytes(), path.name)
    except FileNotFoundError as error:
        there = ", ".join(sorted(table.stem for table in TABLES.glob("*.json")))
        raise ExportFailed(
            f"There is no cost table {path}.",
            f"Give the target's cost_table one that is there ({there}), or measure it: "
            f"python benchmarks/export.py --write-costs {name}.",
        ) from error
    except (OSError, StrictError) as error:
        raise ExportFailed(f"The cost table {path} cannot be read: {error}.", "Install groupnl again.") from error
