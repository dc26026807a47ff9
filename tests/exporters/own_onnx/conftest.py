"""Little ONNX files, written as text, and their way to an artifact."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, parser

from device_agent.arrays import read_arrays
from exporters.artifact import Artifact
from exporters.options import ExportOptions
from groupnl_deploy.export_onnx import TriedWith, export_own_onnx


def model_of(text: str, opset: int = 17, ir: int = 8, **weights: Any) -> onnx.ModelProto:
    """A graph in ONNX's text form without its header, and its weights by name."""
    header = f'<ir_version: {ir}, opset_import: ["" : {opset}, "com.microsoft": 1, "acme": 1]>\n'
    model = parser.parse_model(header + text)
    used = {node.domain for node in model.graph.node}
    kept = [known for known in model.opset_import if known.domain in used | {""}]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(np.array(value), name) for name, value in weights.items())
    return model


def noise(*sizes: int, seed: int = 0) -> Any:
    return (0.5 * np.random.default_rng(seed).standard_normal(sizes)).astype(np.float32)


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Artifact]:
    """Writes a model and exports it; what is said meanwhile is in `said`."""

    def export(model: onnx.ModelProto | bytes | Path, level: str = "full", **more: Any) -> Artifact:
        path = model if isinstance(model, Path) else tmp_path / "mine.onnx"
        if not isinstance(model, Path):
            path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        options = ExportOptions(level, target=more.pop("target", "generic"), batch=more.pop("batch", "1"))
        reporter = more.pop("reporter", None)
        return export_own_onnx(path, tmp_path / f"out-{level}", options, TriedWith(**more), reporter)

    return export


def answers(model: Path | onnx.ModelProto, inputs: dict[str, Any]) -> list[Any]:
    """What ONNX Runtime says as it is used by anybody."""
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).run(None, inputs)


def golden_inputs(artifact: Artifact) -> dict[str, Any]:
    return read_arrays(artifact.path("golden_input"), artifact.manifest.inputs)
