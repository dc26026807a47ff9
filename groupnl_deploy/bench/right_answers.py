"""The right answers to what a benchmark showed its model: the network's own, in double precision, where it is at hand.

That is the checkpoint which the artifact was exported from, or, of somebody's own ONNX file, the artifact's graph,
which was proved against that file. They are computed behind a benchmark, never beside it, and kept for the next one.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from device_agent.backend_table import BACKENDS
from device_agent.manifest import MANIFEST_FILE, ArtifactManifest
from exporters.errors import ExportError
from exporters.right_answers import Array, Tensors
from groupnl_deploy.artifact_source import checkpoint_in
from groupnl_deploy.bench.agreement import Agreement, agreement_of
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.places import cache_dir
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import atomic_file, sha256_hex

_LONGEST_S = 60.0  # a large network takes a second for an image; as many as fit are compared
_KEPT = 100  # files, of some kilobytes mostly

Pixels = npt.NDArray[np.uint8]
Ask = Callable[[int], Tensors]
"""The right outputs, by name, for the input of this number."""


@dataclass(frozen=True)
class Places:
    """Folders in which checkpoints may lie, and in which artifacts may."""

    checkpoints: Sequence[Path]
    artifacts: Sequence[Path]


def agreement_with_right_answers(
    run: BenchRun, pixels: Pixels | None, places: Places, reporter: Reporter
) -> Agreement | None:
    """How far the device's answers to `pixels`, uint8 (N, C, H, W), are from the right ones; None where nobody knows.

    A model without `pixels` was shown the samples of its artifact.
    """
    count = len(run.result.outputs)
    if not count or run.manifest.golden is None or not BACKENDS[run.result.backend].computes:
        return None
    kept = cache_dir() / "answers" / f"{_digest(run, pixels)}.npz"
    try:
        right = _read(kept, run.manifest, count)
        if right is None:
            ask = _who_knows(run, pixels, places)
            right = None if ask is None else _asked(ask, count, kept, run.manifest, reporter)
    except (GroupNLError, ExportError):  # code that was not named, a network that is not computed so
        return None
    return None if right is None else agreement_of(run.result.outputs, right, run.manifest)


def _who_knows(run: BenchRun, pixels: Pixels | None, places: Places) -> Ask | None:
    manifest = run.manifest
    if manifest.source.kind == "checkpoint":
        folder = checkpoint_in(places.checkpoints, manifest)
        return None if folder is None or pixels is None else _of_checkpoint(folder, pixels, manifest)
    if manifest.format != "onnx" or manifest.parity.reference != "float64" or manifest.native is not None:
        return None
    artifact = _artifact_in(places.artifacts, run.artifact_sha256)
    return None if artifact is None else _of_graph(artifact, pixels, manifest)


def _of_checkpoint(folder: Path, pixels: Pixels, manifest: ArtifactManifest) -> Ask:
    from exporters.reference import answer_in_double
    from groupnl_deploy.training.checkpoint import load_model

    answer, (output,) = answer_in_double(load_model(folder)[1]), manifest.outputs
    return lambda number: {output.name: answer(_prepared(pixels, number, manifest, as_graph=False))}


def _of_graph(artifact: Path, pixels: Pixels | None, manifest: ArtifactManifest) -> Ask:
    import onnx

    from device_agent.arrays import read_arrays
    from exporters.own_onnx.in_double import InDouble

    graph = InDouble(onnx.load(artifact / manifest.file("model").name, load_external_data=False))
    if pixels is not None:
        (takes,) = manifest.inputs
        return lambda number: graph.answers({takes.name: _prepared(pixels, number, manifest, as_graph=True)})
    samples = read_arrays(artifact / manifest.file("samples").name, manifest.inputs, manifest.samples)
    return lambda number: graph.answers({name: array[number] for name, array in samples.items()})


def _prepared(pixels: Pixels, number: int, manifest: ArtifactManifest, as_graph: bool) -> Array:
    """An image as the device prepares it; `as_graph` in the layout and the element type of the graph's input."""
    import torch

    from groupnl_deploy.images.preprocessing import as_input, typed

    how = manifest.preprocessing
    assert how is not None
    image = as_input(torch.from_numpy(pixels[number : number + 1]), how.mean, how.std)
    array: Array = (typed(image, how.layout, manifest.inputs[0].dtype) if as_graph else image).numpy()
    return array


def _artifact_in(places: Iterable[Path], artifact_sha256: str) -> Path | None:
    for place in places:
        for record in sorted(place.glob(f"*/{MANIFEST_FILE}")):
            if sha256_hex(record.read_bytes()) == artifact_sha256:
                return record.parent
    return None


def _digest(run: BenchRun, pixels: Pixels | None) -> str:
    """Of whose answers they are, to what, and how that is prepared."""
    manifest = run.manifest
    source = manifest.source.sha256 if manifest.source.kind == "checkpoint" else run.artifact_sha256
    known = hashlib.sha256(repr((source, manifest.preprocessing, manifest.inputs, manifest.outputs)).encode())
    if pixels is not None:
        known.update(repr(pixels.shape).encode() + pixels.tobytes())
    return known.hexdigest()


def _read(path: Path, manifest: ArtifactManifest, most: int) -> list[Tensors] | None:
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile):  # a damaged file is as good as none
        with np.load(path, allow_pickle=False) as found:
            rows = {info.name: found[f"arr_{index}"][:most] for index, info in enumerate(manifest.outputs)}
        count = min(map(len, rows.values()))
        return [{name: array[number] for name, array in rows.items()} for number in range(count)]
    return None


def _asked(ask: Ask, count: int, kept: Path, manifest: ArtifactManifest, reporter: Reporter) -> list[Tensors]:
    begun = time.monotonic()
    right: list[Tensors] = []
    with reporter.task("right answers, in double precision") as task:
        while len(right) < count and time.monotonic() - begun < _LONGEST_S:
            right.append(ask(len(right)))
            task(len(right), count)
    _keep(kept, [np.stack([answers[info.name] for answers in right]) for info in manifest.outputs])
    return right


def _keep(path: Path, rows: Sequence[Array]) -> None:
    """For the next time; a full disk only makes that slower."""
    with suppress(OSError, GroupNLError):
        with atomic_file(path) as stream:
            np.savez(stream, *rows)
        for old in sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
