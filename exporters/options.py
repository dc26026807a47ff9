"""What an export shall be, as plain data: the same in the library, on the command line and in a campaign."""

from dataclasses import dataclass

from exporters.choices import DEFAULT_BATCH, DEFAULT_LEVEL, DEFAULT_OPSET, Batch, Level
from exporters.targets import DEFAULT_TARGET


@dataclass(frozen=True)
class ExportOptions:
    """What an export shall be; target, opset and batch are for ONNX.

    Args:
        optimize: "none" (as torch exports it), "standard" (constant folding, BN fusion, onnxsim), "full" (every pass),
            or "native" (every pass, and whole layers as operators of our own). For the format torch "none" is the
            network as it trains, "standard" and "full" its inference form, and there is no "native".
        target: the name of the machine that it is for, one of `exporters.targets.TARGETS`.
        opset: of the operators.
        batch: 1, or "dynamic" for a first axis of any size.
    """

    optimize: Level = DEFAULT_LEVEL
    target: str = DEFAULT_TARGET
    opset: int = DEFAULT_OPSET
    batch: Batch = DEFAULT_BATCH
