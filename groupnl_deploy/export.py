"""Checkpoint → artifact: the glue between the models and `exporters`, which know nothing of each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import groupnl_deploy
from device_agent.strict import to_dict
from device_agent.wire import ArtifactManifest, FileDigest, Format, Parity, PassReport, Preprocessing, TensorInfo
from exporters.artifact import Artifact, open_artifact, write_manifest
from exporters.parity import compare, onnx_logits, torch_logits
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.training.checkpoint import Checkpoint, checkpoint_id, load_model
from groupnl_deploy.training.data import as_input, bench_images
from groupnl_deploy.training.files import write_tensors
from groupnl_deploy.workspace import atomic_directory

PARITY_IMAGES = 16


@dataclass(frozen=True)
class _Exported:
    """What a format's writer adds to the manifest."""

    file: str
    parity: Parity
    passes: tuple[PassReport, ...] = ()
    opset: int | None = None
    ir_version: int | None = None


def export_checkpoint(checkpoint_dir: Path, out: Path, format: Format) -> Artifact:
    """Export a checkpoint to a new artifact folder, proved equal on real images before it appears.

    Raises `ParityError`, `ExportFailed`, `VerificationFailed` for a damaged checkpoint, `UsageError` where
    `out` exists.
    """
    checkpoint, model = load_model(checkpoint_dir)
    inputs = parity_inputs(checkpoint)
    write = {"onnx": _write_onnx, "torch": _write_torch}[format]
    with atomic_directory(out) as folder:
        exported = write(checkpoint, model, inputs, folder)
        manifest = _manifest(checkpoint, checkpoint_id(checkpoint_dir), format, exported, folder)
        write_manifest(folder, manifest)
    return open_artifact(out)


def parity_inputs(checkpoint: Checkpoint) -> npt.NDArray[np.float32]:
    """(N, C, H, W) preprocessed test images of the checkpoint's data set, else crops of real photographs."""
    images = bench_images(checkpoint.dataset, checkpoint.spec.input_shape, PARITY_IMAGES).images
    inputs: npt.NDArray[np.float32] = as_input(torch.tensor(images), checkpoint.mean, checkpoint.std).numpy()
    return inputs


def _write_onnx(
    checkpoint: Checkpoint, model: torch.nn.Module, inputs: npt.NDArray[np.float32], folder: Path
) -> _Exported:
    from exporters.onnx_exporter import export_onnx, opset_of
    from exporters.optimize import optimize

    proto, passes = optimize(export_onnx(model, (1, *checkpoint.spec.input_shape)))
    parity = compare(torch_logits(model, inputs), onnx_logits(proto, inputs))
    (folder / "model.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    return _Exported("model.onnx", parity, passes, opset_of(proto), proto.ir_version)


def _write_torch(
    checkpoint: Checkpoint, model: torch.nn.Module, inputs: npt.NDArray[np.float32], folder: Path
) -> _Exported:
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    write_tensors(path, model.state_dict())
    # Rebuilt from the file and the specification alone, as the device will do it.
    rebuilt = create_model(checkpoint.spec)
    rebuilt.load_state_dict(load_file(path))
    return _Exported(path.name, compare(torch_logits(model, inputs), torch_logits(rebuilt.eval(), inputs)))


def _manifest(
    checkpoint: Checkpoint, checkpoint_sha256: str, format: Format, exported: _Exported, folder: Path
) -> ArtifactManifest:
    spec = checkpoint.spec
    model: dict[str, Any] = to_dict(spec)
    return ArtifactManifest(
        format=format,
        label=spec.label,
        model=model,
        trained=checkpoint.trained,
        dataset=checkpoint.dataset,
        accuracy=checkpoint.accuracy,
        checkpoint_sha256=checkpoint_sha256,
        files=(FileDigest.of(folder / exported.file),),
        input=TensorInfo("input", (1, *spec.input_shape)),
        output=TensorInfo("logits", (1, spec.num_classes)),
        preprocessing=Preprocessing(checkpoint.mean, checkpoint.std),
        producer=_producer(format),
        parity=exported.parity,
        passes=exported.passes,
        opset=exported.opset,
        ir_version=exported.ir_version,
    )


def _producer(format: Format) -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "onnx", "onnxsim", "onnxruntime") if format == "onnx" else ("torch", "safetensors")
    return {"groupnl": groupnl_deploy.__version__} | {name: version(name) for name in packages}
