"""Activations written out by hand, restored to the operators that ONNX Runtime fuses with the convolution before.

    min(max(a·x + b, 0), h) / h       = HardSigmoid(x), α = a/h, β = b/h
    x · HardSigmoid(x)                = HardSwish(x) where α = 1/6 and β = 1/2 (arXiv 1905.02244, section 5.2)
    max(x, 0), min(max(x, 0), h)      = Relu(x), Clip(x, 0, h)

The division by h may stand anywhere in a product, and may be written as a product with 1/h.
"""

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired
from exporters.rules.graph import (
    NodeBuilder,
    constant,
    only_output,
    only_reader,
    operand,
    opset,
    producer,
    real,
    replace,
    shape,
)

ANCHORS = ("Mul", "Div", "Clip", "Max", "Min")
RELATIVE_TOLERANCE = 1e-6  # of numbers that should be equal: a few roundings of float32
# A gate is rounded to 2⁻²⁴ of its shift: at the largest that is allowed, to a millionth.
LARGEST_SHIFT = 16.0
MOST_NESTED_PRODUCTS = 4


@dataclass(frozen=True)
class Gate:
    """scale · min(max(α·x + β, 0), 1); `by_hand` where it is not a HardSigmoid yet."""

    source: ir.Value
    alpha: float
    beta: float
    scale: float
    by_hand: bool


@dataclass(frozen=True)
class Product:
    """A number times values that are no known numbers."""

    scale: float
    factors: tuple[ir.Value, ...]


def restore_activation(node: ir.Node) -> Answer:
    """Replace the last node of an activation by the activation."""
    if only_output(node).dtype != ir.DataType.FLOAT:
        return NOT_MINE
    if node.op_type in ("Max", "Min"):
        return _restore_relu(node)
    product = _product(only_output(node))
    for index, factor in enumerate(product.factors):
        gate = _gate(factor)
        if gate is None or not math.isclose(product.scale * gate.scale, 1.0, rel_tol=RELATIVE_TOLERANCE):
            continue
        written = _activation(node, gate, product.factors[:index] + product.factors[index + 1 :])
        if written is not None:
            replace(only_output(node), written)
            return Fired()
    return NOT_MINE


def _activation(node: ir.Node, gate: Gate, others: tuple[ir.Value, ...]) -> ir.Value | None:
    """The gate times the other factors, in the operators that the runtime fuses; None where that would gain nothing."""
    builder, sizes = NodeBuilder(node), shape(only_output(node))
    swish = math.isclose(gate.alpha, 1 / 6, rel_tol=RELATIVE_TOLERANCE) and math.isclose(
        gate.beta, 0.5, rel_tol=RELATIVE_TOLERANCE
    )
    if others == (gate.source,) and swish and opset(node) >= 14:
        return builder.op("HardSwish", gate.source, sizes=sizes)
    if not gate.by_hand or len(others) > 1:
        return None
    made = builder.op("HardSigmoid", gate.source, alpha=gate.alpha, beta=gate.beta)
    return builder.op("Mul", *others, made, sizes=sizes) if others else made


def _product(value: ir.Value, depth: int = 0) -> Product:
    """The numbers and the values that `value` is the product of, through products that nothing else reads."""
    whole = Product(1.0, (value,))
    made = producer(value, "Mul", "Div")
    if made is None or depth == MOST_NESTED_PRODUCTS or (depth and only_reader(value) is None):
        return whole
    left, right = made.inputs
    if left is None or right is None:
        return whole
    if made.op_type == "Div":
        divisor = _number(right, left)
        return _times(1 / divisor, _product(left, depth + 1)) if divisor else whole
    for one, other in ((left, right), (right, left)):
        number = _number(one, other)
        if number is not None:
            return _times(number, _product(other, depth + 1))
    first, second = _product(left, depth + 1), _product(right, depth + 1)
    return Product(first.scale * second.scale, first.factors + second.factors)


def _times(number: float, product: Product) -> Product:
    return Product(number * product.scale, product.factors)


def _gate(value: ir.Value) -> Gate | None:
    made = producer(value, "Clip", "HardSigmoid")
    source = None if made is None else made.inputs[0]
    if made is None or source is None:
        return None
    if made.op_type == "HardSigmoid":
        alpha, beta = (real(made, name, default) for name, default in (("alpha", 0.2), ("beta", 0.5)))
        return Gate(source, alpha, beta, 1.0, by_hand=False)
    lowest, highest = _number(operand(made, 1)), _number(operand(made, 2))
    if lowest != 0.0 or highest is None or not highest > 0.0:
        return None
    inner, slope, shift = _line(source, LARGEST_SHIFT * highest)
    if inner is source:  # a plain Clip is what the runtime fuses
        return None
    return Gate(inner, slope / highest, shift / highest, highest, by_hand=True)


def _line(value: ir.Value, largest_shift: float) -> tuple[ir.Value, float, float]:
    """(x, a, b) with value = a·x + b, followed up the graph while numbers are added and multiplied.

    It stops before a shift larger than `largest_shift`: such a number rounds what it is added to.
    """
    source, scale, shift = value, 1.0, 0.0
    while (step := _step(source)) is not None:
        moved = scale * step[2]
        if not max(abs(moved), abs(shift + moved)) <= largest_shift or not abs(scale * step[1]) <= largest_shift:
            break
        source, shift, scale = step[0], shift + moved, scale * step[1]
    return source, scale, shift


def _step(value: ir.Value) -> tuple[ir.Value, float, float] | None:
    made = producer(value, "Add", "Sub", "Mul", "Div")
    if made is None:
        return None
    left, right = made.inputs
    number = _number(right, left)
    if left is not None and number is not None:
        steps = {"Add": (1.0, number), "Sub": (1.0, -number), "Mul": (number, 0.0)}
        if number:
            steps["Div"] = (1 / number, 0.0)
        return (left, *steps[made.op_type]) if made.op_type in steps else None
    number = _number(left, right)
    if right is None or number is None or made.op_type == "Div":
        return None
    return (right, *{"Add": (1.0, number), "Sub": (-1.0, number), "Mul": (number, 0.0)}[made.op_type])


def _restore_relu(node: ir.Node) -> Answer:
    """Max(x, 0), and Min over a Relu that nothing else reads."""
    if len(node.inputs) != 2:
        return NOT_MINE
    left, right = node.inputs
    for source, other in ((left, right), (right, left)):
        bound = _number(other, source)
        if bound is None or source is None:
            continue
        if node.op_type == "Max" and bound == 0.0:
            replace(only_output(node), NodeBuilder(node).op("Relu", source))
            return Fired()
        relu = producer(source, "Relu")
        if node.op_type == "Min" and bound > 0.0 and relu is not None and only_reader(source) is node:
            builder = NodeBuilder(node)
            bounds = (builder.constant(np.array(limit, dtype=np.float32), "bound") for limit in (0.0, bound))
            replace(only_output(node), builder.op("Clip", relu.inputs[0], *bounds, sizes=shape(source)))
            return Fired()
    return NOT_MINE


def _number(value: ir.Value | None, beside: ir.Value | None = None) -> float | None:
    """The number of a float32 constant that holds a single finite one and does not widen the value beside it."""
    numbers, sizes = constant(value), shape(beside)
    if numbers is None or numbers.size != 1 or numbers.dtype != np.float32 or not np.isfinite(numbers).all():
        return None
    return float(numbers.reshape(())) if numbers.ndim <= len(sizes or ()) else None
