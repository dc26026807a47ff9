"""Steps of the form a·x + b, one a and one b a channel, gathered into as few as there can be.

They are what is left of ω and φ, of the BatchNorm behind a concatenation, and of whoever multiplies or adds a
constant. Several in a row are one; one behind a convolution is part of it.
"""

import numpy as np
import onnx_ir as ir

from exporters.rules.graph import (
    Builder,
    Refused,
    fills_blocks,
    kind,
    known_convolution,
    only_output,
    only_reader,
    producer,
    replace,
)
from exporters.rules.steps import Affine, affine_step, into_convolution, plain_step, step_of

# Of what a chain of steps leaves: float32 has 2²⁴.
MOST_CANCELLED = 2.0**16


def gather_affine(node: ir.Node, block: int) -> bool:
    """A chain of per-channel steps → one: part of the convolution before it, or a 1x1 depthwise convolution.

    The depthwise form reads and writes every element once, whatever the number of steps, and takes the activation
    behind it along. Before a sine, and for channels that do not fill a `block` of the runtime's layout, it is a
    BatchNorm.
    """
    reader = only_reader(only_output(node))
    if reader is not None and step_of(reader) is not None:
        return False  # the last of the chain gathers it
    chain = _affine_of(only_output(node))
    if chain is None:
        return False
    conv = producer(chain[0].source, "Conv")
    if conv is not None and only_reader(chain[0].source) is not None and known_convolution(conv):
        replace(only_output(node), into_convolution(Builder(node), conv, chain[0]))
        return True
    apart = (reader is not None and kind(reader) == "Sin") or not fills_blocks(len(chain[0].scale), block)
    if chain[1] == 1 and (apart or node.op_type != "BatchNormalization"):
        return False  # one step is as few as there can be
    write = plain_step if apart else affine_step
    replace(only_output(node), write(Builder(node), chain[0]))
    return True


def _affine_of(value: ir.Value) -> tuple[Affine, int] | None:
    """The longest chain of steps that ends in `value`, and how many they are; None for no step at all."""
    node = value.producer()
    step = None if node is None else step_of(node)
    if step is None:
        return None
    if only_reader(step.source) is not None:
        before = _affine_of(step.source)
        if before is not None:
            return _chained(before[0], step), before[1] + 1
    return step, 1


def _chained(before: Affine, step: Affine) -> Affine:
    """Both steps as one. Raises `Refused` where they add what they take away again, which rounds on purpose."""
    chained = before.then(step.scale, step.shift)
    carried, left = np.abs(step.scale * before.shift), np.abs(chained.shift) + np.abs(chained.scale)
    if (carried > MOST_CANCELLED * left).any():
        raise Refused("a step takes away what the one before added, and what it rounded off would come back")
    return chained
