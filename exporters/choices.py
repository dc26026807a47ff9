"""What an export may be asked for: levels, targets, operator sets and batches, each word in this one place.

Nothing slow is imported, so that a command line may refuse a wrong word before torch or onnx are.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from exporters.errors import ExportFailed

Level = Literal["none", "standard", "full"]
LEVELS: tuple[Level, ...] = get_args(Level)
DEFAULT_LEVEL: Level = "full"

Target = Literal["generic", "rpi4"]
TARGETS: tuple[Target, ...] = get_args(Target)
DEFAULT_TARGET: Target = "generic"

Batch = Literal["1", "dynamic"]
BATCHES: tuple[Batch, ...] = get_args(Batch)
DEFAULT_BATCH: Batch = "1"

# What every exported graph calls its input, its output and the axis of a dynamic batch.
INPUT_NAME, OUTPUT_NAME, BATCH_NAME = "input", "logits", "batch"

OPSETS = range(13, 21)  # what torch's TorchScript exporter writes, from the first that the rules know on
DEFAULT_OPSET = 17


@dataclass(frozen=True)
class Newest:
    """The newest model that a runtime reads."""

    opset: int
    ir_version: int


# The board has ONNX Runtime 1.15.1, the paper's. It claims opset 19 and has no Reshape of it.
NEWEST: dict[Target, Newest] = {"generic": Newest(opset=20, ir_version=10), "rpi4": Newest(opset=18, ir_version=9)}


def opsets(target: Target) -> range:
    """The operator sets that can be exported and that the target's runtime reads."""
    return range(OPSETS.start, min(OPSETS.stop, NEWEST[target].opset + 1))


def require_readable(opset: int, ir_version: int, target: Target) -> None:
    """Raise `ExportFailed` for a model newer than the target's runtime reads."""
    newest = NEWEST[target]
    if opset > newest.opset or ir_version > newest.ir_version:
        raise ExportFailed(
            f"The runtime of {target} reads opset {newest.opset} and IR {newest.ir_version} at most, and this model "
            f"has opset {opset} and IR {ir_version}.",
            f"Ask for --opset {DEFAULT_OPSET}.",
        )
