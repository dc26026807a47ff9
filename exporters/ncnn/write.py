"""A proved ONNX graph → ncnn's files in an artifact's folder, which become the last pass of its report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.manifest import ArtifactFile, NativeOperators, Parity, PassReport, TensorInfo
from exporters.native.nodes import native_operators
from exporters.ncnn.convert import converted, not_for_ncnn
from exporters.ncnn.names import CONVERSION, PARAM_FILE, WEIGHTS_FILE
from exporters.ncnn.proof import prove_ncnn, write_ncnn
from exporters.ncnn.record import layers_record
from exporters.optimize import Optimized
from exporters.right_answers import Reference

_MOST_AXES = 5


@dataclass(frozen=True)
class NcnnWritten:
    """The files, the passes with the conversion behind them, how far the network is from its source, and which of its
    layers are ours.
    """

    files: tuple[ArtifactFile, ...]
    passes: tuple[PassReport, ...]
    parity: Parity
    native: NativeOperators | None


def require_fits_ncnn(reference: Reference) -> None:
    """Raise `ExportFailed` for a graph of somebody's own whose inputs or outputs ncnn does not have."""
    if reference.quantized:
        raise not_for_ncnn("it is quantized, and pnnx knows networks of floats alone")
    for name, array in reference.samples[0].items():
        _require_float_maps(name, array.dtype.name, array.shape)
    for name, answers in reference.outputs.items():
        _require_float_maps(name, answers.dtype, answers.values[0].shape)


def _require_float_maps(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    if dtype != "float32":
        raise not_for_ncnn(f"{name} is {dtype}, and ncnn's are float32")
    if not 1 < len(shape) <= _MOST_AXES or shape[0] != 1:
        sizes = "x".join(map(str, shape)) or "a single number"
        raise not_for_ncnn(f"{name} is {sizes}, and ncnn's have an axis of one image and one to four more")


def ncnn_network(
    folder: Path,
    best: Optimized,
    inputs: Sequence[TensorInfo],
    outputs: int,
    reference: Reference,
    library: str | None = None,
) -> NcnnWritten:
    """Convert it, prove what came out, and write it; `library` computes layers of GroupNL's, as `NcnnNet` has it.

    Raises `ExportFailed` and `ParityError`.
    """
    network = converted(best.model, inputs, outputs)
    parity = prove_ncnn(reference, network, library)
    write_ncnn(folder, network)
    report = PassReport(
        name=CONVERSION,
        fired=1,
        nodes_before=len(best.model.graph.node),
        nodes_after=network.layers,
        notes=(f"converted by pnnx {network.converter}",),
        refusals=(),
        max_abs_error=parity.max_abs_error,
        p99_abs_error=parity.p99_abs_error,
    )
    files = ArtifactFile.in_role("model", folder / PARAM_FILE), ArtifactFile.in_role("weights", folder / WEIGHTS_FILE)
    operators = native_operators(best.model)
    return NcnnWritten(files, (*best.passes, report), parity, layers_record(operators) if operators else None)
