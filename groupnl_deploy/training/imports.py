"""A file of another program → a checkpoint folder, once every key of it fits the network that was named."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS
from groupnl_deploy.models.networks import ALIASES
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.registry import create_model, list_models, model_spec
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.checkpoint import Checkpoint, CheckpointDraft, save_checkpoint
from groupnl_deploy.training.claims import gather
from groupnl_deploy.training.first_norm import better_preparation
from groupnl_deploy.training.foreign import ForeignWeights, read_foreign
from groupnl_deploy.training.identity import could_be, function_of, require_the_named, undecided
from groupnl_deploy.training.impossible import COUNTER, looks_untouched, require_possible, some
from groupnl_deploy.training.preparation import ImageOptions, Preparation, prepare
from groupnl_deploy.workspace import require_absent

Shapes = dict[str, torch.Size]

# A network that shares less than this with a file is not worth naming as the one it may be.
NEAR = 0.5
_HYPER_PARAMETERS = (".periods", ".shifts", ".exponents", ".scales")


@dataclass(frozen=True)
class Imported:
    """The checkpoint that was written, and remarks for people about how; what was assumed the checkpoint keeps."""

    checkpoint: Checkpoint
    notes: tuple[str, ...]


def import_weights(
    path: Path, spec: ModelSpec, out: Path, *, ema: bool = False, images: ImageOptions | None = None
) -> Imported:
    """Write a checkpoint folder with the weights of a file that timm, the authors' code or another program wrote.

    The network counts as trained, because its file comes from a training; on which images and how well is not known,
    so `data` and `accuracy` are None and what the file says of itself is kept under `imported`. Frozen
    hyper-parameters come from the file like all weights; what is computed with them (GroupNL's normalisation, the
    sign of φ) no file says: that is the spec's. Other networks with the same keys compute other things: a file that
    says it is one is refused, and where none is named the checkpoint keeps which it could be.

    Args:
        path: the file; see `foreign.read_foreign`. A `config.json` of timm's beside it is read too.
        spec: the network.
        out: the folder to write; it must not exist.
        ema: take timm's moving average of the weights.
        images: how images become inputs, as far as the user knows; see `preparation`.

    Raises `UsageError` with every key that is missing, unexpected or of another shape, for weights in a state that no
    training leaves, and for a file that says it is another network.
    """
    require_absent(out)
    weights = read_foreign(path, ema=ema)
    claims = gather(path, weights.said, weights.origin.sha256)
    prepared = prepare(spec, images or ImageOptions(), claims)
    spec = prepared.spec
    model = create_model(spec)
    notes = [*weights.notes, *_arch_note(weights, spec), *_fill(model, weights, spec, path)]
    require_the_named(path, spec, claims)
    assumed = [*(could_be(spec, twin) for twin in undecided(spec, claims)), *function_of(spec)]
    assumed += [*prepared.assumed, *_of_statistics(model.eval(), weights, prepared)]
    draft = CheckpointDraft(
        spec=spec,
        data=None,
        trained=True,
        mean=prepared.mean,
        std=prepared.std,
        imported=replace(weights.origin, images=prepared.notes),
        assumed=tuple(assumed),
    )
    return Imported(save_checkpoint(out, draft, model.eval()), (*notes, *prepared.notes))


def _of_statistics(model: nn.Module, weights: ForeignWeights, prepared: Preparation) -> Iterator[str]:
    """What the BatchNorms say of the training: that there was none, or with which mean and std where nobody says."""
    if looks_untouched(weights.tensors):
        yield "its BatchNorms never saw an image, as in a network that was never trained; it counts as trained here"
    elif prepared.assumed_statistics:
        better = better_preparation(model, prepared.spec, prepared.mean, prepared.std)
        if better is not None:
            yield better


def _fill(model: nn.Module, weights: ForeignWeights, spec: ModelSpec, path: Path) -> list[str]:
    state = model.state_dict()
    given = _shapes(weights.tensors)
    misfit = _misfit(_shapes(state), given)
    if misfit:
        raise UsageError(
            f"{path} does not fit {spec.label}: {misfit}.",
            _remedy(spec, given, weights.origin.arch),
        )
    require_possible(path, weights.tensors)
    model.load_state_dict({key: weights.tensors.get(key, own).to(own.dtype) for key, own in state.items()})
    return [*_dtype_note(weights.tensors), *_counter_note(state, weights.tensors)]


def _misfit(wanted: Shapes, given: Shapes) -> str:
    """Every key that does not fit, by kind of mistake; "" if all do.

    BatchNorm's count of batches may be missing: it came with PyTorch 0.4.1, and no result depends on it here.
    """
    missing = [key for key in wanted if key not in given and not key.endswith(COUNTER)]
    unexpected = [key for key in given if key not in wanted]
    other = [
        f"{key} {_words(given[key])} instead of {_words(shape)}"
        for key, shape in wanted.items()
        if key in given and given[key] != shape
    ]
    kinds = ((missing, "missing"), (unexpected, "unexpected"), (other, "of another shape"))
    return "; ".join(f"{len(keys)} {kind} ({some(keys)})" for keys, kind in kinds if keys)


def _dtype_note(tensors: dict[str, Tensor]) -> Iterator[str]:
    found = {tensor.dtype for key, tensor in tensors.items() if not key.endswith(COUNTER)} - {torch.float32}
    if found:
        yield f"weights in {', '.join(sorted(str(dtype).removeprefix('torch.') for dtype in found))} became float32"


def _counter_note(state: dict[str, Tensor], tensors: dict[str, Tensor]) -> Iterator[str]:
    absent = sum(key.endswith(COUNTER) and key not in tensors for key in state)
    if absent:
        yield f"the file has no {COUNTER} for {absent} BatchNorms, as files before PyTorch 0.4.1; they start at zero"


def _arch_note(weights: ForeignWeights, spec: ModelSpec) -> Iterator[str]:
    arch = weights.origin.arch
    if arch is not None and _meaning(arch) != (spec.name, spec.conv.method):
        yield f"the file calls its network “{arch}”; its keys fit {spec.label}"


def _meaning(name: str) -> tuple[str, str]:
    return ALIASES.get(name, (name, "standard"))


def _remedy(spec: ModelSpec, given: Shapes, arch: str | None) -> str:
    """What to try for a file that does not fit: other classes, or the network that it resembles most."""
    classes, own = _alike(spec, given)
    if own == 1 and classes != spec.num_classes:
        return f"Its last layer has {classes} classes: give --classes {classes}."
    channels = _channels(spec, given)
    if channels and channels != spec.input_shape[0]:
        _, height, width = spec.input_shape
        return f"Its first layer takes {channels} channels: give --input {channels},{height},{width}."
    kind, (name, likeness) = _kind(spec, given), _most_alike(spec, given, arch)
    if likeness > max(own, NEAR):
        return f"{kind}It fits {name} best: give --model {name}."
    if spec.code:
        return f"{kind}Let {spec.code} make the very network whose weights these are."
    return kind + "Give --model the network's name and --conv, --ratio and --width what it was trained with."


def _channels(spec: ModelSpec, given: Shapes) -> int | None:
    """Of the images, where a file fits but for its first convolution's input; else None."""
    wanted = _outline(spec)[0]
    other = [key for key in wanted if wanted[key] != given.get(key)]
    if len(other) != 1 or len(given.get(other[0], ())) != 4 or other[0] != next(iter(wanted)):
        return None
    own, found = wanted[other[0]], given[other[0]]
    return found[1] if (own[0], *own[2:]) == (found[0], *found[2:]) else None


def _kind(spec: ModelSpec, given: Shapes) -> str:
    """A sentence on files with GroupNL's hyper-parameters for networks without, and the other way round."""
    has = any(key.endswith(_HYPER_PARAMETERS) for key in given)
    if has != spec.conv.has_semantics:
        return f"The file {'looks like GroupNL' if has else 'has no hyper-parameters of GroupNL'}. "
    return ""


def _most_alike(spec: ModelSpec, given: Shapes, arch: str | None) -> tuple[str, float]:
    """The network that a file resembles most, as one writes it behind --model, and how much."""
    best = ("", 0.0)
    for name, other in _candidates(spec, arch):
        classes, likeness = _alike(replace(other, width=spec.width), given)
        more = "" if other.num_classes == classes else f" --classes {classes}"
        best = max(best, (name + more, likeness), key=lambda named: named[1])
        if likeness == 1:
            break
    return best


def _candidates(spec: ModelSpec, arch: str | None) -> Iterator[tuple[str, ModelSpec]]:
    """What to write behind --model, and its spec; first what the file calls itself."""
    names = [*ALIASES, *(entry.name for entry in list_models())]
    for name in sorted(names, key=lambda name: name != arch):
        yield name, model_spec(name)
    for method in CONVOLUTIONS if spec.code is None else ():
        if not METHODS[method].one_of:  # else it is not complete without a number
            yield f"{spec.name} --conv {method}", model_spec(spec.name, method)


def _alike(spec: ModelSpec, given: Shapes) -> tuple[int, float]:
    """(classes that the file has, likeness of the network with as many): 1 is the same network, 0 is nothing alike.

    The likeness is the keys with equal shapes over all keys of either, BatchNorm's counters aside.
    """
    wanted, classifier = _outline(spec)
    given = _without_counters(given)
    classes = next(iter(given.get(f"{classifier}.weight", ())), spec.num_classes)
    resized = {key: torch.Size((classes, *wanted[key][1:])) for key in wanted if key.startswith(f"{classifier}.")}
    wanted = wanted | resized
    return classes, len(wanted.items() & given.items()) / max(len(wanted.keys() | given.keys()), 1)


@functools.cache
def _outline(spec: ModelSpec) -> tuple[Shapes, str | None]:
    """A network's keys and shapes, and the name of its last linear layer; no keys where it cannot be built."""
    try:
        with torch.device("cpu" if spec.code else "meta"):  # a stranger's code may look at values
            model = create_model(spec)
    except InvalidSpec:
        return {}, None
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return _without_counters(_shapes(model.state_dict())), linear[-1] if linear else None


def _without_counters(shapes: Shapes) -> Shapes:
    return {key: shape for key, shape in shapes.items() if not key.endswith(COUNTER)}


def _shapes(tensors: dict[str, Tensor]) -> Shapes:
    return {key: tensor.shape for key, tensor in tensors.items()}


def _words(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a single number"
