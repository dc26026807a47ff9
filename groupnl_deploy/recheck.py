"""What a manifest or a checkpoint's record says, held against what can be looked at again.

Both are plain JSON: a hand that changes `trained` or `opset` gives a new, valid identity. So before anything is
pushed or exported every claim that has a witness is compared with it: the graph, the weights, the golden pair, the
checkpoint where it is at hand. Each check is a function from what is said and what was found to the sentences on
where they differ; `require_artifact` and `require_record` read the files and raise.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from device_agent.artifact_id import is_artifact_id
from device_agent.manifest import ArtifactManifest, Golden, TensorInfo
from device_agent.strict import StrictError, from_dict
from exporters.artifact import Artifact
from exporters.choices import BATCH_NAME, INPUT_NAME, LEVELS, OUTPUT_NAME
from exporters.graph_facts import Axes, GraphFacts, Value, read_graph_facts
from exporters.ncnn.names import CONVERSION
from exporters.targets import TARGETS
from exporters.tolerances import (
    ON_A_DEVICE,
    PROVED_AT,
    QUANTIZED_MOST,
    QUANTIZED_TIES,
    ROUNDINGS,
    TOLERANCE,
    tie,
)
from groupnl_deploy.artifact_source import REMEDY, ExportedFrom, given_source, source_at_hand
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.recheck_arrays import of_golden, of_samples
from groupnl_deploy.recheck_native import of_native
from groupnl_deploy.recheck_ncnn import of_ncnn
from groupnl_deploy.recheck_step import of_step
from groupnl_deploy.words import first_few
from groupnl_deploy.workspace import CHECKPOINT_FILE

if TYPE_CHECKING:
    from torch import Tensor, nn

    from groupnl_deploy.training.checkpoint import Checkpoint, CheckpointDraft

Shapes = dict[str, tuple[tuple[int, ...], str]]  # shape and element type, by key
# An untrained network gives its own answers to this; a trained one is off by about one spread.
SAME_ANSWERS = 1e-3
# The passes of the levels that have few, see `exporters.optimize`.
_LEVELS = {("strip",): "none", ("simplify", "strip"): "standard"}
_SLACK = 1 + 1e-6


def require_artifact(artifact: Artifact, checkpoint: Path | None = None) -> tuple[str, ...]:
    """Check an artifact's manifest again, whose files' digests were found right. Returns what could not be checked.

    Args:
        artifact: as `open_artifact` gives it.
        checkpoint: the folder it was exported from; where none is given the places are searched where it mostly is.

    Raises `VerificationFailed` with everything that differs, `UsageError` for a `checkpoint` that is none.
    """
    manifest = artifact.manifest
    spec = None if manifest.source.kind == "onnx" else _spec(manifest)
    if spec is None:
        differing = [*of_file(manifest)]
    elif manifest.step is not None:
        differing = [*of_step(manifest, spec, manifest.step)]
    else:
        differing = [*of_specification(manifest, spec)]
    differing += [
        *of_proof(manifest),
        *of_making(manifest),
        *of_training(manifest),
        *of_golden(artifact),
        *of_samples(artifact),
    ]
    if manifest.format == "onnx":
        files = [file.name for file in manifest.files if file.role in ("model", "other_model")]
        graphs = {name: read_graph_facts(artifact.directory / name) for name in files}
        differing += [*of_graph(manifest, graphs[manifest.file("model").name]), *of_native(manifest, graphs)]
    if spec is not None and manifest.format == "torch":
        differing += of_no_graph(manifest)
        found = _stored(artifact.path("model"))
        differing += of_weights(found, _expected(manifest, spec))
    if manifest.format == "ncnn":
        differing += [*of_no_graph(manifest), *of_ncnn(manifest, artifact.path("model"))]
    source = given_source(manifest, checkpoint) if checkpoint else source_at_hand(artifact)
    if source is not None:
        differing += of_record(manifest, source)
    elif spec is not None and spec.code is None and manifest.trained and not differing:  # a user's code stays away
        differing += _of_fresh_weights(artifact, spec)
    if differing:
        raise VerificationFailed(f"{artifact.directory} is not what its manifest says: {'; '.join(differing)}.", REMEDY)
    return _unchecked(manifest, source)


def of_specification(manifest: ArtifactManifest, spec: ModelSpec) -> Iterator[str]:
    """Label, input and output against the specification of the network."""
    pairs = (
        ("label", manifest.label, spec.label),
        ("input", manifest.inputs, (TensorInfo(INPUT_NAME, (1, *spec.input_shape)),)),
        ("output", manifest.outputs, (TensorInfo(OUTPUT_NAME, (1, spec.num_classes)),)),
    )
    for what, said, right in pairs:
        if said != right:
            yield f"its {what} is {_said(said)}, and its model has {_said(right)}"
    about = manifest.preprocessing
    if about is None or about.layout != "nchw" or manifest.trained is None or manifest.quantized:
        yield "it was exported from a checkpoint, and says what such an artifact never does"
    else:
        yield from _of_statistics(about.mean, about.std, spec.input_shape[0])


def of_file(manifest: ArtifactManifest) -> Iterator[str]:
    """What nobody can know of a file of somebody else's, and what an image needs."""
    if any(said is not None for said in (manifest.trained, manifest.data, manifest.accuracy, manifest.picked)):
        yield "it was made from an ONNX file, and says how that was trained"
    if Path(manifest.source.file or "").name != (manifest.source.file or ""):
        yield f"its file is {manifest.source.file!r}, which is no plain name"
    if manifest.preprocessing is not None and manifest.image_shape is not None:
        yield from _of_statistics(manifest.preprocessing.mean, manifest.preprocessing.std, manifest.image_shape[0])


def of_proof(manifest: ArtifactManifest) -> Iterator[str]:
    """The proof's figures against each other."""
    parity, least = manifest.parity, TOLERANCE * manifest.parity.output_std
    if not (parity.same_top1 and parity.max_abs_error <= parity.tolerance * parity.output_std * _SLACK):
        yield f"it is off by {parity.max_abs_error:.3g}, more than the proof allows"
    if not parity.tolerance * parity.output_std <= max(least, ROUNDINGS * parity.eager_error) * _SLACK:
        yield f"its tolerance is {parity.tolerance:.3g}, wider than its rounding allows"
    if (
        manifest.model
        and manifest.step is None
        and (parity.amplifier is None) != (parity.tolerance <= TOLERANCE * _SLACK)
    ):
        place = parity.amplifier.module if parity.amplifier else "no place"
        yield f"its tolerance is {parity.tolerance:.3g}, and it names {place} where rounding grows"
    if parity.batches != PROVED_AT[manifest.batch]:
        yield f"it was proved at batches {parity.batches}, and its batch is {manifest.batch}"
    if parity.output not in {info.name for info in manifest.outputs}:
        yield f"its proof is of {parity.output}, which is none of its outputs"
    if not 0 <= parity.p99_abs_error <= parity.max_abs_error or parity.images < 1:
        yield f"its figures are none: {parity.p99_abs_error:.3g} for 99 % on {parity.images} images"
    yield from _of_allowances(manifest)


def _of_allowances(manifest: ArtifactManifest) -> Iterator[str]:
    """What a device may be off by against the proof."""
    parity, golden = manifest.parity, manifest.golden
    if golden is None:
        yield "it has no golden pair, with which a device is tried"
        return
    if golden.measure != ("mean" if manifest.quantized else "max"):
        yield f"its golden pair is held against the {golden.measure} |Δ|, and quantized is {manifest.quantized}"
    if manifest.quantized:
        yield from _of_quantized(manifest, golden)
        return
    for info, allowed in zip(manifest.outputs, golden.tolerances, strict=True):
        most = ON_A_DEVICE * parity.tolerance * parity.output_std if info.is_float else 0.0
        if allowed > most * _SLACK and (info.name == parity.output or not info.is_float):
            yield f"its golden tolerance of {info.name} is {allowed:.3g}, and the proof allows {most:.3g}"
    if not golden.tie <= ON_A_DEVICE * tie(parity.eager_error) * _SLACK:
        yield f"its golden tie is {golden.tie:.3g}, wider than its rounding allows"


def _of_quantized(manifest: ArtifactManifest, golden: Golden) -> Iterator[str]:
    """Of a quantized graph: nobody may be off by half the spread, and no two answers farther apart are tied."""
    parity, names = manifest.parity, [info.name for info in manifest.outputs]
    most, widest = QUANTIZED_MOST * parity.output_std, max(golden.tolerances)
    for name, allowed in zip(names, golden.tolerances, strict=True):
        if name == parity.output and allowed > most * _SLACK:
            yield f"its golden tolerance of {name} is {allowed:.3g}, and a quantized graph has at most {most:.3g}"
    if golden.tie > QUANTIZED_TIES * widest * _SLACK:
        yield f"its golden tie is {golden.tie:.3g}, wider than its tolerances allow"


def of_making(manifest: ArtifactManifest) -> Iterator[str]:
    """The level against the passes or the form that it gives, and words that must be known ones."""
    ran = tuple(report.name for report in manifest.passes if report.name != CONVERSION)
    most = "native" if any(name.startswith("native_") for name in ran) else "full"
    found = _LEVELS.get(ran, most) if manifest.format != "torch" and manifest.model else manifest.optimize
    if manifest.format == "torch" and (manifest.form == "inference") == (manifest.optimize == "none"):
        found = "standard or full" if manifest.form == "inference" else "none"
    if manifest.optimize != found or found not in LEVELS:
        yield f"its level is {manifest.optimize}, and it was made by {found}"
    target = TARGETS.get(manifest.target or "")
    if target is None:
        yield f"its target is {manifest.target}, which is none"
    elif not target.reads(manifest.opset or 0, manifest.ir_version or 0):
        yield f"its target is {target.name}, whose ONNX Runtime {target.oldest_runtime} does not read its opset or IR"
    if not is_artifact_id(manifest.source.sha256):
        yield f"its source is {manifest.source.sha256}, which is no digest"


def of_training(manifest: "ArtifactManifest | CheckpointDraft") -> Iterator[str]:
    """`trained`, `accuracy` and `data` against each other."""
    accuracy = manifest.accuracy
    if accuracy is not None and not 0 <= accuracy <= 1:
        yield f"its accuracy is {accuracy}, which is none"
    if accuracy is not None and not manifest.trained:
        yield "it has an accuracy and is untrained"
    if accuracy is not None and manifest.data is None:
        yield "it has an accuracy and no data set"
    if manifest.trained and manifest.data is not None and accuracy is None:
        yield f"it was trained on {manifest.data.name} and has no accuracy"


def of_graph(manifest: ArtifactManifest, graph: GraphFacts) -> Iterator[str]:
    """Versions, names, shapes and types against the graph in the file."""
    pairs = (
        ("opset", manifest.opset, graph.opset),
        ("ir_version", manifest.ir_version, graph.ir_version),
        ("input", _values(manifest, manifest.inputs, graph.inputs), graph.inputs),
        ("output", _values(manifest, manifest.outputs, graph.outputs), graph.outputs),
    )
    for what, said, right in pairs:
        if said != right:
            yield f"its {what} is {_one(said)}, and the graph's {_one(right)}"
    if manifest.passes and not graph.in_blocks and manifest.passes[-1].nodes_after != graph.nodes:
        yield f"its last pass left {manifest.passes[-1].nodes_after} nodes, and the graph has {graph.nodes}"


def _values(manifest: ArtifactManifest, said: tuple[TensorInfo, ...], found: tuple[Value, ...]) -> tuple[Value, ...]:
    """The manifest's inputs or outputs as a graph says them; an axis without a size in somebody else's may have any."""
    first = (BATCH_NAME,) if manifest.batch == "dynamic" else (1,)
    if manifest.model:
        return tuple(Value(info.name, info.dtype, (*first, *info.shape[1:])) for info in said)
    axes = {value.name: value.shape for value in found}
    return tuple(Value(info.name, info.dtype, _axes(info.shape, axes.get(info.name, ()))) for info in said)


def _axes(said: tuple[int, ...], found: Axes) -> Axes:
    if len(said) != len(found):
        return said
    return tuple(known if isinstance(known, str) else size for size, known in zip(said, found, strict=True))


def of_no_graph(manifest: ArtifactManifest) -> Iterator[str]:
    """Claims on a graph where there is none."""
    for what in ("opset", "ir_version"):
        if getattr(manifest, what) is not None:
            yield f"its {what} is {getattr(manifest, what)}, and it has no graph"


def of_weights(found: Shapes, expected: Shapes) -> Iterator[str]:
    """The tensors of a file against those that the network of the specification has."""
    wrong = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    if wrong:
        yield f"its weights are another network's: {first_few(wrong, 3)}"


def of_record(manifest: ArtifactManifest, checkpoint: ExportedFrom) -> Iterator[str]:
    """A manifest against its checkpoint."""
    about = manifest.preprocessing
    pairs = (
        ("trained", manifest.trained, checkpoint.trained),
        ("accuracy", manifest.accuracy, checkpoint.accuracy),
        ("picked", manifest.picked, None if manifest.picked is None else checkpoint.picked),  # it may be older
        ("data set", manifest.data, checkpoint.data),
        ("mean", about and about.mean, checkpoint.mean),
        ("std", about and about.std, checkpoint.std),
        ("view", about and about.view, checkpoint.view),
        ("model", _spec(manifest), checkpoint.spec),
    )
    for what, said, right in pairs:
        if said != right:
            yield f"its {what} is {said}, and its checkpoint's {right}"
    same_file = (manifest.format, manifest.form) == ("torch", "eager")
    if same_file and manifest.file("model").sha256 != checkpoint.weights.sha256:
        yield "its weights are not its checkpoint's"


def require_record(checkpoint: "Checkpoint", model: "nn.Module") -> None:
    """Check a checkpoint's record against itself and against its weights, whose digest was found right.

    Raises `VerificationFailed`.
    """
    differing = [*of_training(checkpoint), *of_origin(checkpoint)]
    differing += _of_statistics(checkpoint.mean, checkpoint.std, checkpoint.spec.input_shape[0])
    if checkpoint.trained and checkpoint.imported is None and is_fresh(checkpoint.spec, model.state_dict()):
        differing.append("it says that it was trained, and its weights are those of the untrained network of its seed")
    if differing:
        raise VerificationFailed(
            f"The {CHECKPOINT_FILE} of {checkpoint.spec.label} was edited: {'; '.join(differing)}.",
            "Copy it again from where it was whole, or train again.",
        )


def of_origin(checkpoint: "CheckpointDraft") -> Iterator[str]:
    """Trained here, imported or neither: what goes with it."""
    here = checkpoint.recipe is not None or checkpoint.epochs > 0
    if here and not checkpoint.trained:
        yield "it has a recipe and is untrained"
    if checkpoint.imported is not None and (here or not checkpoint.trained or checkpoint.data is not None):
        yield "it was imported, and says more than is known of an import"
    if checkpoint.trained and checkpoint.imported is None and not here:
        yield "it says that it was trained, and has no recipe"


def is_fresh(spec: ModelSpec, state: "dict[str, Tensor]") -> bool:
    """Whether these are to the bit the weights that the seed gives an untrained network."""
    import torch

    from groupnl_deploy.models.registry import create_model

    fresh = create_model(spec).state_dict()
    return fresh.keys() == state.keys() and all(torch.equal(fresh[key], state[key]) for key in fresh)


def _of_fresh_weights(artifact: Artifact, spec: ModelSpec) -> Iterator[str]:
    """Whether the golden answer is that of the untrained network which the seed gives."""
    import numpy as np
    import torch

    from device_agent.arrays import read_arrays
    from groupnl_deploy.models.registry import create_model

    manifest = artifact.manifest
    if manifest.golden is None:
        return
    (image,) = read_arrays(artifact.path("golden_input"), manifest.inputs).values()
    (right,) = read_arrays(artifact.path("golden_output"), manifest.outputs).values()
    with torch.inference_mode():
        fresh = create_model(spec).eval()(torch.from_numpy(image)).numpy()
    if np.abs(fresh - right).max() <= SAME_ANSWERS * manifest.parity.output_std:
        yield "it says that it was trained, and answers as the untrained network of its seed"


def _spec(manifest: ArtifactManifest) -> ModelSpec:
    try:
        return from_dict(ModelSpec, manifest.model, "model")
    except StrictError as error:
        raise VerificationFailed(f"The manifest's {error}.", REMEDY) from error


def _of_statistics(mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> Iterator[str]:
    if len(mean) != channels or len(std) != channels:
        yield f"its preprocessing has {len(mean)} means and {len(std)} deviations for {channels} channels"
    if not all(map(math.isfinite, (*mean, *std))) or any(value <= 0 for value in std):
        yield f"its preprocessing divides by {std} after taking off {mean}, which are no such numbers"


def _stored(path: Path) -> Shapes:
    """Shapes and types in a safetensors file, by its header alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as opened:
            slices = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118 (it is no dictionary)
            return {key: (tuple(part.get_shape()), str(part.get_dtype())) for key, part in slices.items()}
    except SafetensorError as error:
        raise VerificationFailed(f"{path} is no safetensors file.", REMEDY) from error


def _expected(manifest: ArtifactManifest, spec: ModelSpec) -> Shapes:
    import torch

    from groupnl_deploy.models.inference import inference_form
    from groupnl_deploy.models.registry import create_model
    from groupnl_deploy.models.training_step import step_of

    names = {torch.float32: "F32", torch.int64: "I64"}
    if manifest.step is not None:  # what is drawn for candidates cannot be sketched
        network: nn.Module = step_of(spec, manifest.step)
    else:
        with torch.device("meta"):
            network = inference_form(spec) if manifest.form == "inference" else create_model(spec)
    return {key: (tuple(it.shape), names.get(it.dtype, str(it.dtype))) for key, it in network.state_dict().items()}


def _unchecked(manifest: ArtifactManifest, source: ExportedFrom | None) -> tuple[str, ...]:
    if source is not None or not manifest.trained:
        return ()
    figure = "" if manifest.accuracy is None else f" to {100 * manifest.accuracy:.2f} %"
    where = f"its checkpoint {manifest.source.sha256[:12]} is not at hand (--checkpoint names its folder)"
    return (f"that it was trained{figure} is what the manifest says, and nobody checked it: {where}",)


def _said(value: object) -> str:
    """For a sentence: inputs and outputs as people write them."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else repr(value)


def _one(value: object) -> object:
    """The only one of several, for people."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value
