"""An artifact that is evaluated on this machine, by the runtime that it was exported for."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from device_agent.arrays import Array
from device_agent.manifest import ArtifactManifest, Preprocessing
from device_agent.ncnn_param import NeedsNewerNcnn, NotNcnn
from device_agent.strict import StrictError, from_dict
from exporters.artifact import Artifact, open_artifact
from exporters.errors import ArtifactDamaged
from exporters.graph_facts import read_graph_facts
from exporters.ncnn.packages import require_runtime
from groupnl_deploy.artifact_source import checkpoint_at_hand
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.checkpoint import answering
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.images.cores import usable_cores
from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.images.preprocessing import as_input, typed
from groupnl_deploy.images.source import Shape
from groupnl_deploy.images.split import Split
from groupnl_deploy.models.inference import inference_form
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.checkpoint import load_checkpoint, load_split
from groupnl_deploy.training.evaluate import Answer
from groupnl_deploy.training.threads import EVERY_CORE

Answering = Callable[[], AbstractContextManager[Answer]]


def artifact_subject(folder: Path, reporter: Reporter) -> Subject:
    """The network of an artifact folder, one of somebody else's ONNX file included.

    `reporter` is told where the library of its native operators is built first.

    Raises `UsageError` for random weights and for what takes no image or tells no classes, `ArtifactDamaged` for what
    is damaged.
    """
    artifact = open_artifact(folder)
    _, how, _ = require_evaluable(artifact)
    by = _ANSWERING[artifact.manifest.format]
    return described(artifact, "artifact", "", by(artifact, Statistics(how.mean, how.std), reporter))


def described(artifact: Artifact, kind: Literal["artifact", "device"], where: str, answering: Answering) -> Subject:
    """What is known of an artifact's network, whatever answers for it.

    Args:
        artifact: whose digests were checked.
        kind: of what answers.
        where: that is, for the label.
        answering: what answers.

    Raises `UsageError` as `require_evaluable` does.
    """
    manifest = artifact.manifest
    shape, how, classes = require_evaluable(artifact)
    split, init, picked = _of_checkpoint(artifact)
    return Subject(
        artifact.directory,
        kind,
        artifact.sha256,
        f"{manifest.label}, {manifest.format}{where}",
        manifest.data,
        split,
        shape,
        classes,
        Statistics(how.mean, how.std),
        init,
        answering,
        picked if manifest.picked is None else manifest.picked,
        how.view,
    )


def require_evaluable(artifact: Artifact) -> tuple[Shape, Preprocessing, int]:
    """The shape of its images, how they are prepared, and its classes.

    Raises `UsageError` for random weights and for what takes no image or tells no classes.
    """
    manifest, folder = artifact.manifest, artifact.directory
    if manifest.trained is False:
        raise UsageError(
            f"{folder} is untrained: its accuracy would describe nothing.",
            "Train a network and export it: groupnl train --help",
        )
    shape, how, classes = manifest.image_shape, manifest.preprocessing, manifest.classes
    if shape is None or how is None or classes is None:
        does = "takes no image" if shape is None else "has no scores of classes as its first output"
        raise UsageError(
            f"{folder} {does}, so images cannot say how good it is.",
            "groupnl bench measures its speed, and its proof how near it is to the file that it was made from.",
        )
    return shape, how, classes


def _of_checkpoint(artifact: Artifact) -> tuple[Split | None, str | None, bool]:
    """What only the checkpoint knows that it was exported from, where that is at hand."""
    folder = checkpoint_at_hand(artifact)
    if folder is None:
        return None, None, False
    checkpoint = load_checkpoint(folder)
    return load_split(folder, checkpoint), checkpoint.init, checkpoint.picked


def _by_torch(artifact: Artifact, statistics: Statistics, reporter: Reporter) -> Answering:
    manifest = artifact.manifest
    try:
        build = {"eager": create_model, "inference": inference_form}[manifest.form]
        model = build(from_dict(ModelSpec, manifest.model, "model"))
        model.load_state_dict(load_file(artifact.path("model")))
    except (StrictError, ValueError, RuntimeError) as error:
        raise ArtifactDamaged(f"{artifact.directory} cannot be built: {error}.", "Export again.") from error
    return partial(answering, model.eval(), statistics, EVERY_CORE)


def _by_onnxruntime(artifact: Artifact, statistics: Statistics, reporter: Reporter) -> Answering:
    import onnxruntime

    from groupnl_deploy.native.session import register_here

    options, path, native = onnxruntime.SessionOptions(), artifact.path("model"), artifact.manifest.native
    if native is not None:
        path = artifact.directory / register_here(options, native, reporter)
    read_graph_facts(path)  # the runtime would read weights wherever the file says that they lie
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = artifact.manifest.inputs[0].name
    return partial(_answering, lambda images: session.run(None, {name: images})[0], artifact.manifest, statistics)


@contextlib.contextmanager
def _answering(run: Callable[[Array], Array], manifest: ArtifactManifest, statistics: Statistics) -> Iterator[Answer]:
    takes, how, size = manifest.inputs[0], manifest.preprocessing, None if manifest.batch == "dynamic" else 1
    layout = "nchw" if how is None else how.layout

    def answer(pixels: Tensor) -> Tensor:
        inputs = typed(as_input(pixels, *statistics), layout, takes.dtype)
        parts = torch.split(inputs, size or len(inputs))
        return torch.cat([torch.from_numpy(run(part.numpy())) for part in parts])

    yield answer


def _by_ncnn(artifact: Artifact, statistics: Statistics, reporter: Reporter) -> Answering:
    require_runtime()
    from device_agent.ncnn_net import VERSION, NcnnNet
    from groupnl_deploy.native.session import layer_library_here

    native = artifact.manifest.native
    library = None if native is None else layer_library_here(native, VERSION, reporter)
    try:
        net = NcnnNet(artifact.path("model"), artifact.path("weights"), usable_cores(), library)
    except NeedsNewerNcnn as error:
        newer = f"Install a newer one: pip install 'ncnn>={error.needed}'."
        raise UsageError(f"{artifact.directory} cannot be loaded: {error}.", newer) from error
    except NotNcnn as error:
        raise ArtifactDamaged(f"{artifact.directory} cannot be loaded: {error}.", "Export again.") from error
    return partial(_answering, lambda images: net.answers([images])[0], artifact.manifest, statistics)


_ANSWERING: dict[str, Callable[[Artifact, Statistics, Reporter], Answering]] = {
    "ncnn": _by_ncnn,
    "onnx": _by_onnxruntime,
    "torch": _by_torch,
}
