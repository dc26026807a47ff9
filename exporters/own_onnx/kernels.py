"""Operators that ONNX's reference computes slowly, or only as the newest operator set has them, by torch.

A kernel is a function of a node's attributes and its inputs. What it raises `NotImplementedError` for is left to the
reference.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from onnx import NodeProto, helper
from onnx.reference.op_run import OpRun
from onnx.reference.ops import load_op
from torch.nn import functional

from exporters.right_answers import Array

Attributes = dict[str, Any]
Kernel = Callable[..., torch.Tensor]

_CONVOLUTIONS = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}
_TRANSPOSED = {3: functional.conv_transpose1d, 4: functional.conv_transpose2d, 5: functional.conv_transpose3d}
_MAX = {3: functional.max_pool1d, 4: functional.max_pool2d, 5: functional.max_pool3d}
_COERCED_BEFORE = 13  # Softmax and its kin worked on a matrix until then
_RESIZE_SINCE = 11  # it had no coordinates until then


def kernels(opset: int) -> list[type[OpRun]]:
    """The operators in the form that the reference evaluator takes, as the graph's operator set has them."""
    table: dict[str, Kernel] = {**_KERNELS}
    if opset < _COERCED_BEFORE:
        table |= {"Softmax": _coerced(torch.softmax), "LogSoftmax": _coerced(torch.log_softmax)}
    if opset < _RESIZE_SINCE:
        table |= {"Resize": _old_resize}
    return [_operator(name, kernel, opset) for name, kernel in table.items()]


def _operator(name: str, kernel: Kernel, opset: int) -> type[OpRun]:
    def run(self: OpRun, *inputs: Array | None, **_: Any) -> tuple[Array, ...]:
        try:
            return (_by_torch(self.onnx_node, kernel, inputs),)
        except NotImplementedError:
            found: tuple[Array, ...] = load_op("", name, opset)(self.onnx_node, self.run_params).run(*inputs)
            return found

    return type(name, (OpRun,), {"op_domain": "", "_run": run})


def _by_torch(node: NodeProto, kernel: Kernel, inputs: tuple[Array | None, ...]) -> Array:
    if len([output for output in node.output if output]) > 1:
        raise NotImplementedError(f"{node.op_type} with several outputs")
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    given = [None if array is None else torch.from_numpy(np.ascontiguousarray(array)) for array in inputs]
    with torch.inference_mode():
        found: Array = kernel(attributes, *given).numpy()
    return found


def _conv(attributes: Attributes, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
    rank = x.ndim - 2
    strides, dilations = _each(attributes, "strides", rank), _each(attributes, "dilations", rank)
    before, after = _pads(attributes, x, w.shape[2:], strides, dilations)
    padded = _padded(x, before, after, 0.0)
    return _CONVOLUTIONS[x.ndim](padded, w, b, strides, 0, dilations, attributes.get("group", 1))


def _conv_transpose(
    attributes: Attributes, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None
) -> torch.Tensor:
    rank = x.ndim - 2
    if "output_shape" in attributes or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise NotImplementedError("ConvTranspose that chooses its pads by the output")
    strides, dilations = _each(attributes, "strides", rank), _each(attributes, "dilations", rank)
    extra = list(attributes.get("output_padding", [0] * rank))
    pads = list(attributes.get("pads", [0] * 2 * rank))
    whole = _TRANSPOSED[x.ndim](x, w, None, strides, 0, 0, attributes.get("group", 1), dilations)
    for axis in range(rank):  # what is padded in the output is cut off, and what is added to it has no input
        end = whole.shape[2 + axis] + extra[axis] - pads[rank + axis]
        lacking = end - whole.shape[2 + axis]
        whole = functional.pad(whole, [0, 0] * (rank - 1 - axis) + [0, max(lacking, 0)])
        whole = whole.narrow(2 + axis, pads[axis], end - pads[axis])
    return whole if b is None else whole + b.reshape(-1, *[1] * rank)


def _max_pool(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    kernel, rank = list(attributes["kernel_shape"]), x.ndim - 2
    strides, dilations = _each(attributes, "strides", rank), _each(attributes, "dilations", rank)
    before, after = _pads(attributes, x, kernel, strides, dilations)
    if attributes.get("ceil_mode", 0):
        raise NotImplementedError("MaxPool that rounds its size up")
    return _MAX[x.ndim](_padded(x, before, after, -torch.inf), kernel, strides, 0, dilations)


def _average_pool(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    """The sum of each window over how many of it are counted; a depthwise convolution with ones computes both."""
    kernel, rank = list(attributes["kernel_shape"]), x.ndim - 2
    strides, dilations = _each(attributes, "strides", rank), _each(attributes, "dilations", rank)
    if attributes.get("ceil_mode", 0):
        raise NotImplementedError("AveragePool that rounds its size up")
    before, after = _pads(attributes, x, kernel, strides, dilations)
    ones = torch.ones(1, 1, *kernel, dtype=x.dtype)
    counted = torch.ones(1, 1, *x.shape[2:], dtype=x.dtype)
    counted = _padded(counted, before, after, 1.0 if attributes.get("count_include_pad", 0) else 0.0)
    maps = _padded(x, before, after, 0.0).flatten(0, 1).unsqueeze(1)
    sums, counts = (_CONVOLUTIONS[x.ndim](one, ones, None, strides, 0, dilations) for one in (maps, counted))
    return (sums / counts).reshape(*x.shape[:2], *sums.shape[2:])


def _pads(
    attributes: Attributes, x: torch.Tensor, kernel: Any, strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:
    """How many numbers are added before and behind each axis of the maps."""
    rank, auto = x.ndim - 2, attributes.get("auto_pad", b"NOTSET")
    if auto == b"NOTSET":
        pads = list(attributes.get("pads", [0] * 2 * rank))
        return pads[:rank], pads[rank:]
    if auto == b"VALID":
        return [0] * rank, [0] * rank
    sizes = [
        max((-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length, 0)
        for length, size, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    less, more = [size // 2 for size in sizes], [size - size // 2 for size in sizes]
    return (less, more) if auto == b"SAME_UPPER" else (more, less)


def _padded(x: torch.Tensor, before: list[int], after: list[int], value: float) -> torch.Tensor:
    if not any(before) and not any(after):
        return x
    pairs = [size for pair in zip(reversed(before), reversed(after), strict=True) for size in pair]
    return functional.pad(x, pairs, value=value)


def _each(attributes: Attributes, name: str, rank: int) -> list[int]:
    return list(attributes.get(name) or [1] * rank)


def _gemm(attributes: Attributes, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
    left, right = a.T if attributes.get("transA", 0) else a, b.T if attributes.get("transB", 0) else b
    product: torch.Tensor = attributes.get("alpha", 1.0) * (left @ right)
    return product if c is None else product + attributes.get("beta", 1.0) * c


def _global(pool: Callable[..., torch.Tensor]) -> Kernel:
    return lambda _, x: pool(x, dim=tuple(range(2, x.ndim)), keepdim=True)


def _plain(function: Callable[..., torch.Tensor]) -> Kernel:
    return lambda _, *inputs: function(*inputs)


def _gelu(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x, approximate=attributes.get("approximate", b"none").decode())


def _batchnorm(attributes: Attributes, x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
    gamma, beta, mean, variance = (one.reshape(-1, *[1] * (x.ndim - 2)) for one in parameters)
    return (x - mean) / torch.sqrt(variance + attributes.get("epsilon", 1e-5)) * gamma + beta


def _coerced(function: Callable[..., torch.Tensor]) -> Kernel:
    """Of all numbers from an axis on, as one row."""

    def run(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
        axis = attributes.get("axis", 1) % max(x.ndim, 1)
        rows = int(np.prod(x.shape[:axis], dtype=np.int64))
        return function(x.reshape(rows, -1), dim=1).reshape(x.shape)

    return run


def _resize(attributes: Attributes, x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
    """The two ways that networks use: whole-number nearest, and linear between the middles of pixels."""
    sizes = _target(x, rest)
    mode, where = attributes.get("mode", b"nearest"), attributes.get("coordinate_transformation_mode", b"half_pixel")
    plain = not (attributes.get("antialias", 0) or attributes.get("exclude_outside", 0) or "axes" in attributes)
    if plain and x.ndim == 4 and sizes[:2] == list(x.shape[:2]):
        nearest = (where, attributes.get("nearest_mode", b"round_prefer_floor"))
        if mode == b"nearest" and nearest in _REPEATS and _are_multiples(sizes, x):
            return functional.interpolate(x, size=sizes[2:], mode="nearest")
        if mode == b"linear" and where in (b"half_pixel", b"align_corners"):
            corners = where == b"align_corners"
            return functional.interpolate(x, size=sizes[2:], mode="bilinear", align_corners=corners)
    raise NotImplementedError("a way to resize that torch has not")


# (coordinates, rounding) with which every pixel is repeated where the sizes are multiples.
_REPEATS = ((b"half_pixel", b"round_prefer_floor"), (b"asymmetric", b"floor"))


def _old_resize(attributes: Attributes, x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
    """Upsample, and the Resize before operator set 11: nearest of the pixels to the left, or something else."""
    scales = attributes.get("scales") or [float(scale) for scale in rest[0]]
    sizes = [round(scale * size) for scale, size in zip(scales, x.shape, strict=True)]
    if attributes.get("mode", b"nearest") != b"nearest" or x.ndim != 4 or not _are_multiples(sizes, x):
        raise NotImplementedError("a way to resize that torch has not")
    return functional.interpolate(x, size=sizes[2:], mode="nearest")


def _are_multiples(sizes: list[int], x: torch.Tensor) -> bool:
    return sizes[:2] == list(x.shape[:2]) and all(size % old == 0 for size, old in zip(sizes, x.shape, strict=True))


def _target(x: torch.Tensor, rest: tuple[torch.Tensor | None, ...]) -> list[int]:
    """Sizes as they are given, or by the scales."""
    if len(rest) == 3 and rest[2] is not None and rest[2].numel():
        return [int(size) for size in rest[2]]
    scales = rest[1] if len(rest) > 1 else None
    if scales is None or not scales.numel():
        raise NotImplementedError("no size")
    sizes = [float(scale) * size for scale, size in zip(scales, x.shape, strict=True)]
    if any(abs(size - round(size)) > 1e-6 for size in sizes):
        raise NotImplementedError("scales that give no whole sizes")
    return [round(size) for size in sizes]


_KERNELS: dict[str, Kernel] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batchnorm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Erf": _plain(torch.erf),
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global(torch.mean),
    "GlobalMaxPool": _global(torch.amax),
    "MatMul": _plain(torch.matmul),
    "MaxPool": _max_pool,
    "Resize": _resize,
    "Sigmoid": _plain(torch.sigmoid),
    "Upsample": _old_resize,
}
