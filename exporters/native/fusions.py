"""What ONNX Runtime's convolution in blocks does in one node: filters, a bias, a residual and an activation."""

from dataclasses import dataclass

import onnx_ir as ir

from exporters.rules.graph import constant, kind, only_output, only_reader, operand, real, same_shape

HARD_SWISH = "HardSwish"
_PLAIN = {"Relu", "Sigmoid", "Tanh"}


@dataclass(frozen=True)
class Activation:
    """As the attributes `activation` and `activation_params` say it."""

    name: str
    params: tuple[float, ...] = ()

    @property
    def keeps_zero(self) -> bool:
        """Whether it makes zero of zero."""
        if self.name == "Clip":
            return self.params[0] <= 0 <= self.params[1]
        return self.name not in ("HardSigmoid", "Sigmoid")


@dataclass(frozen=True)
class Fused:
    """A convolution and what follows it and is computed inside: act(conv + residual)."""

    conv: ir.Node
    inner: tuple[ir.Node, ...]  # that are computed inside, the last of which gives the result
    residual: ir.Value | None
    activation: Activation | None

    @property
    def last(self) -> ir.Node:
        """The node that gives the result."""
        return self.inner[-1] if self.inner else self.conv

    @property
    def result(self) -> ir.Value:
        return only_output(self.last)


def fusions(convs: list[ir.Node]) -> dict[ir.Node, Fused]:
    """For each convolution what it takes in. Of two before one sum the later takes it, as the other is there by then.

    Args:
        convs: those that will be in blocks, in the graph's order; the shapes of all values are known.
    """
    taken, found = set[ir.Node](), dict[ir.Node, Fused]()
    for conv in reversed(convs):
        found[conv] = _fused(conv, taken)
        taken |= set(found[conv].inner)
    return found


def _fused(conv: ir.Node, taken: set[ir.Node]) -> Fused:
    value, inner, residual = only_output(conv), list[ir.Node](), None
    total = only_reader(value, "Add", "Sum")
    if total is not None and total not in taken:
        residual = _other(total, value)
        if residual is not None:
            inner.append(total)
            value = only_output(total)
    follower = only_reader(value)
    activation = None if follower is None else activation_of(follower)
    if follower is not None and activation is not None:
        inner.append(follower)
    return Fused(conv, tuple(inner), residual, activation)


def _other(total: ir.Node, value: ir.Value) -> ir.Value | None:
    """What is added to `value`, if it is one computed tensor of the same shape."""
    others = [other for other in total.inputs if other is not value]
    if len(total.inputs) != 2 or len(others) != 1:
        return None
    other = others[0]
    known = other is not None and constant(other) is None and same_shape(other, value) and other.dtype == value.dtype
    return other if known else None


def activation_of(node: ir.Node) -> Activation | None:
    """A node as an activation of a convolution; None for what the runtime's cannot do."""
    name = kind(node)
    if name in _PLAIN:
        return Activation(name)
    if name == HARD_SWISH:
        return Activation(name, (1 / 6, 0.5))
    if name == "HardSigmoid":
        return Activation(name, (real(node, "alpha", 0.2), real(node, "beta", 0.5)))
    if name == "LeakyRelu":
        return Activation(name, (real(node, "alpha", 0.01),))
    return _clip(node) if name == "Clip" else None


def _clip(node: ir.Node) -> Activation | None:
    """Both bounds are inputs, and numbers."""
    bounds = [constant(operand(node, index)) for index in (1, 2)]
    numbers = tuple(float(bound.reshape(-1)[0]) for bound in bounds if bound is not None and bound.size == 1)
    return Activation("Clip", numbers) if len(numbers) == 2 else None
