"""Sizes that torch's exporter would forget: with a dynamic batch it loses them behind `expand_as`.

What `functional.normalize` is made of. Operators that need sizes (adaptive pooling, instance norm) then could not be
exported behind a GroupNL layer, though behind an ordinary convolution they can.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.onnx import symbolic_opset9
from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

_OPERATOR = "aten::expand_as"


@contextlib.contextmanager
def shapes_kept(opset: int) -> Iterator[None]:
    """Let the exporter of `opset` keep the sizes behind `expand_as` meanwhile."""
    register_custom_op_symbolic(_OPERATOR, _expand_as, opset)
    try:
        yield
    finally:
        unregister_custom_op_symbolic(_OPERATOR, opset)


def _expand_as(context: Any, source: Any, other: Any) -> Any:
    """As torch writes it, but where the batch alone is unknown: ONNX expands (N, 1, H, W) to (1, C, H, W) by N.

    The shape is a constant then, in place of one that is computed.
    """
    narrow, wide = _sizes(source), _sizes(other)
    if len(narrow) != len(wide) or narrow[:1] + wide[:1] != [None, None] or None in narrow[1:] + wide[1:]:
        return symbolic_opset9.expand_as(context, source, other)
    sizes = torch.tensor([1, *wide[1:]], dtype=torch.int64)
    return context.op("Expand", source, context.op("Constant", value_t=sizes))


def _sizes(value: Any) -> list[int | None]:
    found = value.type().varyingSizes() if isinstance(value.type(), torch._C.TensorType) else None
    return list(found or ())
