"""The operators of `groupnl.native` as `exporters.native.operators` describes them, in double precision, by NumPy.

Nothing of the library is in it and nothing of the compiler: what both are held against.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnx.reference.op_run import OpRun

from exporters.native.operators import ACTIVATIONS, DOMAIN, FUNCTIONS
from exporters.own_onnx.in_double import InDouble
from exporters.right_answers import Runs, Tensors

Array = npt.NDArray[Any]
_PRE_SCALE, _PRE_SHIFT, _EXPONENT, _POST_SCALE, _POST_SHIFT = range(5)

_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "sine": lambda u, e: np.sin(np.pi * u),
    "monomial": lambda u, e: np.sign(u) * np.abs(u) ** e,
    "gaussian": lambda u, e: np.exp(-(u**2)),
    "laplace": lambda u, e: np.exp(-np.abs(u)),
    "exponential": lambda u, e: np.exp(-u),
}
_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def native_answers(model: onnx.ModelProto, run: Tensors) -> dict[str, Array]:
    """What a graph with operators of ours in the plain layout answers, all of it in double precision."""
    return InDouble(model, [_operator(name, kernel) for name, kernel in _KERNELS.items()]).answers(run)


def native_runs(model: onnx.ModelProto, rows: Array) -> Runs:
    """(N, …) → one answer a row, of a graph with one input and one output."""
    name, output = model.graph.input[0].name, model.graph.output[0].name
    return [native_answers(model, {name: rows[i : i + 1]})[output] for i in range(len(rows))]


def _groupnl(attributes: dict[str, Any], x: Array, w: Array, s: Array, g: Array | None = None) -> list[Array]:
    return _generated(attributes, convolved(attributes, x, w), s, g)


def _generate(attributes: dict[str, Any], x: Array, s: Array, g: Array | None = None) -> list[Array]:
    return _generated(attributes, x, s, g)


def _generated(attributes: dict[str, Any], maps: Array, s: Array, g: Array | None) -> list[Array]:
    seeds, channels, groups = maps.shape[1], attributes["channels"], attributes["nl_groups"]
    if attributes["normalize"]:
        norm = np.sqrt((maps**2).sum(axis=1, keepdims=True))
        maps = maps / np.maximum(norm, attributes["epsilon"])
    parts = [_row(s, 0) * maps + _row(s, 1)]
    if g is not None:
        each, block = np.arange(channels - seeds), seeds // groups
        copies = -(-channels // seeds) - 1
        made_of = maps[:, each // (copies * block) * block + each % block]
        function = _FUNCTIONS[_word(FUNCTIONS, attributes["function"])]
        argument = _row(g, _PRE_SCALE) * made_of + _row(g, _PRE_SHIFT)
        parts.append(_row(g, _POST_SCALE) * function(argument, _row(g, _EXPONENT)) + _row(g, _POST_SHIFT))
    y = np.concatenate(parts, axis=1)
    assert y.shape[1] == channels
    return _with_mean(attributes, y)


def _depthwise(attributes: dict[str, Any], x: Array, w: Array, b: Array) -> list[Array]:
    return _with_mean(attributes, convolved(attributes, x, w) + b.reshape(1, -1, 1, 1))


def _scale(attributes: dict[str, Any], x: Array, gate: Array) -> list[Array]:
    assert gate.shape == (*x.shape[:2], 1, 1)
    return [_activated(attributes, x * gate)]


def _pointwise(attributes: dict[str, Any], x: Array, w: Array, b: Array, r: Array | None = None) -> list[Array]:
    y = np.einsum("oi,nihw->nohw", w, x) + b.reshape(1, -1, 1, 1)
    return [_activated(attributes, y if r is None else y + r)]


def convolved(attributes: dict[str, Any], x: Array, w: Array) -> Array:
    """A convolution of one filter for each w.shape[1] channels, without bias."""
    seeds, inputs, height, width = w.shape
    assert x.shape[1] == seeds * inputs
    (sy, sx), (dy, dx), (top, left, bottom, right) = (attributes[k] for k in ("strides", "dilations", "pads"))
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows = (padded.shape[2] - (height - 1) * dy - 1) // sy + 1
    columns = (padded.shape[3] - (width - 1) * dx - 1) // sx + 1
    y = np.zeros((len(x), seeds, rows, columns))
    for j in range(inputs):
        for ky in range(height):
            for kx in range(width):
                part = padded[:, j::inputs, ky * dy :, kx * dx :]
                y += part[:, :, : rows * sy : sy, : columns * sx : sx][:, :, :rows, :columns] * w[:, j, ky, kx].reshape(
                    1, -1, 1, 1
                )
    return y


def _with_mean(attributes: dict[str, Any], y: Array) -> list[Array]:
    activated = _activated(attributes, y)
    return [activated, activated.mean(axis=(2, 3), keepdims=True)]


def _activated(attributes: dict[str, Any], y: Array) -> Array:
    with np.errstate(over="ignore"):
        return _ACTIVATIONS[_word(ACTIVATIONS, attributes["activation"])](y)


def _word(words: dict[str, int], number: int) -> str:
    return next(word for word, known in words.items() if known == number)


def _row(parameters: Array, index: int) -> Array:
    row: Array = parameters[index].reshape(1, -1, 1, 1)
    return row


def _operator(name: str, kernel: Callable[..., list[Array]]) -> type[OpRun]:
    def run(self: OpRun, *inputs: Array, **_: Any) -> tuple[Array, ...]:
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in self.onnx_node.attribute}
        assert attributes["block"] == 0, "plain tensors"
        found = kernel(attributes, *(array.astype(np.float64) for array in inputs))
        return tuple(found[: len(self.onnx_node.output)])

    return type(name, (OpRun,), {"op_domain": DOMAIN, "_run": run})


_KERNELS: dict[str, Callable[..., list[Array]]] = {
    "GroupNL": _groupnl,
    "Generate": _generate,
    "Depthwise": _depthwise,
    "Scale": _scale,
    "Pointwise": _pointwise,
}
