"""What an export may be asked for: levels, operator sets and batches, each word in this one place.

Targets have a room of their own, `exporters.targets`. Neither imports anything slow, so that a command line can refuse
a wrong word before torch or onnx are loaded.
"""

from typing import Literal, get_args

Level = Literal["none", "standard", "full", "native"]
LEVELS: tuple[Level, ...] = get_args(Level)
DEFAULT_LEVEL: Level = "full"

Batch = Literal["1", "dynamic"]
BATCHES: tuple[Batch, ...] = get_args(Batch)
DEFAULT_BATCH: Batch = "1"

# What every exported graph calls its input, its output and the axis of a dynamic batch.
INPUT_NAME, OUTPUT_NAME, BATCH_NAME = "input", "logits", "batch"

OPSETS = range(13, 21)  # from the first that the rules know to the last that torch's TorchScript exporter writes
DEFAULT_OPSET = 17
