"""What ncnn asks of a graph, on every machine that an export is for."""

from dataclasses import replace

from device_agent.manifest import Format
from exporters.targets.base import Target


def for_ncnn(target: Target) -> Target:
    """The target with the passes that pay in ncnn, whatever pays in ONNX Runtime on that machine.

    ncnn keeps channels together in blocks as ONNX Runtime does, so parts of whole blocks are as good there. But all its
    operators do, so that a norm is fastest as a reduction, and a scale and shift as a BatchNorm. It takes no every
    m-th channel, but shuffles channels.
    """
    return replace(
        target,
        block=16,
        blocks_for_all=True,
        columns=True,
        cost_table="ncnn",
        native_blocks=(),
        backend="ncnn",
    )


def for_format(target: Target, format: Format) -> Target:
    """The target as an export of this format has it."""
    return for_ncnn(target) if format == "ncnn" else target
