"""Measuring the cost table: the forms of one sparse seed convolution, inside what stands around it in a network.

Each form is a small graph: a pointwise convolution and an activation, the form, and a pointwise convolution behind it.
What the runtime does to the layout of maps before and after a form is then part of its time. `export_timer.py` times
them, in the Python of whichever ONNX Runtime the table is for, or `export_timer_ncnn.py` by ncnn.
"""

import json
import math
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from device_agent.strict import to_json
from exporters.costs import TABLES, Costs, SparseCost
from exporters.targets.base import Target
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.registry import create_model, model_spec

ZOO = ("mobilenetv3_gnl_large_100", "mobilenetv2_gnl_100", "efficientnet_gnl_lite0", "efficientnet_gnl_es")
ZOO += ("gnl_resnet50",)
TIMER, NCNN_TIMER = (Path(__file__).with_name(name) for name in ("export_timer.py", "export_timer_ncnn.py"))
ROUNDS = 41
SIMILAR = 0.75  # doublings; of shapes closer than that one is measured

Shape = tuple[int, int, int, int]  # channels, kernel_size, stride, pixels


@dataclass(frozen=True)
class Timer:
    """What times graphs: which Python runs which file with which words before the graphs."""

    python: str
    words: tuple[Path | str, ...]

    @classmethod
    def of(cls, target: Target, python: str) -> "Timer":
        """ncnn here, or that Python's ONNX Runtime, in its layout in blocks or without."""
        if target.backend == "ncnn":
            return cls(sys.executable, (NCNN_TIMER,))
        return cls(python, (TIMER, "blocked" if target.block else "plain"))

    def __call__(self, graphs: list[onnx.ModelProto]) -> tuple[str, list[float]]:
        """The runtime with its version and the median microseconds of each graph."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.onnx" for number in range(len(graphs))]
            for path, graph in zip(paths, graphs, strict=True):
                path.write_bytes(graph.SerializeToString())
            command = [self.python, *self.words, str(ROUNDS), *paths]
            answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return answer["runtime"], answer["us"]


def write_costs(name: str, target: Target, machine: str, python: str) -> str:
    """Measure and write the table of that name, with the ONNX Runtime of that Python; returns a line about it."""
    here, timer = is_here(target), Timer.of(target, python)
    without = "" if target.block else ", without ONNX Runtime's blocked layout"
    found = [sparse_cost(shape, timer) for shape in shapes()]
    costs = Costs(
        name,
        measured=here,
        machine=machine if here else f"stand-in: {machine}{without}",
        runtime=found[0][0],
        sparse=tuple(cost for _, cost in found),
    )
    path = TABLES / f"{name}.json"
    path.write_text(to_json(costs))
    return f"{path.name}: {len(costs.sparse)} shapes"


def is_here(target: Target) -> bool:
    """Whether this machine is such a one; the numbers are then the target's own, else those of a stand-in."""
    model = Path("/proc/device-tree/model")
    board = model.read_text() if model.exists() else ""
    return target.machine.startswith(f"{platform.machine()}-") and board.startswith(target.board or "")


def shapes() -> list[Shape]:
    """Every kind of sparse seed convolution in the light networks and the ResNets; of similar ones the first."""
    chosen: list[Shape] = []
    for shape in sorted(set(zoo_shapes())):
        if all(unlike(shape, other) for other in chosen):
            chosen.append(shape)
    return chosen


def zoo_shapes() -> list[Shape]:
    """As found by running the networks."""
    found: list[Shape] = []
    for net in ZOO:
        spec = model_spec(net)
        model = create_model(spec).eval()
        for module in model.modules():
            if isinstance(module, GroupNLConv2d) and module.conv1.groups * 2 == module.conv1.in_channels:
                module.conv1.register_forward_hook(lambda conv, inputs, _: found.append(shape_of(conv, inputs[0])))
        with torch.inference_mode():
            model(torch.zeros(1, *spec.input_shape))
    return found


def shape_of(conv: torch.nn.Conv2d, maps: torch.Tensor) -> Shape:
    return conv.in_channels, conv.kernel_size[0], conv.stride[0], maps.shape[2]


def unlike(shape: Shape, other: Shape) -> bool:
    if shape[1:3] != other[1:3]:
        return True
    return abs(math.log2(shape[0] / other[0])) + abs(math.log2(shape[3] / other[3])) >= SIMILAR


def sparse_cost(shape: Shape, timer: Timer) -> tuple[str, SparseCost]:
    """The runtime, and all forms of one shape, timed in turns and less the time of what stands around them."""
    runtime, (base, *micros) = timer([around_nothing(shape), *(around(shape, form) for form in FORMS)])
    less = [round(max(time - base, 0.1), 1) for time in micros]
    print(f"{shape}: around {base:.0f} µs, then grouped, two depthwise, one and a pair sum {less}", flush=True)
    return runtime, SparseCost(*shape, *less)


def around(shape: Shape, form: "Form") -> onnx.ModelProto:
    """x → pointwise, ReLU → form → per-channel step, ReLU, pointwise."""
    channels, _, stride, pixels = shape
    graph, narrow = Graph(seed=0), narrowed(channels)
    seeds = form(graph, "x", shape, narrow)
    graph.conv(graph.op("Relu", graph.conv(seeds, (channels // 2, 1, 1), 1)), (narrow, channels // 2, 1), 1, to="y")
    after = -(-pixels // stride)
    return graph.model([1, narrow, pixels, pixels], [1, narrow, after, after])


class Graph:
    """An ONNX graph in the making."""

    def __init__(self, seed: int) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)

    def op(self, op_type: str, *inputs: str, to: str = "", **attributes: object) -> str:
        """Append a node; returns the name of its output."""
        name = to or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(op_type, list(inputs), [name], **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        """Add an initializer; returns its name."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def conv(self, maps: str, filters: tuple[int, int, int], stride: int, groups: int = 0, to: str = "") -> str:
        """Append a convolution of (filters, channels a group, k); groups follow from a depthwise one."""
        count, depth, k = filters
        weight = 0.1 * self._random.standard_normal((count, depth, k, k)).astype(np.float32)
        bias = self.constant(np.zeros(count, dtype=np.float32))
        group = groups or (count if depth == 1 else 1)
        pads, strides = [k // 2] * 4, [stride] * 2
        form = {"kernel_shape": [k, k], "pads": pads, "strides": strides, "group": group}
        return self.op("Conv", maps, self.constant(weight), bias, to=to, **form)

    def model(self, from_shape: list[int], to_shape: list[int]) -> onnx.ModelProto:
        """The finished model, x → y."""
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, from_shape)
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, to_shape)
        graph = helper.make_graph(self._nodes, "form", [x], [y], self._weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


Form = Callable[[Graph, str, Shape, int], str]


def grouped(graph: Graph, x: str, shape: Shape, narrow: int) -> str:
    """One node, two channels a group."""
    channels, kernel, stride, _ = shape
    wide = graph.op("Relu", graph.conv(x, (channels, narrow, 1), 1))
    return graph.conv(wide, (channels // 2, 2, kernel), stride, groups=channels // 2)


def two_depthwise(graph: Graph, x: str, shape: Shape, narrow: int) -> str:
    """Two halves of the pointwise convolution, a depthwise convolution of each, and the sum."""
    channels, kernel, stride, _ = shape
    halves = [graph.op("Relu", graph.conv(x, (channels // 2, narrow, 1), 1)) for _ in range(2)]
    return graph.op("Add", *(graph.conv(half, (channels // 2, 1, kernel), stride) for half in halves))


def pair_sum(graph: Graph, x: str, shape: Shape, narrow: int) -> str:
    """A depthwise convolution over all channels, and the sum of each two."""
    channels, kernel, stride, pixels = shape
    wide = graph.conv(graph.op("Relu", graph.conv(x, (channels, narrow, 1), 1)), (channels, 1, kernel), stride)
    after = -(-pixels // stride)
    pairs = graph.op("Reshape", wide, graph.constant(np.array([1, channels // 2, 2, after * after])))
    total = graph.op("ReduceSum", pairs, graph.constant(np.array([2])), keepdims=0)
    return graph.op("Reshape", total, graph.constant(np.array([1, channels // 2, after, after])))


FORMS: tuple[Form, ...] = (grouped, two_depthwise, pair_sum)


def around_nothing(shape: Shape) -> onnx.ModelProto:
    """What stands around the forms, as much work with nothing between: half the filters read twice the maps."""
    channels, _, stride, pixels = shape
    graph, narrow, after = Graph(seed=0), narrowed(channels), -(-pixels // stride)
    wide = graph.op("Relu", graph.conv("x", (channels, narrow, 1), 1))
    graph.conv(wide, (narrow // 2, channels, 1), stride, to="y")
    return graph.model([1, narrow, pixels, pixels], [1, narrow // 2, after, after])


def narrowed(channels: int) -> int:
    """Channels before and behind an inverted residual block, a multiple of 16."""
    return max(channels // 64 * 16, 16)
