"""What is left to sweep up: numbers too small to matter, numbers kept twice, nodes that nobody reads, names."""

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from exporters.rules.graph import constant, kind, only_output, replace

SMALLEST_NORMAL = np.finfo(np.float32).tiny


def lift_constants(model: ir.Model) -> int:
    """Make an initializer of every Constant node, however small, and count them: there is one place for numbers then.

    onnxsim leaves some as nodes, in another order each time.
    """
    before = len(model.graph)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    return before - len(model.graph)


def flush_denormals(model: ir.Model) -> int:
    """Set float32 weights below 1.2e-38 to zero, and count them.

    On many CPUs an operation on such a number takes a hundred cycles. It changes an output by less than 1e-38 times an
    input, far below any tolerance.
    """
    flushed = 0
    for value in model.graph.initializers.values():
        numbers = constant(value)
        if numbers is None or numbers.dtype != np.float32 or numbers.size == 1:  # one number may be a divisor
            continue
        tiny = (np.abs(numbers) < SMALLEST_NORMAL) & (numbers != 0)
        if tiny.any():
            flushed += int(tiny.sum())
            value.const_value = ir.tensor(np.where(tiny, np.float32(0), numbers), name=value.name)
    return flushed


def tidy(model: ir.Model) -> int:
    """Merge equal computations and equal initializers, drop what nobody reads, make names unique.

    Returns how many nodes and initializers went.
    """
    before = len(model.graph) + len(model.graph.initializers)
    for sweep in (
        _drop_identities,
        common.DeduplicateHashedInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.NameFixPass(),
    ):
        sweep(model)
    return before - len(model.graph) - len(model.graph.initializers)


def _drop_identities(model: ir.Model) -> None:
    """All but those between two values whose names are the caller's: outputs of the graph, and its inputs."""
    for node in list(model.graph):
        source = node.inputs[0] if kind(node) == "Identity" else None
        if source is None:
            continue
        named = source.is_graph_output() or source.is_graph_input() or source.is_initializer()
        if not (named and only_output(node).is_graph_output()):
            replace(only_output(node), source)
    common.RemoveUnusedNodesPass()(model)
