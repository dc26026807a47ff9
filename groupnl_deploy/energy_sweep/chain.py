"""One convolution as a chain of copies in one ONNX graph, and that as an artifact."""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from device_agent.arrays import write_arrays
from exporters.artifact import Artifact, open_artifact
from exporters.choices import DEFAULT_OPSET
from exporters.options import ExportOptions
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_sweep.layers import COPIES, label_of
from groupnl_deploy.export_onnx import TriedWith, export_own_onnx
from groupnl_deploy.progress import Reporter

_IR_VERSION = 8  # what ONNX Runtime reads since 1.10
_IN, _OUT = "input", "output"


def chain(shape: LayerShape, groups: int, batch: int = 1, copies: int = COPIES) -> onnx.ModelProto:
    """`copies` of the layer, one behind the other, each with weights of its own: caches see what they see in a network.

    Input and output are float32 (batch, channels, height, width). Every filter has the norm 1, so the values neither
    grow nor vanish, however long the chain is. There is no bias and nothing between the layers, so a runtime has
    nothing to fuse.
    """
    if shape.in_channels != shape.out_channels or shape.stride != 1:
        raise ValueError(f"{shape} changes the size of its maps or their number, so it cannot follow itself")
    random = np.random.default_rng([shape.in_channels, shape.height, shape.width, shape.kernel, groups])
    names = [_IN, *(f"map{number}" for number in range(1, copies)), _OUT]
    nodes, weights = [], []
    for number in range(copies):
        weights.append(numpy_helper.from_array(_filters(shape, groups, random), f"weight{number}"))
        nodes.append(
            helper.make_node(
                "Conv",
                [names[number], f"weight{number}"],
                [names[number + 1]],
                name=f"conv{number}",
                group=groups,
                kernel_shape=[shape.kernel] * 2,
                pads=[shape.kernel // 2] * 4,
            )
        )
    axes = [batch, shape.in_channels, shape.height, shape.width]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name in (_IN, _OUT)]
    graph = helper.make_graph(nodes, label_of(shape, groups), ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", DEFAULT_OPSET)], ir_version=_IR_VERSION)


def _filters(shape: LayerShape, groups: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """float32 (n, m / g, d, d)."""
    drawn = random.standard_normal(
        (shape.out_channels, shape.in_channels // groups, shape.kernel, shape.kernel), dtype=np.float32
    )
    norms = np.linalg.norm(drawn.reshape(shape.out_channels, -1), axis=1)
    filters: npt.NDArray[np.float32] = drawn / norms[:, None, None, None]
    return filters


def chain_artifact(folder: Path, shape: LayerShape, groups: int, batch: int, reporter: Reporter) -> Artifact:
    """The chain as an artifact in `folder`, as the runtime gets it: no pass rewrites it. One that is there is taken."""
    if folder.is_dir():
        return open_artifact(folder)
    with tempfile.TemporaryDirectory() as made:
        file, inputs = Path(made) / f"{folder.name}.onnx", Path(made) / "inputs.npz"
        onnx.save(chain(shape, groups, batch), file)
        axes = (batch, shape.in_channels, shape.height, shape.width)
        sample = np.random.default_rng(0).standard_normal((1, *axes), dtype=np.float32)
        write_arrays(inputs, {_IN: sample})
        return export_own_onnx(file, folder, ExportOptions(optimize="none"), TriedWith(inputs), reporter)
