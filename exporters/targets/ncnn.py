"""What ncnn asks of a graph, on every machine that an export is for."""

from dataclasses import replace

from exporters.targets.base import Target


def for_ncnn(target: Target) -> Target:
    """The target with the passes that pay in ncnn, whatever pays in ONNX Runtime on that machine.

    ncnn keeps four, eight or sixteen channels together as ONNX Runtime does in its layout in blocks, so what is written
    for that is written for ncnn too. It takes no every m-th channel, but shuffles channels.
    """
    return replace(target, block=16, columns=True, cost_table="generic", native_blocks=(), backend="ncnn")
