"""Small graphs with native operators, written by hand, and the same in the operators of everybody."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from device_agent.arrays import Arrays
from device_agent.manifest import ArtifactFile, NativeModel, NativeOperators
from exporters.artifact import Artifact, write_manifest
from exporters.native.operators import ACTIVATIONS, DEPTHWISE, DOMAIN, VERSION
from tests.device_agent.graph_artifacts import graph_artifact

CHANNELS, SIZE = 16, 6
PLAIN = NativeModel("model.onnx", 0, "1.17")
"""As an export for the target generic says of such a graph."""


def depthwise(block: int | None, version: int = VERSION) -> Any:
    """x float32 (1, 16, 6, 6) → y: a depthwise convolution 3x3 and ReLU; `block` None is without native operators."""
    random = np.random.default_rng(0)
    filters = random.standard_normal((CHANNELS, 1, 3, 3)).astype(np.float32)
    bias = random.standard_normal(CHANNELS).astype(np.float32)
    node = helper.make_node(DEPTHWISE, ["x", "W", "B"], ["y"], domain=DOMAIN, **_attributes(block or 0))
    conv = helper.make_node("Conv", ["x", "W", "B"], ["sum"], pads=[1] * 4, group=CHANNELS)
    nodes = [conv, helper.make_node("Relu", ["sum"], ["y"])] if block is None else _around(node, block)
    shape = [1, CHANNELS, SIZE, SIZE]
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(filters, "W"), numpy_helper.from_array(bias, "B")],
    )
    domains = [("", 17)] + [(DOMAIN, version)] * (block is not None) + [("com.microsoft.nchwc", 1)] * bool(block)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in domains], ir_version=8)


def _attributes(block: int) -> dict[str, Any]:
    window = {"strides": [1, 1], "pads": [1] * 4, "dilations": [1, 1]}
    return {**window, "activation": ACTIVATIONS["relu"], "block": block}


def _around(node: onnx.NodeProto, block: int) -> list[onnx.NodeProto]:
    """The node alone, or between the runtime's two reorderings."""
    if not block:
        return [node]
    node.input[0], node.output[0] = "in_blocks", "out_blocks"
    into = helper.make_node("ReorderInput", ["x"], ["in_blocks"], domain="com.microsoft.nchwc")
    out = helper.make_node("ReorderOutput", ["out_blocks"], ["y"], domain="com.microsoft.nchwc", channels=CHANNELS)
    return [into, node, out]


def samples(count: int = 3) -> Arrays:
    """Of all of these graphs."""
    return {"x": np.random.default_rng(1).standard_normal((count, 1, CHANNELS, SIZE, SIZE)).astype(np.float32)}


def native_artifact(folder: Path, *models: NativeModel, version: int = VERSION, **changes: Any) -> Artifact:
    """The artifact of these model files, the plain one alone unless told otherwise; a change is of the manifest."""
    found = models or (PLAIN,)
    native = NativeOperators(DOMAIN, version, {DEPTHWISE: 1}, found)
    others = {one.file: depthwise(one.block, version) for one in found[1:]}
    return graph_artifact(
        folder,
        depthwise(found[0].block, version),
        samples(),
        right=depthwise(None),
        others=others,
        native=native,
        optimize="native",
        **changes,
    )


def put_identity_first(artifact: Artifact) -> None:
    """Give an artifact of an image network a depthwise convolution that changes nothing, and the record of it."""
    path = artifact.path("model")
    model = onnx.load(path)
    takes = model.graph.input[0].name
    channels = artifact.manifest.inputs[0].shape[1]
    for node in model.graph.node:
        node.input[:] = ["same" if name == takes else name for name in node.input]
    attributes = {**_attributes(0), "pads": [0] * 4, "activation": ACTIVATIONS["none"]}
    first = helper.make_node(DEPTHWISE, [takes, "ones", "zeros"], ["same"], domain=DOMAIN, **attributes)
    model.graph.node.insert(0, first)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((channels, 1, 1, 1), np.float32), "ones"))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(channels, np.float32), "zeros"))
    model.opset_import.append(helper.make_opsetid(DOMAIN, VERSION))
    path.write_bytes(model.SerializeToString())
    files = tuple(
        one if one.role != "model" else ArtifactFile.in_role("model", path) for one in artifact.manifest.files
    )
    native = NativeOperators(DOMAIN, VERSION, {DEPTHWISE: 1}, (PLAIN,))
    write_manifest(artifact.directory, replace(artifact.manifest, files=files, native=native))
