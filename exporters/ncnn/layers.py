"""GroupNL's own layers in ncnn's files. pnnx does not know them, and converts a convolution in the place of each.

A stand-in has the layer's inputs, outputs and window, random weights, and an activation whose slope no network has: by
that its line is found in the text, and by their bytes its weights in the file, where each must lie once. The line then
becomes the layer's, and the weights its constants (`device_agent.ncnn_layers`). What pnnx did anything else to is not
found, and the conversion refused.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from device_agent.ncnn_param import OWN_LAYER, OWN_NUMBERS
from exporters.native.operators import DOMAIN, GENERATE, GROUPNL
from exporters.rules.graph import Array

_FIRST_SLOPE = 1000.0
_SLOPE = "-23310=1,"
_FLOAT32 = b"\0\0\0\0"  # what ncnn's weights begin with where they are plain
_POINT = {"kernel_shape": [1, 1], "strides": [1, 1], "dilations": [1, 1], "pads": [0, 0, 0, 0]}


class Unfound(ValueError):
    """Of a layer's stand-in nothing, or more than one, is left."""


@dataclass(frozen=True)
class StandIn:
    """What stands in for one layer, and what the layer is.

    Args:
        slope: of its activation.
        weights: its bytes in ncnn's file.
        numbers: of the layer's line, by `OWN_NUMBERS`.
        constants: of the layer, float32.
    """

    slope: float
    weights: bytes
    numbers: Mapping[str, float]
    constants: bytes


def with_stand_ins(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[StandIn, ...]]:
    """The graph for pnnx, and what stands for which layer; the graph itself where it has none."""
    if not any(node.domain == DOMAIN for node in model.graph.node):
        return model, ()
    made = onnx.ModelProto()
    made.CopyFrom(model)
    constants = {one.name: numpy_helper.to_array(one) for one in made.graph.initializer}
    stand_ins: list[StandIn] = []
    nodes: list[onnx.NodeProto] = []
    for node in made.graph.node:
        nodes += [node] if node.domain != DOMAIN else _in_place_of(node, constants, made.graph, stand_ins)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    others = [one for one in made.opset_import if one.domain != DOMAIN]
    del made.opset_import[:]
    made.opset_import.extend(others)
    return made, tuple(stand_ins)


def _in_place_of(
    node: onnx.NodeProto, constants: Mapping[str, Array], graph: onnx.GraphProto, stand_ins: list[StandIn]
) -> Iterator[onnx.NodeProto]:
    """A convolution and an activation, whose weights are added to the graph."""
    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    own = [constants[name] for name in node.input[1:]]
    numbers, window = _layer(node.op_type, given, own)
    index, name = len(stand_ins), node.output[0]
    inputs, channels = int(numbers["seeds"] * numbers["inputs"]), int(numbers["channels"])
    group, random = math.gcd(inputs, channels), np.random.default_rng(index)
    shape = (channels, inputs // group, *window["kernel_shape"])
    weight, bias = (random.standard_normal(one).astype(np.float32) for one in (shape, (channels,)))
    graph.initializer.append(numpy_helper.from_array(weight, f"{name}/stand_in_weight"))
    graph.initializer.append(numpy_helper.from_array(bias, f"{name}/stand_in_bias"))
    reads = [node.input[0], f"{name}/stand_in_weight", f"{name}/stand_in_bias"]
    stand_in = StandIn(
        _FIRST_SLOPE + index,
        _FLOAT32 + weight.tobytes() + bias.tobytes(),
        numbers,
        b"".join(np.ascontiguousarray(one, dtype=np.float32).tobytes() for one in own),
    )
    stand_ins.append(stand_in)
    yield helper.make_node("Conv", reads, [f"{name}/stand_in"], group=group, **window)
    yield helper.make_node("LeakyRelu", [f"{name}/stand_in"], [name], alpha=stand_in.slope)


def _layer(kind: str, given: Mapping[str, Any], own: Sequence[Array]) -> tuple[dict[str, float], dict[str, Any]]:
    """The numbers of a layer's line, and the window of its convolution."""
    if kind not in (GROUPNL, GENERATE):
        raise Unfound(f"ncnn takes no {kind} of {DOMAIN} from outside")
    window = _POINT if kind == GENERATE else {name: list(given[name]) for name in ("strides", "dilations", "pads")}
    if kind == GROUPNL:
        window = {"kernel_shape": list(own[0].shape[2:]), **window}
    seeds, inputs = (own[0].shape[1], 1) if kind == GENERATE else own[0].shape[:2]
    told = {"seeds": seeds, "inputs": inputs, "given": int(kind == GENERATE), "epsilon": given.get("epsilon", 0.0)}
    told |= {name: given[name] for name in ("channels", "nl_groups", "function", "activation", "normalize")}
    (height, width), (stride_y, stride_x) = window["kernel_shape"], window["strides"]
    (dilation_y, dilation_x), (top, left, bottom, right) = window["dilations"], window["pads"]
    told |= {"height": height, "width": width, "stride_y": stride_y, "stride_x": stride_x}
    told |= {"dilation_y": dilation_y, "dilation_x": dilation_x}
    return told | {"pad_top": top, "pad_left": left, "pad_bottom": bottom, "pad_right": right}, window


def restored(param: bytes, weights: bytes, stand_ins: Sequence[StandIn]) -> tuple[bytes, bytes]:
    """ncnn's text and weights with the layers themselves. Raises `Unfound`."""
    if not stand_ins:
        return param, weights
    lines = param.decode("ascii").splitlines()
    for stand_in in stand_ins:
        at = [number for number, line in enumerate(lines) if _slope(line) == stand_in.slope]
        if len(at) != 1:
            raise Unfound(f"pnnx made {len(at)} lines of a layer of GroupNL's")
        lines[at[0]] = _line(lines[at[0]], stand_in.numbers)
        if weights.count(stand_in.weights) != 1:
            raise Unfound("pnnx changed the weights of a layer of GroupNL's")
        weights = weights.replace(stand_in.weights, stand_in.constants)
    return ("\n".join(lines) + "\n").encode(), weights


def _slope(line: str) -> float | None:
    """Of the activation that a convolution of the text has; None where it has none, or is none."""
    found = [word for word in line.split()[4:] if word.startswith(_SLOPE)]
    if not line.startswith("Convolution") or not found:
        return None
    return float(found[0].removeprefix(_SLOPE).split(",")[0])


def _line(line: str, numbers: Mapping[str, float]) -> str:
    _, name, *counts_and_blobs = line.split()[:6]
    told = (f"{key}={_number(one, numbers[one])}" for key, one in enumerate(OWN_NUMBERS))
    return " ".join((f"{OWN_LAYER:<24}", f"{name:<24}", *counts_and_blobs, *told))


def _number(name: str, value: float) -> str:
    return f"{value:.9e}" if name == "epsilon" else f"{int(value)}"
