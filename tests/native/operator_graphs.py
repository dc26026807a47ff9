"""Graphs of one operator of `groupnl.native` each, what they answer in double precision, and what lies they may tell.

NumPy and onnx alone, so that `run_in_runtime.py` runs it in an environment of any ONNX Runtime.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

DOMAIN = "groupnl.native"
Array = Any

_ACTIVATIONS: tuple[Callable[[Array], Array], ...] = (
    lambda x: x,
    lambda x: np.maximum(x, 0),
    lambda x: np.clip(x, 0, 6),
    lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    lambda x: x / (1 + np.exp(-x)),
    lambda x: np.clip(x / 6 + 0.5, 0, 1),
    lambda x: 1 / (1 + np.exp(-x)),
)
_FUNCTIONS: tuple[Callable[[Array, Array], Array], ...] = (
    lambda u, e: np.sin(np.pi * u),
    lambda u, e: np.sign(u) * np.abs(u) ** e,
    lambda u, e: np.exp(-u * u),
    lambda u, e: np.exp(-np.abs(u)),
    lambda u, e: np.exp(-u),
)


@dataclass(frozen=True)
class Graph:
    """One node. Images are plain here, whatever the block."""

    operator: str
    attributes: dict[str, Any]
    inputs: dict[str, Array]  # by name, in the operator's order
    fed: tuple[str, ...]  # those that come at a run; the others are initializers
    outputs: tuple[str, ...] = ("Y",)

    @property
    def block(self) -> int:
        """Of its images."""
        return int(self.attributes["block"])

    def serialized(self) -> bytes:
        """The model."""
        node = helper.make_node(
            self.operator, list(self.inputs), list(self.outputs), "the_node", domain=DOMAIN, **self.attributes
        )
        values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in self.fed]
        results = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in self.outputs]
        constants = [numpy_helper.from_array(x, name) for name, x in self.inputs.items() if name not in self.fed]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
        graph = helper.make_graph([node], "graph", values, results, constants)
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    def feeds(self) -> dict[str, Array]:
        """What a run is given: in blocks where the graph is."""
        return {name: in_blocks(self.inputs[name], self.block) for name in self.fed}

    def answers(self) -> dict[str, Array]:
        """The outputs in double precision, plain."""
        wide = {name: x.astype(np.float64) for name, x in self.inputs.items()}
        y = _ACTIVATIONS[self.attributes["activation"]](_KERNELS[self.operator](self.attributes, **wide))
        return {"Y": y, "M": y.mean((2, 3), keepdims=True)}


def in_blocks(x: Array, block: int) -> Array:
    """(N, C, H, W) in blocks, with zeros behind the last channel."""
    if not block or x.ndim != 4:
        return x
    n, channels, h, w = x.shape
    padded = np.zeros((n, -(-channels // block) * block, h, w), x.dtype)
    padded[:, :channels] = x
    return np.ascontiguousarray(padded.reshape(n, -1, block, h, w).transpose(0, 1, 3, 4, 2)).reshape(padded.shape)


def plain(x: Array, channels: int, block: int) -> Array:
    """The inverse; raises ValueError where the padding is not zero."""
    if not block:
        return x
    n, padded, h, w = x.shape
    out = x.reshape(n, padded // block, h, w, block).transpose(0, 1, 4, 2, 3).reshape(n, padded, h, w)
    if out[:, channels:].any():
        raise ValueError("the padding holds something")
    return out[:, :channels]


def _convolved(a: dict[str, Any], x: Array, w: Array) -> Array:
    (sy, sx), (dy, dx), (top, left, bottom, right) = a["strides"], a["dilations"], a["pads"]
    seeds, inputs, kh, kw = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    height, width = ((x.shape[2] - dy * (kh - 1) - 1) // sy + 1, (x.shape[3] - dx * (kw - 1) - 1) // sx + 1)
    y = np.zeros((x.shape[0], seeds, height, width))
    for i in range(inputs):
        for ky in range(kh):
            for kx in range(kw):
                rows = slice(ky * dy, ky * dy + (height - 1) * sy + 1, sy)
                columns = slice(kx * dx, kx * dx + (width - 1) * sx + 1, sx)
                y += w[None, :, i, ky, kx, None, None] * x[:, i::inputs, rows, columns]
    return y


def _generated(a: dict[str, Any], maps: Array, s: Array, g: Array | None) -> Array:
    seeds, channels = maps.shape[1], a["channels"]
    if a["normalize"]:
        maps = maps / np.maximum(np.sqrt((maps**2).sum(1, keepdims=True)), a["epsilon"])
    made = [s[0, :, None, None] * maps + s[1, :, None, None]]
    if g is not None:
        each, t = seeds // a["nl_groups"], np.arange(channels - seeds)
        source = t // ((-(-channels // seeds) - 1) * each) * each + t % each
        r = g[:, None, :, None, None]
        made.append(r[3] * _FUNCTIONS[a["function"]](r[0] * maps[:, source] + r[1], r[2]) + r[4])
    return np.concatenate(made, 1)


_KERNELS: dict[str, Callable[..., Array]] = {
    "GroupNL": lambda a, X, W, S, G=None: _generated(a, _convolved(a, X, W), S, G),
    "Generate": lambda a, X, S, G=None: _generated(a, X, S, G),
    "Depthwise": lambda a, X, W, B: _convolved(a, X, W) + B[None, :, None, None],
    "Scale": lambda a, X, g: X * g,
    "Pointwise": lambda a, X, W, B, R=0: np.einsum("ok,nkhw->nohw", W, X) + B[None, :, None, None] + R,
}

_WINDOW = {"strides": (1, 1), "dilations": (1, 1), "pads": (1, 1, 1, 1)}


def _numbers(*dims: int, seed: int = 0) -> Array:
    return np.random.default_rng([*dims, seed]).uniform(-1, 1, dims).astype(np.float32)


def _parameters(seeds: int, channels: int) -> dict[str, Array]:
    s, g = _numbers(2, seeds), _numbers(5, channels - seeds)
    g[2] = 1 + np.abs(g[2]) * 3
    return {"S": s, "G": g} if channels > seeds else {"S": s}


def groupnl(seeds: int, inputs: int, channels: int, size: tuple[int, int, int], k: int = 3, **attributes: Any) -> Graph:
    """A layer of `size` = (images, height, width)."""
    n, h, w = size
    own = {"channels": channels, "nl_groups": 1, "function": 0, "normalize": 0, "epsilon": 1e-12, "activation": 0}
    tensors = {"X": _numbers(n, seeds * inputs, h, w), "W": _numbers(seeds, inputs, k, k)}
    return Graph(
        "GroupNL",
        {**own, **_WINDOW, "block": 0, **attributes},
        {**tensors, **_parameters(seeds, channels)},
        ("X",),
        ("Y", "M"),
    )


def generate(seeds: int, channels: int, size: tuple[int, int, int], **attributes: Any) -> Graph:
    """The same behind a convolution of the runtime."""
    n, h, w = size
    own = {"channels": channels, "nl_groups": 1, "function": 0, "normalize": 1, "epsilon": 1e-12, "activation": 0}
    tensors = {"X": _numbers(n, seeds, h, w), **_parameters(seeds, channels)}
    return Graph("Generate", {**own, "block": 0, **attributes}, tensors, ("X",), ("Y", "M"))


def depthwise(channels: int, size: tuple[int, int, int], k: int = 3, **attributes: Any) -> Graph:
    """A depthwise convolution."""
    n, h, w = size
    tensors = {"X": _numbers(n, channels, h, w), "W": _numbers(channels, 1, k, k), "B": _numbers(channels)}
    return Graph("Depthwise", {**_WINDOW, "activation": 0, "block": 0, **attributes}, tensors, ("X",), ("Y", "M"))


def scale(channels: int, size: tuple[int, int, int], **attributes: Any) -> Graph:
    """Maps times gates."""
    n, h, w = size
    tensors = {"X": _numbers(n, channels, h, w), "g": _numbers(n, channels, 1, 1)}
    return Graph("Scale", {"activation": 0, "block": 0, **attributes}, tensors, ("X", "g"))


def pointwise(into: int, out: int, size: tuple[int, int, int], residual: bool = False, **attributes: Any) -> Graph:
    """A product over single pixels."""
    n, h, w = size
    tensors = {"X": _numbers(n, into, h, w), "W": _numbers(out, into), "B": _numbers(out)}
    if residual:
        tensors["R"] = _numbers(n, out, h, w, seed=1)
    fed = ("X", "R") if residual else ("X",)
    return Graph("Pointwise", {"activation": 0, "block": 0, **attributes}, tensors, fed)


def right(block: int) -> Iterator[tuple[str, Graph]]:
    """Graphs that tell the truth, for a processor whose blocks are of this size (0: it has none)."""
    same5 = {"pads": (2, 2, 2, 2), "k": 5}
    plain_ones = {
        "a layer": groupnl(8, 2, 16, (2, 14, 14), activation=3),
        "a layer with norm, SAME padding and stride": groupnl(
            6, 3, 20, (1, 15, 12), normalize=1, pads=(0, 0, 1, 1), strides=(2, 2), activation=1, nl_groups=2
        ),
        "a layer, r = 4, 5x5": groupnl(16, 1, 64, (1, 28, 28), function=2, activation=4, **same5),
        "a layer of powers, dilated": groupnl(5, 2, 9, (2, 9, 11), function=1, dilations=(2, 1), pads=(2, 1, 2, 1)),
        "a layer that generates nothing": groupnl(7, 2, 7, (1, 8, 8)),
        "a large layer": groupnl(16, 2, 32, (1, 112, 112), strides=(2, 2), activation=2),
        "generation": generate(12, 40, (2, 7, 7), activation=1, function=3),
        "generation without a norm": generate(4, 8, (1, 1, 5), normalize=0, function=4),
        "a depthwise convolution": depthwise(19, (2, 14, 14), activation=3),
        "a depthwise convolution, 7x7": depthwise(8, (1, 10, 9), k=7, pads=(3, 3, 3, 3), strides=(2, 1)),
        "a product with gates": scale(33, (2, 7, 7), activation=4),
        "a large product with gates": scale(64, (1, 56, 56)),
    }
    yield from plain_ones.items()
    yield "a product with gates, sigmoid", scale(5, (1, 3, 3), activation=6)
    yield "without the mean", replace(plain_ones["a layer"], outputs=("Y",))
    for activation in range(len(_ACTIVATIONS)):
        name = f"a pointwise convolution, activation {activation}"
        yield name, pointwise(40, 50, (2, 7, 7), residual=activation % 2 == 0, activation=activation)
    yield "a large pointwise convolution", pointwise(72, 24, (1, 56, 56), residual=True)
    yield "matrix times vector", pointwise(300, 520, (2, 1, 1), activation=3)
    for name, graph in plain_ones.items() if block else ():
        yield f"{name}, in blocks", replace(graph, attributes={**graph.attributes, "block": block})


def lies(block: int) -> Iterator[tuple[str, Graph, str]]:
    """Graphs that lie, each with words of the sentence that refuses it."""
    layer, gated = groupnl(6, 2, 12, (1, 9, 9), normalize=1), scale(6, (2, 5, 5))
    seeds, own, product = generate(6, 12, (1, 5, 5)), depthwise(6, (1, 9, 9)), pointwise(6, 8, (1, 5, 5), residual=True)
    for graph in (layer, seeds, own, gated, product):
        yield from _wrong_attributes(graph, _OF_ALL)
        yield f"{graph.operator}: blocks of another processor", _with(graph, block=24 - block if block else 16), "block"
        yield f"{graph.operator}: no images", _fed(graph, X=graph.inputs["X"][:0]), "dimension 0 of X is 0"
        yield f"{graph.operator}: no pixels", _fed(graph, X=graph.inputs["X"][..., :0]), "dimension 3 of X is 0"
        yield f"{graph.operator}: rank 3", _fed(graph, X=graph.inputs["X"][0]), "X has 3 dimensions"
        if graph is not gated:
            yield f"{graph.operator}: channels", _fed(graph, X=graph.inputs["X"][:, :5]), "X has 5 channels"
    for graph in (layer, seeds):
        yield from _wrong_attributes(graph, _OF_GENERATION)
        yield f"{graph.operator}: no G", _without(graph, "G"), "G, must be an initializer"
        yield f"{graph.operator}: a short G", _fed(graph, G=graph.inputs["G"][:, :-1]), "G is 5 x"
        yield f"{graph.operator}: a short S", _fed(graph, S=graph.inputs["S"][:1]), "S is 1 x"
        yield f"{graph.operator}: G at a run", replace(graph, fed=("X", "G")), "must be an initializer"
    for graph in (layer, own):
        yield from _wrong_attributes(graph, _OF_WINDOWS)
        small = _with(_fed(graph, X=graph.inputs["X"][:, :, :2, :2]), pads=(0, 0, 0, 0))
        yield f"{graph.operator}: a small image", small, "X of 2 x 2 pixels is smaller than the filters"
        yield f"{graph.operator}: filters of rank 2", _fed(graph, W=graph.inputs["W"][:, 0, 0]), "W has 2 dimensions"
        yield f"{graph.operator}: empty filters", _fed(graph, W=graph.inputs["W"][:, :, :0]), "dimension 2 of W is 0"
        yield f"{graph.operator}: filters at a run", replace(graph, fed=("X", "W")), "W, must be an initializer"
    yield "Depthwise: two inputs a filter", _fed(own, W=_numbers(6, 2, 3, 3)), "2 channels a filter"
    yield "Depthwise: a short bias", _fed(own, B=_numbers(5)), "B has 5 numbers for 6 channels"
    yield "Scale: a gate of one image", _fed(gated, g=_numbers(1, 6, 1, 1)), "the gate is 1 x 6 x 1 x 1"
    yield "Scale: a gate of pixels", _fed(gated, g=_numbers(2, 6, 5, 5)), "the gate is 2 x 6 x 5 x 5"
    yield "Scale: a gate of rank 2", _fed(gated, g=_numbers(2, 6)), "the gate has 2 dimensions"
    yield "Pointwise: another residual", _fed(product, R=_numbers(1, 8, 5, 4)), "dimension 3 of R is 4"
    yield "Pointwise: weights at a run", replace(product, fed=("X", "R", "W")), "W, must be an initializer"
    yield "Pointwise: a short bias", _fed(product, B=_numbers(7)), "B has 7 numbers"
    yield "Pointwise: weights of rank 4", _fed(product, W=_numbers(8, 6, 1, 1)), "W has 4 dimensions"
    if block:
        yield "Pointwise: blocks", _with(product, block=block), "for plain images"
        yield "Scale: a sigmoid in blocks", _with(gated, block=block, activation=6), "would not stay zero"
        many = _fed(_with(layer, block=block), X=_numbers(1, 2 * block + 1, 9, 9))
        yield "GroupNL: a block too many", many, f"X has {3 * block} channels, not 16"
        yield "GroupNL: apart without blocks", _with(layer, apart=1), "apart is 1"


_MISSING = None
Wrong = tuple[tuple[dict[str, Any], str], ...]
_OF_ALL: Wrong = (
    ({"activation": -1}, "activation is -1"),
    ({"activation": 7}, "activation is 7"),
    ({"activation": 2**40}, "activation is"),
    ({"activation": _MISSING}, "the attribute activation is missing"),
    ({"block": -8}, "block is -8"),
    ({"block": 4}, "block is 4"),
    ({"block": _MISSING}, "the attribute block is missing"),
    ({"version": 2}, "needs version 2 of groupnl.native"),
    ({"version": -1}, "version is -1"),
)
_OF_GENERATION: Wrong = (
    ({"channels": 2}, "channels is 2"),
    ({"channels": -5}, "channels is -5"),
    ({"channels": 2**40}, "channels is"),
    ({"channels": 13}, "G is 5 x 6, not 5 x 7"),
    ({"channels": 1.5}, "the attribute channels is missing or no whole number"),
    ({"nl_groups": 0}, "nl_groups is 0"),
    ({"nl_groups": 4}, "no multiple of nl_groups"),
    ({"nl_groups": 2**62}, "nl_groups is"),
    ({"function": 5}, "function is 5"),
    ({"function": -1}, "function is -1"),
    ({"function": _MISSING}, "the attribute function is missing"),
    ({"normalize": 2}, "normalize is 2"),
    ({"epsilon": -1.0}, "epsilon is -1"),
    ({"epsilon": float("nan")}, "epsilon is"),
    ({"epsilon": float("inf")}, "epsilon is inf"),
    ({"epsilon": _MISSING}, "the attribute epsilon is missing"),
)
_OF_WINDOWS: Wrong = (
    ({"strides": (0, 1)}, "strides is 0"),
    ({"strides": (1, -2)}, "strides is -2"),
    ({"strides": (1,)}, "2 whole numbers"),
    ({"strides": (2**33, 1)}, "strides is"),
    ({"strides": (2**14, 2**14)}, "there is no memory for"),
    ({"dilations": (0, 1)}, "dilations is 0"),
    ({"dilations": (2**14, 1)}, "reach over 32768 x 2"),
    ({"dilations": (1, 2**40)}, "dilations is"),
    ({"pads": (-1, 0, 0, 0)}, "pads is -1"),
    ({"pads": (3, 0, 0, 0)}, "larger than the filters' reach"),
    ({"pads": (1, 1)}, "4 whole numbers"),
    ({"pads": (8192,) * 4, "dilations": (8192, 8192)}, "X has 9 x 9 pixels"),
)


def _wrong_attributes(graph: Graph, wrong: Wrong) -> Iterator[tuple[str, Graph, str]]:
    for attributes, words in wrong:
        yield f"{graph.operator}: {attributes}", _with(graph, **attributes), words


def _with(graph: Graph, **attributes: Any) -> Graph:
    made = {**graph.attributes, **attributes}
    return replace(graph, attributes={name: value for name, value in made.items() if value is not _MISSING})


def _fed(graph: Graph, **inputs: Array) -> Graph:
    return replace(graph, inputs={**graph.inputs, **inputs})


def _without(graph: Graph, name: str) -> Graph:
    return replace(graph, inputs={key: x for key, x in graph.inputs.items() if key != name})
