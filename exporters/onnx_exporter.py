"""torch → raw ONNX by torch's TorchScript exporter, batch 1, at a stated opset."""

import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from exporters.choices import DEFAULT_OPSET, OPSETS
from exporters.errors import ExportFailed

INPUT_NAME, OUTPUT_NAME = "input", "logits"


def export_onnx(
    model: nn.Module, input_shape: tuple[int, ...], opset: int = DEFAULT_OPSET, dynamic_batch: bool = False
) -> onnx.ModelProto:
    """Trace `model` (eval mode) on zeros of `input_shape` (batch first). Raises `ExportFailed`.

    With `dynamic_batch` the first axis is called "batch" and may be of any size.

    The opset of the result is checked: an exporter that silently returns another one is an error.
    """
    if opset not in OPSETS:
        raise ExportFailed(
            f"Opset {opset} is not one of {OPSETS[0]} to {OPSETS[-1]}, which torch exports and the passes know.",
            f"Ask for --opset {DEFAULT_OPSET}.",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.onnx"
        _trace(model.eval(), torch.zeros(input_shape), path, opset, dynamic_batch)
        proto = onnx.load(path)
    _require_opset(proto, opset)
    if len(proto.graph.output) != 1:
        raise ExportFailed(
            f"The model has {len(proto.graph.output)} outputs, and one can be proved.", "Return the logits alone."
        )
    onnx.checker.check_model(proto)
    return proto


def _trace(model: nn.Module, example: torch.Tensor, path: Path, opset: int, dynamic_batch: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's deprecation notices; its errors still raise
        try:
            torch.onnx.export(
                model,
                (example,),
                path,
                opset_version=opset,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_axes={INPUT_NAME: {0: "batch"}, OUTPUT_NAME: {0: "batch"}} if dynamic_batch else None,
                dynamo=False,
            )
        except (RuntimeError, ValueError, torch.onnx.OnnxExporterError) as error:
            first = str(error).strip().splitlines()[0]
            raise ExportFailed(
                f"torch {torch.__version__} cannot export this model at opset {opset}: {first}.",
                f"Choose an opset from {OPSETS[0]} to {OPSETS[-1]}, or simplify the layer that it names.",
            ) from error


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the default operator set that the model actually uses."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def _require_opset(model: onnx.ModelProto, opset: int) -> None:
    if opset_of(model) != opset:
        raise ExportFailed(
            f"The exporter returned opset {opset_of(model)} where {opset} was asked for.", "Ask for another opset."
        )
