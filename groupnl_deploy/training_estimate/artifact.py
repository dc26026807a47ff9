"""A step of a training as an artifact: proved against double precision, and with a batch to be measured on."""

import copy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from device_agent.arrays import write_arrays
from device_agent.manifest import ArtifactFile, ArtifactManifest, Golden, Parity, Role, TensorInfo
from device_agent.strict import to_dict
from device_agent.training_step import STEP_INPUTS
from exporters.artifact import Artifact, open_artifact, write_manifest
from exporters.choices import OUTPUT_NAME
from exporters.parity import compare, golden_pair
from exporters.right_answers import Answers, Array, Reference, Tensors, most_off, spread_of
from exporters.targets import DEFAULT_TARGET
from groupnl_deploy.export import producer
from groupnl_deploy.models.training_step import step_of
from groupnl_deploy.recheck_step import label_of, source_of, step_inputs
from groupnl_deploy.training.files import write_tensors
from groupnl_deploy.training_estimate.steps import Step
from groupnl_deploy.workspace import atomic_directory

_FILES: dict[Role, str] = {
    "model": "model.safetensors",
    "golden_input": "golden_input.npz",
    "golden_output": "golden_output.npz",
    "samples": "samples.npz",
}


def step_artifact(folder: Path, step: Step) -> Artifact:
    """The step as an artifact in `folder`, with random weights; one that is there is taken.

    Raises `ParityError` where what a device would rebuild answers otherwise than double precision allows.
    """
    if folder.is_dir():
        return open_artifact(folder)
    samples = _batch(step)
    module = step_of(step.spec, step.step)
    with atomic_directory(folder) as made:
        path = {role: made / name for role, name in _FILES.items()}
        write_tensors(path["model"], module.state_dict())
        rebuilt = step_of(step.spec, step.step)
        rebuilt.load_state_dict(load_file(path["model"]))
        reference, parity = _proved(module, rebuilt, samples)
        golden, inputs, outputs = golden_pair(reference, parity)
        write_arrays(path["golden_input"], inputs)
        write_arrays(path["golden_output"], outputs)
        write_arrays(path["samples"], {name: array[None] for name, array in samples.items()})
        write_manifest(made, _manifest(step, made, parity, golden))
    return open_artifact(folder)


def _batch(step: Step) -> Tensors:
    random = np.random.default_rng(0)
    images = random.standard_normal((step.images, *step.spec.input_shape), dtype=np.float32)
    return dict(zip(STEP_INPUTS, (images, random.integers(0, step.spec.num_classes, step.images)), strict=True))


def _proved(module: nn.Module, rebuilt: nn.Module, samples: Tensors) -> tuple[Reference, Parity]:
    """The right logits of the batch, and how far those of what a device rebuilds are from them."""
    images = torch.from_numpy(samples["images"])
    right = _logits(copy.deepcopy(module).double(), images.double())
    single = _logits(module, images)
    answers = Answers((right,), 1, spread_of((right,)), most_off((right,), (single,)))
    parity = compare((right,), (_logits(rebuilt, images),), eager_error=answers.eager_error, images=1)
    return Reference((samples,), (1,), {OUTPUT_NAME: answers}), parity


@torch.no_grad()
def _logits(module: nn.Module, images: torch.Tensor) -> Array:
    """One thread, so that the figures are the same on every machine with these libraries."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        logits: Array = module(images).double().numpy()
    finally:
        torch.set_num_threads(threads)
    return logits


def _manifest(step: Step, folder: Path, parity: Parity, golden: Golden) -> ArtifactManifest:
    spec, batch = step.spec, step.images
    return ArtifactManifest(
        format="torch",
        label=label_of(spec, step.step, batch),
        model=to_dict(spec),
        trained=False,
        data=None,
        accuracy=None,
        source=source_of(spec),
        files=tuple(ArtifactFile.in_role(role, folder / name) for role, name in _FILES.items()),
        inputs=step_inputs(spec, batch),
        outputs=(TensorInfo(OUTPUT_NAME, (batch, spec.num_classes)),),
        preprocessing=None,
        producer=producer("torch"),
        parity=parity,
        form="step",
        golden=golden,
        optimize="none",
        target=DEFAULT_TARGET,
        samples=1,
        step=step.step,
    )
