"""Without the normalise step, the BatchNorm of the seed half moves into the seed convolution.

The seed maps s are read twice: as a·s + b, the seed half, and as c·s + d, the arguments of the nonlinearity. With
s' = a·s + b computed by the convolution itself::

    c·s + d = (c / a)·s' + (d − c·b / a)

The quotient is exact only as far as b / a is small: s' is rounded to 2⁻²⁴ of |b|, and so the arguments to 2⁻²⁴ of
|c·b / a|.
"""

import numpy as np
import onnx_ir as ir

from exporters.rules.affine import Affine, affine_step, known, step_of
from exporters.rules.graph import Builder, Refused, constant, only_output, operand, readers, replace, shape

# Of the arguments, in radians; a sine moves by as much.
LARGEST_ROUNDING = 1e-6
# Filters scaled by less would leave float32's range of full precision.
SMALLEST_SCALE = 1e-20
_HALF_ULP = 2.0**-24


def fold_seed_half(node: ir.Node) -> bool:
    """Conv read by two per-channel steps → the first becomes part of it, the second takes its inverse."""
    seeds = only_output(node)
    steps = [step_of(reader) for reader in readers(seeds)]
    if len(steps) != 2 or any(step is None for step in steps) or seeds.is_graph_output():
        return False
    half, arguments = _told_apart(readers(seeds))
    if half is None or arguments is None:
        return False
    first, second = step_of(half), step_of(arguments)
    assert first is not None and second is not None
    if not known(node):
        raise Refused("filters or bias are computed")
    _require_invertible(first, second)
    builder = Builder(node)
    moved = _scaled_conv(builder, node, first)
    ratio = second.scale / first.scale
    after, folded = Builder(arguments), Affine(moved, ratio, second.shift - ratio * first.shift)
    replace(only_output(arguments), affine_step(after, folded, arguments=True))
    replace(only_output(half), moved)
    return True


def _told_apart(nodes: tuple[ir.Node, ...]) -> tuple[ir.Node | None, ir.Node | None]:
    """(the seed half, the arguments): the arguments are what a sine reads."""
    sines = [any(reader.op_type == "Sin" for reader in readers(only_output(node))) for node in nodes]
    if sines == [True, False]:
        return nodes[1], nodes[0]
    return (nodes[0], nodes[1]) if sines == [False, True] else (None, None)


def _require_invertible(half: Affine, arguments: Affine) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        rounding = _HALF_ULP * np.abs(arguments.scale * half.shift / half.scale)
    rounding[np.abs(half.scale) < SMALLEST_SCALE] = np.inf
    worst = int(np.nan_to_num(rounding, nan=np.inf).argmax())
    if not rounding[worst] <= LARGEST_ROUNDING:
        raise Refused(
            f"BatchNorm scales a seed channel by {half.scale[worst]:.2g}: undoing that would round the arguments by "
            f"more than {LARGEST_ROUNDING:g}"
        )


def _scaled_conv(builder: Builder, conv: ir.Node, half: Affine) -> ir.Value:
    weight, old = constant(conv.inputs[1]), constant(operand(conv, 2))
    assert weight is not None, "the caller has seen to it"
    bias = half.shift + (0 if old is None else old.astype(np.float64) * half.scale)
    scaled = weight.astype(np.float64) * half.scale.reshape(-1, 1, 1, 1)
    inputs = builder.constant(scaled.astype(np.float32), "weight"), builder.constant(bias.astype(np.float32), "bias")
    sizes = shape(only_output(conv))
    return builder.same(conv, conv.inputs[0], *inputs, sizes=sizes)
