"""Random small graphs of convolutions, pools, sums, gates and native operators, to be put in blocks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from exporters.native.operators import ACTIVATIONS, DOMAIN, FUNCTIONS

Floats = npt.NDArray[np.float32]
Image = tuple[str, int, int, int]
"""A value's name, its channels, height and width."""


class RandomGraph:
    """A graph that grows by one random node at a time; every choice is the seed's.

    Args:
        seed: of all that is random.
        native: whether operators of ours are among the nodes.
        batch: of the input; a name for any number.
    """

    def __init__(self, seed: int, native: bool = False, batch: int | str = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.batch = list[onnx.NodeProto](), list[onnx.TensorProto](), batch
        channels, height, width = (int(self.pick(*sizes)) for sizes in ((3, 4, 5, 16, 20), (6, 9, 12), (7, 10)))
        self.images: list[Image] = [("input", channels, height, width)]
        kinds: list[Callable[[], None]] = [
            self.conv, self.conv, self.conv, self.depthwise, self.grouped, self.activation, self.activation, self.sum,
            self.sum, self.pool, self.gate, self.concat, self.resize, self.scaled, self.plain_reader,
        ]  # fmt: skip
        kinds += [self.groupnl, self.groupnl, self.generate, self.native_depthwise] * native
        for _ in range(int(self.random.integers(6, 14))):
            self.pick(*kinds)()

    def pick(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def some(self) -> Image:
        """An image, rather one of the last."""
        return self.images[-1 - min(int(self.random.exponential(0.7)), len(self.images) - 1)]

    def noise(self, *sizes: int, scale: float = 1.0) -> str:
        name = f"constant_{len(self.constants)}"
        values = scale * self.random.standard_normal(sizes)
        self.constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def numbers(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=dtype), name))
        return name

    def node(self, op: str, inputs: list[str], sizes: tuple[int, int, int] | None, **attributes: Any) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        if sizes is not None:
            self.images.append((name, *sizes))
        return name

    def window(self, height: int, width: int) -> tuple[dict[str, Any], int, int] | None:
        """Attributes of a window, and the size behind it; None where nothing is left."""
        kernel = int(self.pick(1, 1, 3, 3, 5))
        stride, dilation = int(self.pick(1, 1, 2)), int(self.pick(1, 1, 2))
        pads = [int(pad) for pad in self.random.integers(0, kernel, 4)]
        span = (kernel - 1) * dilation + 1
        sizes = [(size + pads[axis] + pads[axis + 2] - span) // stride + 1 for axis, size in enumerate((height, width))]
        if min(sizes) < 1:
            return None
        how = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads, "dilations": [dilation] * 2}
        return how, sizes[0], sizes[1]

    def conv(self) -> None:
        source, channels, height, width = self.some()
        found = self.window(height, width)
        if found is None:
            return
        how, rows, columns = found
        filters, kernel = int(self.pick(4, 7, 8, 16, 24, 32)), how["kernel_shape"][0]
        weight = self.noise(filters, channels, kernel, kernel, scale=1 / np.sqrt(channels * kernel * kernel))
        bias = [self.noise(filters)] * int(self.pick(0, 1))
        self.node("Conv", [source, weight, *bias], (filters, rows, columns), **how)

    def depthwise(self) -> None:
        source, channels, height, width = self.some()
        found = self.window(height, width)
        if found is not None:
            how, rows, columns = found
            weight = self.noise(channels, 1, *how["kernel_shape"], scale=0.5)
            sizes = channels, rows, columns
            self.node("Conv", [source, weight, self.noise(channels)], sizes, group=channels, **how)

    def grouped(self) -> None:
        source, channels, height, width = self.some()
        group = next((count for count in (2, 3, 4) if channels % count == 0), 1)
        weight = self.noise(16 * group, channels // group, 1, 1, scale=0.3)
        self.node("Conv", [source, weight], (16 * group, height, width), group=group, kernel_shape=[1, 1])

    def activation(self) -> None:
        source, channels, height, width = self.some()
        op = self.pick("Relu", "HardSwish", "Sigmoid", "HardSigmoid", "Tanh", "LeakyRelu", "Clip", "Abs", "Cos")
        bounds = [self.numbers(0), self.numbers(6)] if op == "Clip" else []
        self.node(op, [source, *bounds], (channels, height, width))

    def sum(self) -> None:
        """Of two images of one size; else of one and what a convolution makes of it."""
        one = self.some()
        alike = [image for image in self.images if image[1:] == one[1:]]
        other = self.pick(*alike)
        if other is one:
            weight = self.noise(one[1], one[1], 1, 1, scale=0.3)
            other = (self.node("Conv", [one[0], weight], one[1:], kernel_shape=[1, 1]), *one[1:])
        self.node(self.pick("Add", "Add", "Mul", "Sub"), [one[0], other[0]], one[1:])

    def pool(self) -> None:
        source, channels, height, width = self.some()
        if self.pick(0, 1):
            self.node("GlobalAveragePool", [source], (channels, 1, 1))
        elif min(height, width) >= 3:
            how = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 1]}
            sizes = channels, (height - 2) // 2 + 1, (width - 1) // 2 + 1
            op = self.pick("MaxPool", "AveragePool")
            more = {"count_include_pad": int(self.pick(0, 1))} if op == "AveragePool" else {}
            self.node(op, [source], sizes, **how, **more)

    def gate(self) -> None:
        """A squeeze-excite block."""
        source, channels, height, width = self.some()
        mean = self.node("GlobalAveragePool", [source], None)
        few = self.node("Conv", [mean, self.noise(6, channels, 1, 1, scale=0.3)], None, kernel_shape=[1, 1])
        many = self.node("Conv", [few, self.noise(channels, 6, 1, 1, scale=0.3)], None, kernel_shape=[1, 1])
        gate = self.node(self.pick("Sigmoid", "HardSigmoid"), [many], None)
        self.node("Mul", [source, gate] if self.pick(0, 1) else [gate, source], (channels, height, width))

    def concat(self) -> None:
        one = self.some()
        parts = [image for image in self.images if image[2:] == one[2:]][-3:]
        self.node("Concat", [part[0] for part in parts], (sum(part[1] for part in parts), *one[2:]), axis=1)

    def resize(self) -> None:
        source, channels, height, width = self.some()
        if max(height, width) <= 12:
            scales = self.numbers([1, 1, 2, 2])
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            self.node("Resize", [source, "", scales], (channels, 2 * height, 2 * width), **how)

    def scaled(self) -> None:
        source, channels, height, width = self.some()
        factor = self.numbers(0.5) if self.pick(0, 1) else self.noise(1, channels, 1, 1)
        op = self.pick("Mul", "Add", "Sub", "BatchNormalization")
        more = [self.noise(channels), self.noise(channels), self.noise(channels)] if op == "BatchNormalization" else []
        if more:  # scale, shift, mean and variance
            more.append(self.numbers(self.random.uniform(0.5, 1.5, channels)))
        self.node(op, [source, *(more or [factor])], (channels, height, width))

    def plain_reader(self) -> None:
        """What no layout in blocks knows."""
        source, channels, height, width = self.some()
        self.node("Transpose", [source], (channels, width, height), perm=[0, 1, 3, 2])

    def groupnl(self) -> None:
        """A sparse layer, perhaps behind a convolution that makes its input."""
        source, channels, height, width = self.some()
        inputs = int(self.pick(1, 2, 2, 3))
        if channels % inputs:
            channels_needed = inputs * int(self.pick(8, 17, 20))
            weight = self.noise(channels_needed, channels, 1, 1, scale=0.3)
            source = self.node("Conv", [source, weight], (channels_needed, height, width), kernel_shape=[1, 1])
            channels = channels_needed
        found = self.window(height, width)
        if found is not None:
            how, rows, columns = found
            kernel, seeds = how.pop("kernel_shape"), channels // inputs
            weight = self.noise(seeds, inputs, *kernel, scale=0.5)
            self._layer("GroupNL", [source, weight], seeds, (rows, columns), apart=0, **how)

    def generate(self) -> None:
        source, channels, height, width = self.some()
        self._layer("Generate", [source], channels, (height, width))

    def native_depthwise(self) -> None:
        source, channels, height, width = self.some()
        found = self.window(height, width)
        if found is not None:
            how, rows, columns = found
            weight = self.noise(channels, 1, *how.pop("kernel_shape"), scale=0.5)
            self._native("Depthwise", [source, weight, self.noise(channels)], (channels, rows, columns), **how)

    def _layer(self, op: str, inputs: list[str], seeds: int, size: tuple[int, int], **how: Any) -> None:
        channels = seeds * int(self.pick(1, 2, 2, 4)) - int(self.pick(0, 0, 1)) * (seeds > 1)
        channels = max(channels, seeds)
        function = str(self.pick(*FUNCTIONS))
        inputs = [*inputs, self.noise(2, seeds)] + ([self._generated(channels - seeds)] if channels > seeds else [])
        more = {"nl_groups": 1, "function": FUNCTIONS[function], "normalize": int(self.pick(0, 1)), "epsilon": 1e-12}
        self._native(op, inputs, (channels, *size), channels=channels, **more, **how)

    def _generated(self, count: int) -> str:
        rows = self.random.standard_normal((5, count))
        rows[0] *= 0.3
        rows[2] = self.random.uniform(1, 3, count)
        return self.numbers(rows)

    def _native(self, op: str, inputs: list[str], sizes: tuple[int, int, int], **attributes: Any) -> None:
        name, mean = f"{op}_{len(self.nodes)}", f"{op}_{len(self.nodes)}_mean"
        pools = bool(self.pick(0, 1))
        activation = ACTIVATIONS[str(self.pick(*ACTIVATIONS))]
        outputs = [name, mean] if pools else [name]
        more = attributes | {"activation": activation, "block": 0}
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=DOMAIN, **more))
        self.images.append((name, *sizes))
        if pools:
            gate = self.node("Conv", [mean, self.noise(sizes[0], sizes[0], 1, 1, scale=0.2)], None)
            product = f"Scale_{len(self.nodes)}"
            how: dict[str, Any] = {"activation": ACTIVATIONS[str(self.pick("none", "relu"))], "block": 0}
            self.nodes.append(helper.make_node("Scale", [name, gate], [product], name=product, domain=DOMAIN, **how))
            self.images.append((product, *sizes))

    def model(self, opset: int = 17) -> onnx.ModelProto:
        """The graph; the last image and some in the middle are its outputs."""
        names = {self.images[-1][0], *(self.some()[0] for _ in range(int(self.random.integers(0, 3))))} - {"input"}
        if not names:
            self.conv()
            names = {self.images[-1][0]}
        first = self.images[0]
        made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [self.batch, *s]) for n, *s in self.images]
        outputs = [value for value in made if value.name in names]
        given = helper.make_tensor_value_info(first[0], TensorProto.FLOAT, [self.batch, *first[1:]])
        graph = helper.make_graph(self.nodes, "random", [given], outputs, self.constants)
        imports = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)

    def inputs(self, batch: int) -> dict[str, Floats]:
        """Noise for the input."""
        _, *sizes = self.images[0]
        return {"input": self.random.standard_normal((batch, *sizes)).astype(np.float32)}
