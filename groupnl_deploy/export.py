"""Checkpoint → artifact: the glue between the models and `exporters`, which know nothing of each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch

from device_agent.arrays import write_arrays
from device_agent.manifest import (
    ArtifactFile,
    ArtifactManifest,
    Format,
    Golden,
    NativeOperators,
    Parity,
    PassReport,
    Preprocessing,
    Role,
    Source,
    TensorInfo,
)
from device_agent.strict import to_dict
from exporters.artifact import Artifact, open_artifact, write_manifest
from exporters.choices import (
    INPUT_NAME,
    OUTPUT_NAME,
    Level,
)
from exporters.errors import BatchBaked, ParityError
from exporters.gain import gain_of_native, nothing_native
from exporters.model_files import write_models
from exporters.ncnn.packages import require_ncnn
from exporters.ncnn.write import ncnn_network
from exporters.onnx_exporter import export_onnx, opset_of
from exporters.onnx_failures import require_fits_one_file
from exporters.optimize import Optimized, Proof, optimize
from exporters.options import ExportOptions
from exporters.parity import golden_pair, prove_onnx, prove_torch
from exporters.reference import Float32Array, reference_of
from exporters.right_answers import Reference
from exporters.targets import target_named
from exporters.targets.base import Target
from exporters.targets.ncnn import for_ncnn
from exporters.tolerances import PROVED_AT
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.at_hand import where_sought
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.dataset import Dataset, Pixels
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.models.inference import inference_form, to_inference
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.native.session import layer_library, registration
from groupnl_deploy.progress import Reporter, Silence, Task
from groupnl_deploy.recheck import require_record
from groupnl_deploy.training.checkpoint import Checkpoint, checkpoint_id, load_model
from groupnl_deploy.training.files import write_tensors
from groupnl_deploy.training.impossible import require_possible
from groupnl_deploy.training.own_images import find_own_images
from groupnl_deploy.version import __version__
from groupnl_deploy.workspace import atomic_directory

PARITY_IMAGES = 8
HOST_ALONE = (
    "{} is code of your own, which runs on this machine alone, and a device would need it for the format torch."
)
_AS_USUAL = ExportOptions()
_TORCH_MODEL = "model.safetensors"


@dataclass(frozen=True)
class _Job:
    """One export: what is written, where, and what proves it.

    Args:
        checkpoint: the record of the network.
        model: the network itself, in evaluation mode.
        reference: images, preprocessed, and the right answers to them.
        format: of the model's file.
        options: what the user asked for.
        bisect: when a pass breaks parity, search for the node where it does.
        folder: where the files are written.
        watcher: of the export.
    """

    checkpoint: Checkpoint
    model: torch.nn.Module
    reference: Reference
    format: Format
    options: ExportOptions
    bisect: bool
    folder: Path
    watcher: Reporter

    @property
    def golden_files(self) -> dict[Role, Path]:
        """Where the arrays of the golden pair go, by the role that the manifest gives them."""
        names: dict[Role, str] = {"golden_input": "golden_input.npz", "golden_output": "golden_output.npz"}
        return {role: self.folder / name for role, name in names.items()}


@dataclass(frozen=True)
class Exported:
    """What the writer of a format wrote, and adds to the manifest."""

    files: tuple[ArtifactFile, ...]
    parity: Parity
    passes: tuple[PassReport, ...] = ()
    opset: int | None = None
    ir_version: int | None = None
    form: Literal["eager", "inference"] = "eager"
    native: NativeOperators | None = None


def export_checkpoint(
    checkpoint_dir: Path,
    out: Path,
    format: Format,
    options: ExportOptions = _AS_USUAL,
    reporter: Reporter | None = None,
    bisect: bool = False,
) -> Artifact:
    """Export a checkpoint to a new artifact folder, proved equal on real images before it appears.

    With `bisect`, a pass that breaks parity is searched for the node where it does.

    Raises `ParityError`, `ExportFailed`, `VerificationFailed` for a damaged checkpoint, `UsageError` where
    `out` exists.
    """
    checkpoint, model = load_model(checkpoint_dir)
    if format == "torch" and checkpoint.spec.code:
        raise UsageError(HOST_ALONE.format(checkpoint.spec.code), "Export it with --format onnx.")
    require_fits_format(format, options)
    _require_finite(model)
    require_possible(checkpoint_dir, model.state_dict())
    require_record(checkpoint, model)
    if format != "torch":
        require_fits_one_file(model)
    watcher = reporter or Silence()
    with atomic_directory(out) as folder:
        with watcher.task(f"export {checkpoint.spec.label}") as tell:
            data = data_of(checkpoint_dir, checkpoint, watcher)
            more = partial(wider_inputs, checkpoint, data)
            reference = reference_of(model, parity_inputs(checkpoint, data), PROVED_AT[options.batch], more)
            job = _Job(checkpoint, model, reference, format, options, bisect, folder, watcher)
            exported = _WRITERS[format](job, tell)
        if exported.parity.amplification is not None:
            watcher.note(exported.parity.amplification)
        golden = _write_golden(job, exported.parity)
        write_manifest(folder, _manifest(job, checkpoint_id(checkpoint_dir), exported, golden))
    return open_artifact(out)


def inputs_of(spec: ModelSpec) -> tuple[TensorInfo]:
    """The only input of a network: an image."""
    return (TensorInfo(INPUT_NAME, (1, *spec.input_shape)),)


def require_fits_format(format: Format, options: ExportOptions) -> None:
    """Raise `UsageError` for what only ONNX's format can have."""
    if format == "torch" and options.optimize == "native":
        raise UsageError(
            "Native operators are for ONNX and ncnn, and the format is torch.",
            "Choose another level, or export with the format onnx or ncnn.",
        )
    if format == "ncnn" and options.batch == "dynamic":
        raise UsageError(
            "ncnn computes one image at a time, and a dynamic batch is asked for.",
            "Leave the batch at 1, or export with the format onnx.",
        )


def _require_finite(model: torch.nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        broken = int((~torch.isfinite(tensor)).sum())
        if broken:
            raise ParityError(
                f"The checkpoint's {name} holds {broken} values that are NaN or infinite.",
                "Nothing was written. Train again, with a smaller learning rate if the loss diverged.",
            )


def parity_inputs(checkpoint: Checkpoint, data: Dataset | None = None) -> Float32Array:
    """(N, C, H, W) preprocessed test images of the checkpoint's data set, else crops of real photographs."""
    images = _images(checkpoint, data, PARITY_IMAGES)
    inputs: Float32Array = as_input(torch.tensor(images), checkpoint.mean, checkpoint.std).numpy()
    return inputs


def _images(checkpoint: Checkpoint, data: Dataset | None, count: int) -> Pixels:
    return bench_images(data, checkpoint.spec.input_shape, count).images


def data_of(folder: Path, checkpoint: Checkpoint, reporter: Reporter) -> Dataset | None:
    """The data set that the network in a checkpoint folder was trained on, where it is at hand."""
    data = find_own_images(folder, checkpoint, reporter)
    if data is None and checkpoint.data is not None:
        reporter.note(
            "The images that the network was trained on are not at hand, and it is proved on photographs: "
            f"{where_sought(checkpoint.data)}."
        )
    return data


def wider_inputs(checkpoint: Checkpoint, data: Dataset | None = None) -> Float32Array:
    """Four times as many images, then some of noise, of black and white points, and of one colour; preprocessed."""
    shape = checkpoint.spec.input_shape
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (4, *shape), dtype=np.uint8)
    points = random.integers(0, 2, (4, *shape), dtype=np.uint8) * np.uint8(255)
    flat = np.stack([np.full(shape, level, dtype=np.uint8) for level in (0, 128, 255)])
    images = np.concatenate([_images(checkpoint, data, 4 * PARITY_IMAGES), noise, points, flat])
    inputs: Float32Array = as_input(torch.tensor(images), checkpoint.mean, checkpoint.std).numpy()
    return inputs


def _rewritten(job: _Job, tell: Task, proof: Proof, target: Target) -> tuple[onnx.ModelProto, Optimized]:
    """The graph as torch gives it, and as the passes leave it."""
    asked, warned = job.options, list[str]()
    shape = (1, *job.checkpoint.spec.input_shape)
    raw = export_onnx(job.model, shape, asked.opset, asked.batch == "dynamic", warned.append)
    try:
        return raw, optimize(raw, proof, asked.optimize, target, job.bisect, tell)
    except BatchBaked as error:
        said = f" While tracing, torch warned: {warned[0]}." if warned else ""
        raise BatchBaked(error.message + said, error.remedy) from error


def _write_onnx(job: _Job, tell: Task) -> Exported:
    asked, target = job.options, target_named(job.options.target)
    register = registration(asked.optimize, job.watcher)  # first: where there is no library, nobody waits for the rest
    proof = partial(prove_onnx, job.reference, register=register)
    raw, best = _rewritten(job, tell, proof, target)
    made = write_models(job.folder, best, asked.optimize, target, proof)
    for remark in (gain_of_native(raw, asked.optimize, target), nothing_native(asked.optimize, made.native)):
        if remark is not None:
            job.watcher.note(remark)
    model = made.best.model
    return Exported(
        made.files, made.best.parity, made.best.passes, opset_of(model), model.ir_version, native=made.native
    )


def _write_torch(job: _Job, tell: Task) -> Exported:
    from safetensors.torch import load_file

    plain, file = job.options.optimize == "none", job.folder / _TORCH_MODEL
    write_tensors(file, (job.model if plain else to_inference(job.model)).state_dict())
    # Rebuilt from the file and the specification alone, as the device will do it.
    rebuilt = create_model(job.checkpoint.spec) if plain else inference_form(job.checkpoint.spec)
    rebuilt.load_state_dict(load_file(file))
    files, parity = (ArtifactFile.in_role("model", file),), prove_torch(job.reference, rebuilt.eval())
    return Exported(files, parity, form="eager" if plain else "inference")


def _write_ncnn(job: _Job, tell: Task) -> Exported:
    require_ncnn()  # first, as above
    level, target = job.options.optimize, for_ncnn(target_named(job.options.target))
    proof = partial(prove_onnx, job.reference, register=registration(level, job.watcher))
    _, best = _rewritten(job, tell, proof, target)
    return as_ncnn(job.folder, best, inputs_of(job.checkpoint.spec), 1, job.reference, level, job.watcher)


def as_ncnn(
    folder: Path,
    best: Optimized,
    inputs: Sequence[TensorInfo],
    outputs: int,
    reference: Reference,
    level: Level,
    watcher: Reporter,
) -> Exported:
    """A graph that the passes are through with, converted, proved and written. Raises as `ncnn_network`."""
    made = ncnn_network(folder, best, inputs, outputs, reference, layer_library(level, watcher))
    if (remark := nothing_native(level, made.native)) is not None:
        watcher.note(remark)
    return Exported(made.files, made.parity, made.passes, native=made.native)


_WRITERS: dict[Format, Callable[[_Job, Task], Exported]] = {
    "onnx": _write_onnx,
    "torch": _write_torch,
    "ncnn": _write_ncnn,
}


def _write_golden(job: _Job, parity: Parity) -> Golden:
    """An image and its right logits, which the device must reproduce."""
    golden, inputs, outputs = golden_pair(job.reference, parity)
    write_arrays(job.golden_files["golden_input"], inputs)
    write_arrays(job.golden_files["golden_output"], outputs)
    return golden


def _manifest(job: _Job, checkpoint_sha256: str, exported: Exported, golden: Golden) -> ArtifactManifest:
    checkpoint, spec = job.checkpoint, job.checkpoint.spec
    model: dict[str, Any] = to_dict(spec)
    return ArtifactManifest(
        format=job.format,
        label=spec.label,
        model=model,
        trained=checkpoint.trained,
        data=checkpoint.data,
        accuracy=checkpoint.accuracy,
        source=Source("checkpoint", checkpoint_sha256),
        files=(*exported.files, *(ArtifactFile.in_role(role, path) for role, path in job.golden_files.items())),
        inputs=inputs_of(spec),
        outputs=(TensorInfo(OUTPUT_NAME, (1, spec.num_classes)),),
        preprocessing=Preprocessing(checkpoint.mean, checkpoint.std, view=checkpoint.view),
        producer=producer(job.format),
        parity=exported.parity,
        passes=exported.passes,
        form=exported.form,
        golden=golden,
        opset=exported.opset,
        ir_version=exported.ir_version,
        optimize=job.options.optimize,
        target=job.options.target,
        batch=job.options.batch,
        native=exported.native,
        picked=checkpoint.picked,
    )


_OF_GRAPHS = ("torch", "onnx", "onnx-ir", "onnxsim", "onnxruntime")
_PRODUCERS: dict[Format, tuple[str, ...]] = {
    "onnx": _OF_GRAPHS,
    "torch": ("torch", "safetensors"),
    "ncnn": (*_OF_GRAPHS, "pnnx", "ncnn"),
}


def producer(format: Format) -> dict[str, str]:
    """The versions of what makes an artifact of that format."""
    from importlib.metadata import version

    packages = _PRODUCERS[format]
    return {"groupnl": __version__} | {name: version(name) for name in packages}
