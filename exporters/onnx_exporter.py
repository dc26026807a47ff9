"""torch → raw ONNX by torch's TorchScript exporter, batch 1, at a stated opset."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.jit._trace import TracerWarning

from exporters.choices import BATCH_NAME, DEFAULT_OPSET, INPUT_NAME, OPSETS, OUTPUT_NAME
from exporters.data_dependence import require_one_way
from exporters.errors import ExportFailed
from exporters.onnx_failures import explained, require_fits_one_file
from exporters.quiet import stdout_to_stderr
from exporters.reference import first_line
from exporters.static_shapes import shapes_kept

Notice = Callable[[str], None]


def _unheard(warning: str) -> None:
    """Nobody listens."""


def export_onnx(
    model: nn.Module,
    input_shape: tuple[int, ...],
    opset: int = DEFAULT_OPSET,
    dynamic_batch: bool = False,
    notice: Notice = _unheard,
) -> onnx.ModelProto:
    """Trace `model` (eval mode) on zeros of `input_shape` (batch first). Raises `ExportFailed`.

    With `dynamic_batch` the first axis is called "batch" and may be of any size. `notice` is told what the tracer
    warned of: Python that ran once and is not in the graph.

    The opset of the result is checked: an exporter that silently returns another one is an error.
    """
    if opset not in OPSETS:
        raise ExportFailed(
            f"Opset {opset} is not one of {OPSETS[0]} to {OPSETS[-1]}, which torch exports and the passes know.",
            f"Ask for --opset {DEFAULT_OPSET}.",
        )
    require_fits_one_file(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.onnx"
        _trace(model.eval(), torch.zeros(input_shape), path, opset, dynamic_batch, notice)
        proto = onnx.load(path)
    _require_opset(proto, opset)
    if len(proto.graph.output) != 1:
        raise ExportFailed(
            f"The model has {len(proto.graph.output)} outputs, and one can be proved.", "Return the logits alone."
        )
    _require_standard(proto)
    return proto


def _trace(
    model: nn.Module, example: torch.Tensor, path: Path, opset: int, dynamic_batch: bool, notice: Notice
) -> None:
    with stdout_to_stderr(), shapes_kept(opset), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            torch.onnx.export(
                model,
                (example,),
                path,
                opset_version=opset,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_axes={INPUT_NAME: {0: BATCH_NAME}, OUTPUT_NAME: {0: BATCH_NAME}} if dynamic_batch else None,
                dynamo=False,
            )
        except (OSError, MemoryError):  # a full disk or memory, which is not about the network
            raise
        except Exception as error:
            raise explained(error, model, example, opset, dynamic_batch) from error
    traced = [warning for warning in said if issubclass(warning.category, TracerWarning)]
    require_one_way(model, example, ((warning.filename, warning.lineno) for warning in traced))
    for warning in traced:
        notice(f"{first_line(warning.message)} ({Path(warning.filename).name}, line {warning.lineno})")


def _require_standard(model: onnx.ModelProto) -> None:
    """Raise `ExportFailed` for operators of a network's own, and for what else ONNX's checker refuses."""
    known = {"", "ai.onnx"} | {function.domain for function in model.functions}
    foreign = sorted({f"{node.domain}::{node.op_type}" for node in model.graph.node if node.domain not in known})
    if foreign:
        raise ExportFailed(
            f"The graph would need {', '.join(foreign)}, which is not of ONNX's own operators.",
            "Write the layer with operators that ONNX has: reshape, transpose, products, convolutions.",
        )
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # a family of its own
        raise ExportFailed(
            f"ONNX's checker refuses what torch exported: {first_line(error)}.", "Ask for another --opset."
        ) from error


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the default operator set that the model actually uses."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def _require_opset(model: onnx.ModelProto, opset: int) -> None:
    if opset_of(model) != opset:
        raise ExportFailed(
            f"The exporter returned opset {opset_of(model)} where {opset} was asked for.", "Ask for another opset."
        )
