"""An artifact that is a step of a training: its label, batch and weights against its specification."""

from collections.abc import Iterator

from device_agent.manifest import ArtifactManifest, Source, TensorInfo
from device_agent.strict import to_json
from device_agent.training_step import STEP_INPUTS, TrainingStep
from exporters.choices import OUTPUT_NAME
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.workspace import sha256_hex


def label_of(spec: ModelSpec, step: TrainingStep, images: int) -> str:
    """What such an artifact is called."""
    return f"{spec.label}: {step.called}, {images} images"


def step_inputs(spec: ModelSpec, images: int) -> tuple[TensorInfo, TensorInfo]:
    """Images and labels of a batch."""
    of_images, of_labels = STEP_INPUTS
    return TensorInfo(of_images, (images, *spec.input_shape)), TensorInfo(of_labels, (images,), "int64")


def source_of(spec: ModelSpec) -> Source:
    """What it was made from: a specification alone, by the digest of its JSON."""
    return Source("specification", sha256_hex(to_json(spec).encode()))


def of_step(manifest: ArtifactManifest, spec: ModelSpec, step: TrainingStep) -> Iterator[str]:
    """What differs, a clause each."""
    images = manifest.inputs[0].shape[0] if manifest.inputs[0].shape else 0
    if images < 2:
        yield "its batch has fewer than two images, which have no statistics"
        return
    pairs = (
        ("label", manifest.label, label_of(spec, step, images)),
        ("inputs", manifest.inputs, step_inputs(spec, images)),
        ("outputs", manifest.outputs, (TensorInfo(OUTPUT_NAME, (images, spec.num_classes)),)),
        ("source", manifest.source, source_of(spec)),
        ("optimize", manifest.optimize, "none"),
        ("trained", manifest.trained, False),
        ("quantized", manifest.quantized, False),
    )
    for what, said, right in pairs:
        if said != right:
            yield f"its {what} is {said}, and its step has {right}"
    if manifest.data is not None:
        yield "it is a step of a training, and says on which data set it was trained"
