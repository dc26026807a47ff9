"""Checkpoint → artifact: the glue between the models and `exporters`, which know nothing of each other."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

import groupnl_deploy
from device_agent.strict import to_dict
from device_agent.wire import (
    MODEL_FILES,
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
from exporters.choices import DEFAULT_BATCH, DEFAULT_LEVEL, DEFAULT_OPSET, DEFAULT_TARGET, Batch, Level, Target
from exporters.errors import ParityError
from exporters.onnx_exporter import INPUT_NAME, OUTPUT_NAME, export_onnx, opset_of
from exporters.parity import Float32Array, compare, onnx_logits, torch_logits
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

    optimize: Level = DEFAULT_LEVEL
    target: Target = DEFAULT_TARGET
    opset: int = DEFAULT_OPSET
    batch: Batch = DEFAULT_BATCH
    bisect: bool = False


@dataclass(frozen=True)
class _Job:
    """One export: what is written, where, and what proves it.

    Args:
        checkpoint: the record of the network.
        model: the network itself, in evaluation mode.
        inputs: (N, C, H, W) images, preprocessed.
        expected: (N, classes) logits of `model` for them.
        format: of the model's file.
        options: what the user asked for.
        folder: where the files are written.
    """

    checkpoint: Checkpoint
    model: torch.nn.Module
    inputs: Float32Array
    expected: Float32Array
    format: Format
    options: ExportOptions
    folder: Path

    @property
    def file(self) -> Path:
        """The model's own."""
        return self.folder / MODEL_FILES[self.format]


@dataclass(frozen=True)
class _Exported:
    """What a format's writer adds to the manifest."""

    parity: Parity
    passes: tuple[PassReport, ...] = ()
    opset: int | None = None
    ir_version: int | None = None
    form: Literal["eager", "inference"] = "eager"


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
    with atomic_directory(out) as folder:
        with (reporter or Silence()).task(f"export {checkpoint.spec.label}") as tell:
            job = _Job(checkpoint, model, inputs, torch_logits(model, inputs), format, options, folder)
            exported = _WRITERS[format](job, tell)
        _write_golden(job)
        write_manifest(folder, _manifest(job, checkpoint_id(checkpoint_dir), exported))
    return open_artifact(out)


def _require_finite(model: torch.nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        broken = int((~torch.isfinite(tensor)).sum())
        if broken:
            raise ParityError(
                f"The checkpoint's {name} holds {broken} values that are NaN or infinite.",
                "Nothing was written. Train again, with a smaller learning rate if the loss diverged.",
            )


def parity_inputs(checkpoint: Checkpoint) -> Float32Array:
    """(N, C, H, W) preprocessed test images of the checkpoint's data set, else crops of real photographs."""
    images = bench_images(checkpoint.dataset, checkpoint.spec.input_shape, PARITY_IMAGES).images
    inputs: Float32Array = as_input(torch.tensor(images), checkpoint.mean, checkpoint.std).numpy()
    return inputs


def _write_onnx(job: _Job, tell: Task) -> _Exported:
    from exporters.optimize import optimize

    asked = job.options
    raw = export_onnx(job.model, (1, *job.checkpoint.spec.input_shape), asked.opset, asked.batch == "dynamic")
    best = optimize(
        raw,
        lambda proto: compare(job.expected, onnx_logits(proto, job.inputs)),
        asked.optimize,
        asked.target,
        asked.bisect,
        tell,
    )
    job.file.write_bytes(best.model.SerializeToString(deterministic=True))
    return _Exported(best.parity, best.passes, opset_of(best.model), best.model.ir_version)


def _write_torch(job: _Job, tell: Task) -> _Exported:
    from safetensors.torch import load_file

    plain = job.options.optimize == "none"
    write_tensors(job.file, (job.model if plain else to_inference(job.model)).state_dict())
    # Rebuilt from the file and the specification alone, as the device will do it.
    rebuilt = create_model(job.checkpoint.spec) if plain else inference_form(job.checkpoint.spec)
    rebuilt.load_state_dict(load_file(job.file))
    parity = compare(job.expected, torch_logits(rebuilt.eval(), job.inputs))
    return _Exported(parity, form="eager" if plain else "inference")


_WRITERS: dict[Format, Callable[[_Job, Task], _Exported]] = {"onnx": _write_onnx, "torch": _write_torch}


def _write_golden(job: _Job) -> None:
    """The first image and its logits, which the device must reproduce."""
    np.save(job.folder / GOLDEN.input, job.inputs[:1], allow_pickle=False)
    np.save(job.folder / GOLDEN.output, job.expected[:1], allow_pickle=False)


def _manifest(job: _Job, checkpoint_sha256: str, exported: _Exported) -> ArtifactManifest:
    checkpoint, spec = job.checkpoint, job.checkpoint.spec
    model: dict[str, Any] = to_dict(spec)
    files = (job.file, job.folder / GOLDEN.input, job.folder / GOLDEN.output)
    return ArtifactManifest(
        format=job.format,
        label=spec.label,
        model=model,
        trained=checkpoint.trained,
        dataset=checkpoint.dataset,
        accuracy=checkpoint.accuracy,
        checkpoint_sha256=checkpoint_sha256,
        files=tuple(FileDigest.of(file) for file in files),
        input=TensorInfo(INPUT_NAME, (1, *spec.input_shape)),
        output=TensorInfo(OUTPUT_NAME, (1, spec.num_classes)),
        preprocessing=Preprocessing(checkpoint.mean, checkpoint.std),
        producer=_producer(job.format),
        parity=exported.parity,
        passes=exported.passes,
        form=exported.form,
        golden=GOLDEN,
        opset=exported.opset,
        ir_version=exported.ir_version,
        optimize=job.options.optimize,
        target=job.options.target,
    )


def _producer(format: Format) -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "onnx", "onnx-ir", "onnxsim", "onnxruntime") if format == "onnx" else ("torch", "safetensors")
    return {"groupnl": groupnl_deploy.__version__} | {name: version(name) for name in packages}
