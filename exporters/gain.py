"""What the level native would make of a graph that is exported at full, and that it made nothing of another."""

import onnx
import onnx_ir as ir

from device_agent.manifest import NativeOperators
from exporters.choices import Level
from exporters.native.nodes import native_operators
from exporters.optimize import passes
from exporters.targets.base import Target


def nothing_native(level: Level, native: NativeOperators | None) -> str | None:
    """A sentence for whoever asked for native operators and got none; None for everybody else."""
    if level != "native" or native is not None:
        return None
    return "It has no operator of ours, for no layer of it is one: it is what --optimize full makes of it."


def gain_of_native(model: onnx.ModelProto, level: Level, target: Target) -> str | None:
    """A sentence for whoever exports for a board at the default level; None where there is nothing to say.

    Args:
        model: as its exporter gave it.
        level: that was asked for.
        target: where somebody has measured its costs on the board itself, that table says what is gained.
    """
    if level != "full" or target.board is None or target.costs.measured:
        return None
    graph = ir.serde.deserialize_model(model)
    for step in passes("native", target):
        step.on(graph)
    counts = native_operators(ir.serde.serialize_model(graph))
    if not counts:
        return None
    said = " and ".join(f"{count} {name}" for name, count in counts.items())
    return (
        f"With --optimize native it would have operators of our own, {said}: faster on a stand-in for the board "
        "(docs/performance.md says how much), and measured on no board yet."
    )
