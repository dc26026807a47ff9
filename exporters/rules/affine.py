"""Steps of the form a·x + b, one a and one b a channel, gathered into as few as there can be.

They come from ω and φ, from the BatchNorm behind a concatenation, and from any constant that is multiplied or added.
Several in a row become one, and one behind a convolution becomes part of it.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import (
    NodeBuilder,
    fills_blocks,
    kind,
    known_convolution,
    only_output,
    only_reader,
    producer,
    replace,
)
from exporters.rules.steps import Affine, affine_step, into_convolution, plain_step, step_of

# How many times what a chain of steps leaves may be added and taken away on the way; float32 resolves 2²⁴.
MOST_CANCELLED = 2.0**16


@dataclass(frozen=True)
class Chain:
    """Steps in a row, as one, and how many they are."""

    affine: Affine
    steps: int


def gather_affine(node: ir.Node, block: int) -> Answer:
    """A chain of per-channel steps → one: part of the convolution before it, or a 1x1 depthwise convolution.

    The depthwise form reads and writes every element once, whatever the number of steps, keeps the runtime's layout in
    blocks and takes the activation behind it along. Where there is no such layout (`block` 0), for channels that do not
    fill its blocks, and before a sine, it is a BatchNorm.
    """
    reader = only_reader(only_output(node))
    if reader is not None and step_of(reader) is not None:
        return NOT_MINE  # the last of the chain gathers it
    chain = _chain_to(only_output(node))
    if chain is None:
        return NOT_MINE
    if isinstance(chain, Refused):
        return chain
    affine = chain.affine
    conv = producer(affine.source, "Conv")
    if conv is not None and only_reader(affine.source) is not None and known_convolution(conv):
        replace(only_output(node), into_convolution(NodeBuilder(node), conv, affine))
        return Fired()
    before_sine = reader is not None and kind(reader) == "Sin"
    apart = before_sine or not block or not fills_blocks(len(affine.scale), block)
    if chain.steps == 1 and (apart or node.op_type != "BatchNormalization"):
        return NOT_MINE  # one step is as few as there can be
    write = plain_step if apart else affine_step
    replace(only_output(node), write(NodeBuilder(node), affine))
    return Fired()


def _chain_to(value: ir.Value) -> Chain | Refused | None:
    """The longest chain of steps that ends in `value`; None where no step does."""
    node = value.producer()
    step = None if node is None else step_of(node)
    if step is None:
        return None
    before = None if only_reader(step.source) is None else _chain_to(step.source)
    if before is None:
        return Chain(step, 1)
    return before if isinstance(before, Refused) else _joined(before, step)


def _joined(before: Chain, step: Affine) -> Chain | Refused:
    """One step more. Refused where steps add what they take away again, which rounds on purpose."""
    joined = before.affine.then(step.scale, step.shift)
    carried, left = np.abs(step.scale * before.affine.shift), np.abs(joined.shift) + np.abs(joined.scale)
    if (carried > MOST_CANCELLED * left).any():
        return Refused("a step takes away what the one before added, and what it rounded off would come back")
    return Chain(joined, before.steps + 1)
