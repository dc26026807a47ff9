"""An artifact that is evaluated on this machine, by the runtime that it was exported for."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from device_agent.manifest import ArtifactManifest
from device_agent.strict import StrictError, from_dict
from exporters.artifact import Artifact, open_artifact
from exporters.errors import ArtifactDamaged
from groupnl_deploy.artifact_source import checkpoint_at_hand
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.checkpoint import answering
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.images.split import Split
from groupnl_deploy.models.inference import inference_form
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.checkpoint import load_checkpoint, load_split
from groupnl_deploy.training.evaluate import Answer
from groupnl_deploy.training.threads import EVERY_CORE


def artifact_subject(folder: Path) -> Subject:
    """The network of an artifact folder. Raises `UsageError` for random weights, `ArtifactDamaged` for damage."""
    artifact = open_artifact(folder)
    manifest = artifact.manifest
    if not manifest.trained:
        raise UsageError(
            f"{folder} is untrained: its accuracy would describe nothing.",
            "Train a network and export it: groupnl train --help",
        )
    statistics = Statistics(manifest.preprocessing.mean, manifest.preprocessing.std)
    split, init = _of_checkpoint(artifact)
    channels, height, width = manifest.input.shape[1:]
    return Subject(
        folder,
        "artifact",
        artifact.sha256,
        f"{manifest.label}, {manifest.format}",
        manifest.data,
        split,
        (channels, height, width),
        manifest.output.shape[-1],
        statistics,
        init,
        _ANSWERING[manifest.format](artifact, statistics),
    )


def _of_checkpoint(artifact: Artifact) -> tuple[Split | None, str | None]:
    """What only the checkpoint knows that it was exported from, where that is at hand."""
    folder = checkpoint_at_hand(artifact)
    if folder is None:
        return None, None
    checkpoint = load_checkpoint(folder)
    return load_split(folder, checkpoint), checkpoint.init


def _by_torch(artifact: Artifact, statistics: Statistics) -> Callable[[], AbstractContextManager[Answer]]:
    manifest = artifact.manifest
    try:
        build = {"eager": create_model, "inference": inference_form}[manifest.form]
        model = build(from_dict(ModelSpec, manifest.model, "model"))
        model.load_state_dict(load_file(artifact.path("model")))
    except (StrictError, ValueError, RuntimeError) as error:
        raise ArtifactDamaged(f"{artifact.directory} cannot be built: {error}.", "Export again.") from error
    return partial(answering, model.eval(), statistics, EVERY_CORE)


def _by_onnxruntime(artifact: Artifact, statistics: Statistics) -> Callable[[], AbstractContextManager[Answer]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(artifact.path("model")), providers=["CPUExecutionProvider"])
    return partial(_answering, session, artifact.manifest, statistics)


@contextlib.contextmanager
def _answering(session: Any, manifest: ArtifactManifest, statistics: Statistics) -> Iterator[Answer]:
    at_once = 1 if manifest.batch == "1" else None
    name = session.get_inputs()[0].name

    def answer(pixels: Tensor) -> Tensor:
        inputs = as_input(pixels, *statistics).numpy()
        size = at_once or len(inputs)
        parts = [session.run(None, {name: inputs[start : start + size]})[0] for start in range(0, len(inputs), size)]
        return torch.cat([torch.from_numpy(part) for part in parts])

    yield answer


_ANSWERING: dict[str, Callable[[Artifact, Statistics], Callable[[], AbstractContextManager[Answer]]]] = {
    "onnx": _by_onnxruntime,
    "torch": _by_torch,
}
