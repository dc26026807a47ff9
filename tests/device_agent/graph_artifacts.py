"""Artifacts of small graphs written by hand, as an export of somebody else's ONNX file leaves them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from device_agent.arrays import Arrays, write_arrays
from device_agent.inputs import preprocess
from device_agent.manifest import (
    ArtifactFile,
    ArtifactManifest,
    Golden,
    Parity,
    Preprocessing,
    Source,
    TensorInfo,
)
from exporters.artifact import Artifact, open_artifact, write_manifest

AS_THEY_ARE = Preprocessing((0.0,) * 3, (1 / 255,) * 3, "nhwc")
"""Pixels from 0 to 255, the channels last."""
WORDS, CLASSES = 8, 3


def graph(nodes: Sequence[onnx.NodeProto], inputs: dict[str, Any], outputs: dict[str, Any], **weights: Any) -> Any:
    """A model of these nodes; inputs and outputs are (element type, shape) by name."""
    made = helper.make_graph(
        list(nodes),
        "by hand",
        [helper.make_tensor_value_info(name, *about) for name, about in inputs.items()],
        [helper.make_tensor_value_info(name, *about) for name, about in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def masked_text(seed: int = 0, words: int = 50) -> Any:
    """ids int64 and mask float32, (1, WORDS) each → scores of CLASSES: the masked mean of the words' rows."""
    rows = np.random.default_rng(seed).standard_normal((words, CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["rows", "ids"], ["words"]),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["words", "column"], ["masked"]),
        helper.make_node("ReduceMean", ["masked"], ["scores"], axes=[1], keepdims=0),
    ]
    inputs = {"ids": (TensorProto.INT64, [1, WORDS]), "mask": (TensorProto.FLOAT, [1, WORDS])}
    return graph(nodes, inputs, {"scores": (TensorProto.FLOAT, [1, CLASSES])}, rows=rows, last=np.array([2]))


def channels_last(element: int = TensorProto.UINT8) -> Any:
    """pixels (1, 16, 20, 3) → scores of CLASSES: the mean of each channel."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["scores"], axes=[1, 2], keepdims=0),
    ]
    outputs = {"scores": (TensorProto.FLOAT, [1, 3])}
    return graph(nodes, {"pixels": (element, [1, 16, 20, 3])}, outputs)


def two_outputs() -> Any:
    """x float32 (1, 4, 6) → boxes float32 (1, 4, 6), and which is the largest of each row, int64 (1, 4)."""
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["boxes"]),
        helper.make_node("ArgMax", ["x"], ["largest"], axis=2, keepdims=0),
    ]
    outputs = {"boxes": (TensorProto.FLOAT, [1, 4, 6]), "largest": (TensorProto.INT64, [1, 4])}
    return graph(nodes, {"x": (TensorProto.FLOAT, [1, 4, 6])}, outputs)


def text_samples(count: int = 4) -> Arrays:
    """Of `masked_text`."""
    random = np.random.default_rng(1)
    ids = random.integers(0, 50, (count, 1, WORDS), dtype=np.int64)
    return {"ids": ids, "mask": random.integers(0, 2, ids.shape).astype(np.float32)}


def box_samples(count: int = 3) -> Arrays:
    """Of `two_outputs`."""
    return {"x": np.random.default_rng(2).standard_normal((count, 1, 4, 6)).astype(np.float32)}


def graph_artifact(
    folder: Path,
    model: Any,
    samples: Arrays | None = None,
    preprocessing: Preprocessing | None = None,
    right: Any = None,
    others: dict[str, Any] | None = None,
    **changes: Any,
) -> Artifact:
    """The artifact of a graph that is shown `samples`, or images; a change is of the manifest.

    `right` is a graph of the same answers that the runtime computes alone; `others` are further models by file.
    """
    folder.mkdir(parents=True)
    for name, one in {"model.onnx": model, **(others or {})}.items():
        (folder / name).write_bytes(one.SerializeToString())
    session = onnxruntime.InferenceSession((right or model).SerializeToString(), providers=["CPUExecutionProvider"])
    inputs, outputs = (_infos(values) for values in (model.graph.input, model.graph.output))
    if samples is not None:
        write_arrays(folder / "samples.npz", samples)
        golden = {name: array[0] for name, array in samples.items()}
    else:
        golden = _image(inputs[0], preprocessing)
    right = dict(zip([info.name for info in outputs], session.run(None, golden), strict=True))
    write_arrays(folder / "golden_input.npz", golden)
    write_arrays(folder / "golden_output.npz", right)
    files = {"model.onnx": "model", "golden_input.npz": "golden_input", "golden_output.npz": "golden_output"}
    files |= {} if samples is None else {"samples.npz": "samples"}
    files |= dict.fromkeys(others or (), "other_model")
    facts: dict[str, Any] = {
        "format": "onnx",
        "label": model.graph.name,
        "model": {},
        "trained": None,
        "data": None,
        "accuracy": None,
        "source": Source("onnx", hashlib.sha256(model.SerializeToString()).hexdigest(), "mine.onnx"),
        "files": tuple(ArtifactFile.in_role(role, folder / name) for name, role in files.items()),  # type: ignore
        "inputs": inputs,
        "outputs": outputs,
        "preprocessing": preprocessing,
        "producer": {},
        "parity": Parity(1, 0.0, 0.0, 1.0, 1e-4, True, reference="float64", output=outputs[0].name),
        "golden": Golden(tuple(1e-3 if info.is_float else 0.0 for info in outputs)),
        "opset": 17,
        "ir_version": 8,
        "optimize": "none",
        "target": "generic",
        "samples": 0 if samples is None else len(next(iter(samples.values()))),
    }
    write_manifest(folder, ArtifactManifest(**(facts | changes)))
    return open_artifact(folder)


def _infos(values: Any) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(
            value.name,
            tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim),
            str(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),  # type: ignore
        )
        for value in values
    )


def _image(info: TensorInfo, how: Preprocessing | None) -> Arrays:
    assert how is not None
    _, one, two, three = info.shape
    shape = (one, two, three) if how.layout == "nchw" else (three, one, two)
    pixels = np.random.default_rng(3).integers(0, 256, (1, *shape), dtype=np.uint8)
    return {info.name: preprocess(pixels, how, info.dtype)}
