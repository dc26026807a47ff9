"""The artifact's golden pair: a runtime whose answer is another one is not measured."""

from pathlib import Path

import numpy as np

from device_agent.backends import Backend, Float32Array
from device_agent.errors import BackendFailed
from device_agent.manifest import GOLDEN_PAIR, ArtifactManifest


def require_golden(backend: Backend, directory: Path, manifest: ArtifactManifest) -> None:
    """Run the golden input and compare. Raises `BackendFailed` with the difference; nothing to do without a pair."""
    if manifest.golden is None:
        return
    image, expected = (_array(directory / manifest.file(role).name) for role in GOLDEN_PAIR)
    found = backend.logits(backend.run(backend.prepare(image)))
    error, allowed = float(np.abs(found - expected).max()), manifest.golden.tolerance * manifest.parity.output_std
    if not (error <= allowed and _same_answer(found, expected, manifest.golden.tie)):  # NaN fails too
        raise BackendFailed(
            f"This device computes another answer than the one the artifact was proved with: max |Δ| {error:.3g}, "
            f"allowed {allowed:.3g}.",
            "Install another version of the runtime on the device, or export for it, and push again.",
        )


def _same_answer(found: Float32Array, expected: Float32Array, tie: float) -> bool:
    """The same arg-max, or one that the expected output has as good as first."""
    answer = int(found.argmax())
    return answer == expected.argmax() or float(expected.max() - expected.reshape(-1)[answer]) <= tie


def _array(path: Path) -> Float32Array:
    # Its digest was checked with the artifact's others; pickled arrays are refused all the same.
    array: Float32Array = np.load(path, allow_pickle=False)
    return array
