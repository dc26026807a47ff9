"""The artifact's golden pair: a runtime whose answer is another one is not measured."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from device_agent.arrays import Array, Arrays, NotTheseArrays, read_arrays
from device_agent.backends import Backend
from device_agent.errors import BackendFailed, DigestMismatch
from device_agent.manifest import ArtifactManifest, Golden, Role, TensorInfo

_REMEDY = "Install another version of the runtime on the device, or export for it, and push again."
_QUANTIZED_REMEDY = (
    "x86 processors without VNNI saturate sums of 8-bit products: quantize with weights of 7 bits (reduce_range=True "
    "in onnxruntime.quantization), or with both activations and weights unsigned, and export again."
)


def require_golden(backend: Backend, directory: Path, manifest: ArtifactManifest) -> None:
    """Run the golden inputs and compare. Raises `BackendFailed` with the difference; nothing to do without a pair."""
    golden = manifest.golden
    if golden is None:
        return
    inputs = _pair(directory, manifest, "golden_input", manifest.inputs)
    expected = _pair(directory, manifest, "golden_output", manifest.outputs)
    found = backend.outputs(backend.run(backend.prepare(inputs)))
    difference = next(differences(manifest.outputs, golden, found, expected), None)
    if difference is not None:
        raise BackendFailed(
            f"This device computes another answer than the one the artifact was proved with: {difference}.",
            _QUANTIZED_REMEDY if manifest.quantized else _REMEDY,
        )


def differences(infos: tuple[TensorInfo, ...], golden: Golden, found: Arrays, expected: Arrays) -> Iterator[str]:
    """A clause on each output that is off by more than is allowed, or answers otherwise."""
    for info, allowed in zip(infos, golden.tolerances, strict=True):
        ours, right = found[info.name], expected[info.name]
        if ours.shape != right.shape or ours.dtype != right.dtype:
            yield f"{info.name} is {ours.dtype} {ours.shape}, and should be {right.dtype} {right.shape}"
        elif not (error := _error(ours, right, golden.measure)) <= allowed:  # NaN fails too
            yield f"{golden.measure} |Δ| of {info.name} {error:.3g}, allowed {allowed:.3g}"
        elif info.is_scores and not _same_answer(ours, right, golden.tie):
            yield f"the largest of {info.name} is number {int(ours.argmax())}, and should be {int(right.argmax())}"


def _error(found: Array, right: Array, measure: Literal["max", "mean"]) -> float:
    """The largest or the mean |Δ|; NaN where a number is missing, 0 for nothing but equal arrays."""
    unequal = np.atleast_1d(found != right)  # infinite numbers may be equal, and large whole ones equal only as floats
    if not unequal.any():
        return 0.0
    with np.errstate(invalid="ignore"):  # two infinite numbers, which are equal
        errors = np.abs(np.atleast_1d(found).astype(np.float64) - np.atleast_1d(right).astype(np.float64))
    errors[~unequal] = 0.0
    return float(errors.max() if measure == "max" else errors.mean()) or float(np.finfo(np.float64).tiny)


def _same_answer(found: Array, right: Array, tie: float) -> bool:
    """The same arg-max, or one that the right output has as good as first."""
    answer = int(found.argmax())
    return answer == right.argmax() or float(right.max() - right.reshape(-1)[answer]) <= tie


def _pair(directory: Path, manifest: ArtifactManifest, role: Role, infos: tuple[TensorInfo, ...]) -> Arrays:
    # Its digest was checked with the artifact's others.
    path = directory / manifest.file(role).name
    try:
        return read_arrays(path, infos)
    except NotTheseArrays as error:
        raise DigestMismatch(f"{path} is not what the manifest says: {error}.", "Export again.") from error
