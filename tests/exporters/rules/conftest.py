"""Little graphs to try one rule on, and the pass runner that the compiler itself uses."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporters.optimize import passes
from exporters.passes import PassOutcome
from exporters.targets import TARGETS

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
# Of the untouched outputs' spread: what rounding alone may do to a rewritten float32 graph.
ROUNDING = 1e-5


class Net:
    """An ONNX graph, node by node; every method returns the name of what it made."""

    def __init__(self, opset: int = 17) -> None:
        self.opset, self.nodes, self.inputs, self.initializers = opset, [], [], []
        self.random = np.random.default_rng(0)

    def input(self, *sizes: int | str, name: str = "input", dtype: int = FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, sizes))
        return name

    def constant(self, values: Any, name: str | None = None, dtype: Any = np.float32) -> str:
        name = name or f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(values, dtype=dtype, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, dtype=np.int64)

    def noise(self, *sizes: int, low: float = -1.0, high: float = 1.0) -> str:
        return self.constant(self.random.uniform(low, high, sizes))

    def node(self, op: str, *inputs: str, outputs: int = 1, domain: str = "", name: str | None = None, **more: Any):
        stem = name or f"{op}_{len(self.nodes)}"
        made = [stem] if outputs == 1 else [f"{stem}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, made, domain=domain, **more))
        return stem if outputs == 1 else made

    def conv(self, source: str, channels: int, filters: int, size: int = 1, *, bias: bool = False, **more: Any) -> str:
        weight = self.noise(filters, channels // more.get("group", 1), size, size)
        extra = [self.noise(filters)] if bias else []
        more.setdefault("pads", [size // 2] * 4)
        return self.node("Conv", source, weight, *extra, kernel_shape=[size, size], **more)

    def batchnorm(self, source: str, channels: int, scale: Any = None, **more: Any) -> str:
        gamma = self.noise(channels, low=0.5, high=1.5) if scale is None else self.constant(scale)
        rest = [self.noise(channels), self.noise(channels), self.noise(channels, low=0.5, high=1.5)]
        return self.node("BatchNormalization", source, gamma, *rest, **more)

    def model(self, *outputs: str, check: bool = True) -> onnx.ModelProto:
        """The checked model with the shapes of everything in it."""
        known = {
            one.name: helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in self.initializers
        }
        results = [known.get(name, onnx.ValueInfoProto(name=name)) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, results, self.initializers)
        domains = sorted({node.domain for node in self.nodes} - {""})
        imports = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        if check:
            onnx.checker.check_model(model)
        return model


@dataclass(frozen=True)
class Applied:
    """What one pass made of a model, and that model."""

    before: onnx.ModelProto
    model: onnx.ModelProto
    outcome: PassOutcome

    @property
    def fired(self) -> int:
        return self.outcome.fired

    @property
    def refusals(self) -> str:
        return "; ".join(self.outcome.refusals)

    def count(self, op: str) -> int:
        return sum(node.op_type == op for node in self.model.graph.node)

    @property
    def untouched(self) -> bool:
        """Nothing fired, and the nodes are the ones that went in."""
        kinds = [[(node.op_type, tuple(node.output)) for node in one.graph.node] for one in (self.before, self.model)]
        return self.fired == 0 and kinds[0] == kinds[1]


# A runtime in whose blocks even one channel fits.
SMALL_BLOCKS = replace(TARGETS["generic"], block=1)


def one_pass(name: str, model: onnx.ModelProto, target: Any = SMALL_BLOCKS) -> Applied:
    """Run the pass of that name alone, for a target or for whatever has a `block` and `costs` like one."""
    step = next(step for step in passes("full", target) if step.name == name)
    graph = ir.serde.deserialize_model(model)
    outcome = step.on(graph)
    return Applied(model, ir.serde.serialize_model(graph), outcome)


def outputs_of(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def noise_for(model: onnx.ModelProto, batch: int = 2, low: float = -2.0, high: float = 2.0) -> dict[str, Any]:
    """Noise for every input; symbolic sizes become `batch`."""
    random, feeds = np.random.default_rng(1), {}
    overridable = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        sizes = [dim.dim_value or batch for dim in value.type.tensor_type.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if value.name not in overridable:
            feeds[value.name] = np.asarray(random.uniform(low, high, sizes)).astype(dtype)
    return feeds


def require_equal(
    applied: Applied, tolerance: float = ROUNDING, feeds: dict[str, Any] | None = None, absolute: float = 0.0
) -> None:
    """The checker takes the result, inputs and outputs are named as they were, and the outputs are the same."""
    require_valid(applied)
    feeds = noise_for(applied.before) if feeds is None else feeds
    for expected, found in zip(outputs_of(applied.before, feeds), outputs_of(applied.model, feeds), strict=True):
        assert expected.shape == found.shape and expected.dtype == found.dtype
        spread = float(expected.std()) or float(np.abs(expected).max()) or 1.0
        # Outputs that hardly differ among themselves are still rounded as the numbers they are.
        rounding = 16 * np.finfo(np.float32).eps * float(np.abs(expected).max(initial=0.0))
        np.testing.assert_allclose(found, expected, rtol=0, atol=max(tolerance * spread, absolute, rounding))


def require_valid(applied: Applied) -> None:
    onnx.checker.check_model(applied.model, full_check=True)
    before, after = applied.before.graph, applied.model.graph
    assert [value.name for value in after.input] == [value.name for value in before.input]
    assert [value.name for value in after.output] == [value.name for value in before.output]
    names = [name for node in applied.model.graph.node for name in node.output if name]
    names += [tensor.name for tensor in applied.model.graph.initializer]
    assert len(names) == len(set(names))
    labels = [node.name for node in applied.model.graph.node if node.name]
    assert len(labels) == len(set(labels))


def require_settled(name: str, applied: Applied, target: Any = SMALL_BLOCKS) -> None:
    """The pass finds nothing more to do in what it made."""
    again = one_pass(name, onnx.shape_inference.infer_shapes(applied.model), target)
    assert again.untouched


@pytest.fixture(scope="session")
def net() -> type[Net]:
    """Builds a graph node by node."""
    return Net


@pytest.fixture(scope="session")
def apply() -> Callable[..., Applied]:
    """Runs the pass of a name on a model."""
    return one_pass


@pytest.fixture(scope="session")
def equal() -> Callable[..., None]:
    """Asserts that a pass left inputs, outputs and numbers as they were, and a valid model."""
    return require_equal


@pytest.fixture(scope="session")
def settled() -> Callable[..., None]:
    """Asserts that a second application does nothing."""
    return require_settled


@pytest.fixture(scope="session")
def run() -> Callable[..., list[np.ndarray]]:
    """ONNX Runtime's outputs, its own optimizer off."""
    return outputs_of
