"""The artifact's golden pair: a runtime whose answer is another one is not measured."""

from collections.abc import Iterator
from pathlib import Path

from device_agent.arrays import Arrays, NotTheseArrays, read_arrays
from device_agent.backend_table import backends_for
from device_agent.backends import Backend
from device_agent.closeness import error_of, same_answer
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
            _remedy(manifest),
        )


def _remedy(manifest: ArtifactManifest) -> str:
    if manifest.quantized:
        return _QUANTIZED_REMEDY
    able = backends_for(manifest.format, native=manifest.native is not None)
    return _REMEDY if len(able) == 1 else f"{_REMEDY} Or try the other backend of {' and '.join(able)}."


def differences(infos: tuple[TensorInfo, ...], golden: Golden, found: Arrays, expected: Arrays) -> Iterator[str]:
    """A clause on each output that is off by more than is allowed, or answers otherwise."""
    for info, allowed in zip(infos, golden.tolerances, strict=True):
        ours, right = found[info.name], expected[info.name]
        if ours.shape != right.shape or ours.dtype != right.dtype:
            yield f"{info.name} is {ours.dtype} {ours.shape}, and should be {right.dtype} {right.shape}"
        elif not (error := error_of(ours, right, golden.measure)) <= allowed:  # NaN fails too
            yield f"{golden.measure} |Δ| of {info.name} {error:.3g}, allowed {allowed:.3g}"
        elif info.is_scores and not same_answer(ours, right, golden.tie):
            yield f"the largest of {info.name} is number {int(ours.argmax())}, and should be {int(right.argmax())}"


def _pair(directory: Path, manifest: ArtifactManifest, role: Role, infos: tuple[TensorInfo, ...]) -> Arrays:
    # Its digest was checked with the artifact's others.
    path = directory / manifest.file(role).name
    try:
        return read_arrays(path, infos)
    except NotTheseArrays as error:
        raise DigestMismatch(f"{path} is not what the manifest says: {error}.", "Export again.") from error
