"""The step from a plain native model to one in blocks, and its proof, also for a block that this machine has not."""

from collections import Counter
from dataclasses import replace
from typing import Literal

import onnx
import onnx_ir as ir
import onnxruntime

from device_agent.machine import this_machine
from device_agent.manifest import NativeModel
from device_agent.native_choice import release
from exporters.graph_facts import graph_facts
from exporters.native.blocked import in_blocks
from exporters.native.operators import DOMAIN, RUNTIME_DOMAIN
from exporters.native.this_runtime import runtimes_block
from exporters.native.unblocked import out_of_blocks
from exporters.optimize import Optimized, Proof, continued
from exporters.passes import Pass, PassOutcome
from exporters.rules.graph import number
from exporters.runtimes import range_of
from exporters.targets.base import Target

_OLDEST_OPSET = 13  # the oldest that is exported; a file of somebody else's may be older


def blocked_model(
    best: Optimized, block: int, file: str, target: Target, proof: Proof
) -> tuple[Optimized, NativeModel]:
    """A native model in blocks of so many channels, proved, and what the manifest says of its file.

    Where it has to stay plain it is that, and its last report says why. Raises as `optimize`.
    """

    def provable(model: onnx.ModelProto) -> onnx.ModelProto:
        if proved_by(range_of(file, block, graph_facts(model), target)) == "run":
            return model
        return ir.serde.serialize_model(out_of_blocks(ir.serde.deserialize_model(model), block))

    made = continued(best, (put_in_blocks(block),), lambda model: proof(provable(model)))
    about = range_of(file, block if made.passes[-1].fired else 0, graph_facts(made.model), target)
    return made, replace(about, proof=proved_by(about))


def proved_by(about: NativeModel) -> Literal["run", "decoded"]:
    """Whether this machine runs a model file, or only the plain graph that is read back from one in blocks."""
    here = runtimes_block() == this_machine().block == about.block
    old = release(onnxruntime.__version__) < release(about.oldest_runtime)
    return "decoded" if about.block and (old or not here) else "run"


def put_in_blocks(block: int) -> Pass:
    """The pass that writes a graph in blocks of so many channels."""

    def run(model: ir.Model, most: int) -> PassOutcome:
        opset = model.graph.opset_imports[""]
        if opset < _OLDEST_OPSET:
            return PassOutcome(0, refusals=(f"opset {opset} pads and cuts in other ways than {_OLDEST_OPSET}",))
        model.graph = in_blocks(model, block).graph
        blocked = Counter(node.op_type for node in model.graph if _is_in_blocks(node))
        counted = ", ".join(f"{count} {name}" for name, count in sorted(blocked.items()))
        return PassOutcome(blocked.total(), notes=(counted,))

    return Pass(f"blocks_of_{block}", run)


def _is_in_blocks(node: ir.Node) -> bool:
    return node.domain == RUNTIME_DOMAIN or (node.domain == DOMAIN and number(node, "block", 0) > 0)
