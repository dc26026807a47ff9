"""Checkpoint → artifact: the glue between the models and `exporters`, which know nothing of each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

import groupnl_deploy
from device_agent.strict import to_dict
from device_agent.wire import (
    ArtifactManifest,
    FileDigest,
    Format,
    Golden,
    Parity,
    PassReport,
    Preprocessing,
    TensorInfo,
)
from exporters.artifact import Artifact, open_artifact, write_manifest
from exporters.costs import Target
from exporters.errors import ParityError
from exporters.onnx_exporter import DEFAULT_OPSET
from exporters.optimize import Level
from exporters.parity import compare, onnx_logits, torch_logits
from groupnl_deploy.models.inference import inference_form, to_inference
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.progress import Reporter, Silence, Task
from groupnl_deploy.training.checkpoint import Checkpoint, checkpoint_id, load_model
from groupnl_deploy.training.data import as_input, bench_images
from groupnl_deploy.training.files import write_tensors
from groupnl_deploy.workspace import atomic_directory

PARITY_IMAGES = 8
GOLDEN = Golden()


@dataclass(frozen=True)
class _Exported:
    """What a format's writer adds to the manifest."""

    file: str
    parity: Parity
    passes: tuple[PassReport, ...] = ()
    opset: int | None = None
    ir_version: int | None = None
    options: "ExportOptions | None" = None
    form: Literal["eager", "inference"] = "eager"


@dataclass(frozen=True)
class ExportOptions:
    """What an export shall be; target, opset, batch and bisect are for ONNX.

    Args:
        optimize: "none" (as torch exports it), "standard" (constant folding, BN fusion, onnxsim) or "full". For the
            format torch "none" is the network as it trains; the others are its inference form.
        target: whose cost table chooses between equal forms.
        opset: of the operators.
        batch: 1, or "dynamic" for a first axis of any size.
        bisect: when a pass breaks parity, search for the node where it does.
    """

    optimize: Level = "full"
    target: Target = "generic"
    opset: int = DEFAULT_OPSET
    batch: Literal["1", "dynamic"] = "1"
    bisect: bool = False


def export_checkpoint(
    checkpoint_dir: Path,
    out: Path,
    format: Format,
    options: ExportOptions = ExportOptions(),
    reporter: Reporter | None = None,
) -> Artifact:
    """Export a checkpoint to a new artifact folder, proved equal on real images before it appears.

    Raises `ParityError`, `ExportFailed`, `VerificationFailed` for a damaged checkpoint, `UsageError` where
    `out` exists.
    """
    checkpoint, model = load_model(checkpoint_dir)
    _require_finite(model)
    inputs = parity_inputs(checkpoint)
    write = {"onnx": _write_onnx, "torch": _write_torch}[format]
    with atomic_directory(out) as folder:
        with (reporter or Silence()).task(f"export {checkpoint.spec.label}") as tell:
            exported = write(checkpoint, model, inputs, folder, options, tell)
        _write_golden(folder, model, inputs)
        manifest = _manifest(checkpoint, checkpoint_id(checkpoint_dir), format, exported, folder)
        write_manifest(folder, manifest)
    return open_artifact(out)


def _require_finite(model: torch.nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        broken = int((~torch.isfinite(tensor)).sum())
        if broken:
            raise ParityError(
                f"The checkpoint's {name} holds {broken} values that are NaN or infinite.",
                "Nothing was written. Train again, with a smaller learning rate if the loss diverged.",
            )


def parity_inputs(checkpoint: Checkpoint) -> npt.NDArray[np.float32]:
    """(N, C, H, W) preprocessed test images of the checkpoint's data set, else crops of real photographs."""
    images = bench_images(checkpoint.dataset, checkpoint.spec.input_shape, PARITY_IMAGES).images
    inputs: npt.NDArray[np.float32] = as_input(torch.tensor(images), checkpoint.mean, checkpoint.std).numpy()
    return inputs


def _write_onnx(
    checkpoint: Checkpoint,
    model: torch.nn.Module,
    inputs: npt.NDArray[np.float32],
    folder: Path,
    options: ExportOptions,
    tell: Task,
) -> _Exported:
    from exporters.onnx_exporter import export_onnx, opset_of
    from exporters.optimize import optimize

    raw = export_onnx(model, (1, *checkpoint.spec.input_shape), options.opset, options.batch == "dynamic")
    expected = torch_logits(model, inputs)
    best = optimize(
        raw,
        lambda proto: compare(expected, onnx_logits(proto, inputs)),
        options.optimize,
        options.target,
        options.bisect,
        tell,
    )
    (folder / "model.onnx").write_bytes(best.model.SerializeToString(deterministic=True))
    return _Exported("model.onnx", best.parity, best.passes, opset_of(best.model), best.model.ir_version, options)


def _write_torch(
    checkpoint: Checkpoint,
    model: torch.nn.Module,
    inputs: npt.NDArray[np.float32],
    folder: Path,
    options: ExportOptions,
    tell: Task,
) -> _Exported:
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    plain = options.optimize == "none"
    write_tensors(path, (model if plain else to_inference(model)).state_dict())
    # Rebuilt from the file and the specification alone, as the device will do it.
    rebuilt = create_model(checkpoint.spec) if plain else inference_form(checkpoint.spec)
    rebuilt.load_state_dict(load_file(path))
    parity = compare(torch_logits(model, inputs), torch_logits(rebuilt.eval(), inputs))
    return _Exported(path.name, parity, options=options, form="eager" if plain else "inference")


def _write_golden(folder: Path, model: torch.nn.Module, inputs: npt.NDArray[np.float32]) -> None:
    np.save(folder / GOLDEN.input, inputs[:1], allow_pickle=False)
    np.save(folder / GOLDEN.output, torch_logits(model, inputs[:1]), allow_pickle=False)


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
        files=tuple(FileDigest.of(folder / name) for name in (exported.file, GOLDEN.input, GOLDEN.output)),
        input=TensorInfo("input", (1, *spec.input_shape)),
        output=TensorInfo("logits", (1, spec.num_classes)),
        preprocessing=Preprocessing(checkpoint.mean, checkpoint.std),
        producer=_producer(format),
        parity=exported.parity,
        passes=exported.passes,
        form=exported.form,
        golden=GOLDEN,
        opset=exported.opset,
        ir_version=exported.ir_version,
        optimize=exported.options.optimize if exported.options else None,
        target=exported.options.target if exported.options else None,
    )


def _producer(format: Format) -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "onnx", "onnx-ir", "onnxsim", "onnxruntime") if format == "onnx" else ("torch", "safetensors")
    return {"groupnl": groupnl_deploy.__version__} | {name: version(name) for name in packages}
