"""The right answers to the images of a benchmark: its network's own, in double precision, where that is at hand.

They are computed behind a benchmark, never beside it, and kept for the next one that shows the same images.
"""

import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device_agent.backend_table import BACKENDS
from exporters.errors import ExportError
from groupnl_deploy.artifact_source import checkpoint_in
from groupnl_deploy.bench.agreement import Agreement, agreement_of
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.places import cache_dir
from groupnl_deploy.progress import Reporter

_LONGEST_S = 60.0  # a large network takes a second for an image; as many as fit are compared
_KEPT = 100  # files, of some kilobytes mostly

Answers = list[npt.NDArray[np.float64]]


def agreement_with_right_answers(
    run: BenchRun, pixels: npt.NDArray[np.uint8] | None, places: Sequence[Path], reporter: Reporter
) -> Agreement | None:
    """How far the device's answers to `pixels`, uint8 (N, C, H, W), are from the right ones; None where nobody knows.

    The checkpoint is looked for in the folders that lie in `places`.
    """
    if pixels is None or not run.result.outputs or not BACKENDS[run.result.backend].computes:
        return None
    checkpoint = checkpoint_in(places, run.manifest)
    if checkpoint is None:
        return None
    kept = cache_dir() / "answers" / f"{run.manifest.source.sha256[:32]}-{_digest(run, pixels)}.npy"
    images = pixels[: len(run.result.outputs)]
    try:
        right = _read(kept, len(images)) or _computed(run, images, checkpoint, kept, reporter)
    except (GroupNLError, ExportError):  # code that was not named, a network that is not computed so
        return None
    return agreement_of(run.result.outputs, right, run.manifest)


def _digest(run: BenchRun, pixels: npt.NDArray[np.uint8]) -> str:
    """Of the images and how they are prepared."""
    return hashlib.sha256(repr((run.manifest.preprocessing, pixels.shape)).encode() + pixels.tobytes()).hexdigest()[:32]


def _read(path: Path, most: int) -> Answers | None:
    with suppress(OSError, ValueError):
        found = np.load(path, allow_pickle=False)
        return [row[None] for row in found[:most]] if found.dtype == np.float64 and len(found) else None
    return None


def _computed(
    run: BenchRun, images: npt.NDArray[np.uint8], checkpoint: Path, kept: Path, reporter: Reporter
) -> Answers:
    import torch

    from exporters.reference import answer_in_double
    from groupnl_deploy.images.preprocessing import as_input
    from groupnl_deploy.training.checkpoint import load_model

    how = run.manifest.preprocessing
    assert how is not None
    answer, begun, right = answer_in_double(load_model(checkpoint)[1]), time.monotonic(), Answers()
    with reporter.task("right answers, in double precision") as task:
        for number in range(len(images)):
            if time.monotonic() - begun > _LONGEST_S:
                break
            image = torch.from_numpy(images[number : number + 1])
            right.append(answer(as_input(image, how.mean, how.std).numpy()))
            task(number + 1, len(images))
    _keep(kept, right)
    return right


def _keep(path: Path, right: Answers) -> None:
    """For the next time; a full disk only makes that slower."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as stream:
            np.save(stream, np.concatenate(right), allow_pickle=False)
        part.replace(path)
        for old in sorted(path.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
