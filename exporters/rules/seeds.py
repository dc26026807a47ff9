"""Without the normalise step, the BatchNorm of the seed half moves into the seed convolution.

The seed maps s are read twice: as a·s + b, the seed half, and as c·s + d, the arguments of the nonlinearity. With
s' = a·s + b computed by the convolution itself::

    c·s + d = (c / a)·s' + (d − c·b / a)

The quotient is exact only as far as b / a is small: s' is rounded to 2⁻²⁴ of |b|, and so the arguments to 2⁻²⁴ of
|c·b / a|.
"""

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import NodeBuilder, known_convolution, only_output, readers, replace
from exporters.rules.steps import Affine, into_convolution, plain_step, step_of

# Of the arguments, in radians; a sine moves by as much.
LARGEST_ROUNDING = 1e-6
# Filters scaled by less would leave float32's range of full precision.
SMALLEST_SCALE = 1e-20
_HALF_ULP = 2.0**-24


def fold_seed_half(node: ir.Node) -> Answer:
    """Conv read by two per-channel steps → the first becomes part of it, the second takes its inverse."""
    seeds = only_output(node)
    steps = [step_of(reader) for reader in readers(seeds)]
    if len(steps) != 2 or any(step is None for step in steps) or seeds.is_graph_output():
        return NOT_MINE
    half, arguments = _told_apart(readers(seeds))
    if half is None or arguments is None:
        return NOT_MINE
    first, second = step_of(half), step_of(arguments)
    assert first is not None and second is not None
    if not known_convolution(node):
        return Refused("filters or bias are computed")
    refused = _too_coarse(first, second)
    if refused is not None:
        return refused
    moved = into_convolution(NodeBuilder(node), node, first)
    ratio = second.scale / first.scale
    folded = Affine(moved, ratio, second.shift - ratio * first.shift)
    replace(only_output(arguments), plain_step(NodeBuilder(arguments), folded))
    replace(only_output(half), moved)
    return Fired()


def _told_apart(nodes: tuple[ir.Node, ...]) -> tuple[ir.Node | None, ir.Node | None]:
    """(the seed half, the arguments): the arguments are what a sine reads."""
    sines = [any(reader.op_type == "Sin" for reader in readers(only_output(node))) for node in nodes]
    if sines == [True, False]:
        return nodes[1], nodes[0]
    return (nodes[0], nodes[1]) if sines == [False, True] else (None, None)


def _too_coarse(half: Affine, arguments: Affine) -> Refused | None:
    """The refusal, if undoing the seed half's step would round the arguments too much."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rounding = _HALF_ULP * np.abs(arguments.scale * half.shift / half.scale)
    rounding[np.abs(half.scale) < SMALLEST_SCALE] = np.inf
    worst = int(np.nan_to_num(rounding, nan=np.inf).argmax())
    if rounding[worst] <= LARGEST_ROUNDING:
        return None
    return Refused(
        f"BatchNorm scales a seed channel by {half.scale[worst]:.2g}: undoing that would round the arguments by "
        f"more than {LARGEST_ROUNDING:g}"
    )
