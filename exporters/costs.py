"""What equivalent forms cost on a target: a checked-in table, so that an export measures nothing and repeats exactly.

`benchmarks/export.py --write-costs` measures a new table. One that nobody has measured on its own board says so.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from device_agent.strict import StrictError, from_json
from exporters.errors import ExportFailed

Target = Literal["generic", "rpi4"]
TARGETS: tuple[Target, ...] = ("generic", "rpi4")

# (opset, IR) that a target's runtime reads: ONNX Runtime 1.15.1, the paper's, refuses newer ones.
NEWEST: dict[Target, tuple[int, int]] = {"generic": (20, 10), "rpi4": (19, 9)}


@dataclass(frozen=True)
class SparseCost:
    """Times of the forms of one sparse seed convolution with two channels a group, in microseconds, one thread.

    Each with the pointwise convolution that makes its input and the per-channel step and pointwise convolution that
    read its output, less what these take alone: layout changes that a form causes are part of its time.

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
        target: its name.
        measured: whether the numbers were taken on that target itself.
        machine: where they were taken.
        runtime: with which runtime.
        sparse: forms of the sparse seed convolution.
    """

    target: Target
    measured: bool
    machine: str
    runtime: str
    sparse: tuple[SparseCost, ...]
    schema_version: int = 1

    def nearest_sparse(self, channels: int, kernel_size: int, stride: int, pixels: int) -> SparseCost:
        """The measured shape that is most like this one."""
        return min(self.sparse, key=lambda cost: cost.distance(channels, kernel_size, stride, pixels))


def load_costs(target: Target) -> Costs:
    """The checked-in table of a target."""
    path = Path(__file__).parent / "tables" / f"{target}.json"
    try:
        return from_json(Costs, path.read_bytes(), path.name)
    except (OSError, StrictError) as error:
        raise ExportFailed(f"The cost table {path} cannot be read: {error}.", "Install groupnl again.") from error


def require_readable(opset: int, ir_version: int, target: Target) -> None:
    """Raise `ExportFailed` for a model newer than the target's runtime reads."""
    newest = NEWEST[target]
    if opset > newest[0] or ir_version > newest[1]:
        raise ExportFailed(
            f"The runtime of {target} reads opset {newest[0]} and IR {newest[1]} at most, and this model has opset "
            f"{opset} and IR {ir_version}.",
            f"Ask for --opset {min(17, newest[0])}.",
        )
