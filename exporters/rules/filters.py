"""Some of a convolution's output channels, from its filters: nothing is cut or permuted at run time."""

from collections.abc import Sequence

import onnx_ir as ir

from exporters.rules.graph import (
    UNARY,
    NodeBuilder,
    constant,
    known_convolution,
    number,
    only_reader,
    operand,
    producer,
    shape,
)


def channels_apart(
    builder: NodeBuilder, value: ir.Value, choices: Sequence[slice], block: int
) -> list[ir.Value] | None:
    """value[:, choice] for each choice, made by a convolution that has only those filters of the one before `value`.

    None where no convolution is there, or something else reads its output too. None also where filters of k x k would
    not fill whole blocks of the `block` that the runtime computes at once: part of a block takes as long as all of it.
    """
    found = _convolution_before(value)
    if found is None:
        return None
    activations, conv = found
    weight, bias, sizes = constant(conv.inputs[1]), constant(operand(conv, 2)), shape(value)
    assert weight is not None, "as `_convolution_before` found"
    if weight.shape[2:] != (1, 1) and weight.shape[0] % (len(choices) * max(block, 1)):
        return None
    parts = []
    for choice in choices:
        inputs = [builder.constant(weight[choice], "weight")]
        inputs += [] if bias is None else [builder.constant(bias[choice], "bias")]
        few = None if sizes is None else (sizes[0], len(weight[choice]), *sizes[2:])
        part = builder.same(conv, conv.inputs[0], *inputs, sizes=few)
        for activation in activations:
            part = builder.same(activation, part, *activation.inputs[1:])
        parts.append(part)
    return parts


def _convolution_before(value: ir.Value) -> tuple[list[ir.Node], ir.Node] | None:
    """The activations behind a convolution that nobody else reads, and the convolution, if its filters are known."""
    activations: list[ir.Node] = []
    while only_reader(value) is not None:
        conv = producer(value, "Conv")
        if conv is not None:
            weight = constant(conv.inputs[1])
            known = weight is not None and number(conv, "group", 1) == 1 and known_convolution(conv)
            return (activations, conv) if known else None
        activation = producer(value, *UNARY)
        if activation is None or activation.inputs[0] is None:
            return None
        activations.insert(0, activation)
        value = activation.inputs[0]
    return None
