"""A file of another program → a checkpoint folder, once every key of it fits the network that was named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.networks import ALIASES
from groupnl_deploy.models.registry import create_model, entry_of
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.checkpoint import Checkpoint, CheckpointDraft, save_checkpoint
from groupnl_deploy.training.claims import Claim, Claims, gather
from groupnl_deploy.training.first_norm import better_preparation
from groupnl_deploy.training.foreign import ForeignWeights, read_foreign
from groupnl_deploy.training.foreign.prefixes import Ways
from groupnl_deploy.training.foreign.torchvision import NETWORKS, STEM, is_torchvisions, translated
from groupnl_deploy.training.identity import could_be, function_of, require_the_named, undecided
from groupnl_deploy.training.impossible import COUNTER, looks_untouched, require_possible
from groupnl_deploy.training.misfit import require_fit
from groupnl_deploy.training.preparation import ImageOptions, Preparation, prepare
from groupnl_deploy.training.resemblance import channels_of, outline, shapes_of
from groupnl_deploy.workspace import require_absent


@dataclass(frozen=True)
class Imported:
    """The checkpoint that was written, and remarks for people about how; what was assumed the checkpoint keeps."""

    checkpoint: Checkpoint
    notes: tuple[str, ...]


def import_weights(
    path: Path,
    spec: ModelSpec,
    out: Path,
    *,
    ema: bool = False,
    take: str | None = None,
    images: ImageOptions | None = None,
) -> Imported:
    """Write a checkpoint folder with the weights of a file that another program wrote.

    The network counts as trained, because its file comes from a training; on which images and how well is not known,
    so `data` and `accuracy` are None and what the file says of itself is kept under `imported`. Frozen
    hyper-parameters come from the file like all weights; what is computed with them (GroupNL's normalisation, the
    sign of φ) no file says: that is the spec's. Other networks with the same keys compute other things: a file that
    says it is one is refused, and where none is named the checkpoint keeps which it could be.

    Args:
        path: the file; see `foreign.read_foreign`. A `config.json` of timm's beside it is read too.
        spec: the network.
        out: the folder to write; it must not exist.
        ema: take the moving average of the weights that trainings keep beside them.
        take: the name in the file of the state dict, or of the part of one, to take.
        images: how images become inputs, as far as the user knows; see `preparation`.

    Raises `UsageError` with every key that is missing, unexpected or of another shape, for weights in a state that no
    training leaves, and for a file that says it is another network.
    """
    require_absent(out)
    weights = read_foreign(path, ways=_ways(spec), ema=ema, take=take)
    weights, spec, named = _in_our_words(path, weights, spec)
    claims = gather(path, weights.said, weights.origin.sha256)
    claims = replace(claims, names=(*named, *claims.names))
    channels = channels_of(spec, shapes_of(weights.tensors))
    prepared = prepare(spec, images or ImageOptions(), claims, channels)
    spec = prepared.spec
    require_fit(path, spec, shapes_of(weights.tensors), weights.origin.arch)
    require_possible(path, weights.tensors)
    require_the_named(path, spec, claims)
    model = _filled(spec, weights.tensors)
    draft = CheckpointDraft(
        spec=spec,
        data=None,
        trained=True,
        mean=prepared.mean,
        std=prepared.std,
        imported=replace(weights.origin, images=prepared.notes),
        assumed=tuple(_assumed(model, weights, prepared, claims)),
        view=prepared.view,
    )
    notes = (*weights.notes, *_arch_note(weights, spec), *_dtype_note(weights.tensors), *_counter_note(model, weights))
    return Imported(save_checkpoint(out, draft, model), (*notes, *prepared.notes))


def _ways(spec: ModelSpec) -> Ways:
    """In which the keys of a network may be in a file: ours, and torchvision's."""
    return tuple(outline(spec)[0]), STEM


def _in_our_words(
    path: Path, weights: ForeignWeights, spec: ModelSpec
) -> tuple[ForeignWeights, ModelSpec, tuple[Claim, ...]]:
    """Torchvision's keys become the network's, with torchvision's ε, and name it; everything else stays as it is."""
    translation = translated(weights.tensors, outline(spec)[0]) if is_torchvisions(weights.tensors) else None
    if translation is None or spec.name.removeprefix("tf_") not in NETWORKS:
        return weights, spec, ()
    theirs, eps = NETWORKS[spec.name.removeprefix("tf_")]
    if (spec.padding or entry_of(spec.name).padding) != "symmetric":
        raise UsageError(
            f"{path} is torchvision's {theirs}, by its keys, and {spec.label} pads its maps otherwise.",
            f"Give --model {spec.name.removeprefix('tf_')}, without --padding.",
        )
    eps = spec.bn_eps or eps
    note = f"its keys are torchvision's of {theirs} and were translated" + (f"; BN eps is {eps:g} there" if eps else "")
    translated_weights = replace(weights, tensors=translation, notes=(*weights.notes, note))
    return translated_weights, replace(spec, bn_eps=eps), (Claim("its keys", f"torchvision's {theirs}", spec.name),)


def _filled(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network around the file's own tensors, in evaluation mode; nothing is copied that is float32 already."""
    model = sketch(spec)
    state = {key: _as_own(tensors.get(key), own) for key, own in model.state_dict().items()}
    model.load_state_dict(state, assign=True)
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        model = create_model(spec)  # it has constants that no state dict keeps
        model.load_state_dict(state)
    return model.eval()


def _as_own(given: Tensor | None, own: Tensor) -> Tensor:
    return torch.zeros(own.shape, dtype=own.dtype) if given is None else given.to(own.dtype)


def _assumed(model: nn.Module, weights: ForeignWeights, prepared: Preparation, claims: Claims) -> Iterator[str]:
    """What nobody said and could not be found out, a sentence each."""
    spec = prepared.spec
    yield from (could_be(spec, twin) for twin in undecided(spec, claims))
    yield from function_of(spec)
    yield from prepared.assumed
    yield from _of_statistics(model, weights, prepared)


def _of_statistics(model: nn.Module, weights: ForeignWeights, prepared: Preparation) -> Iterator[str]:
    """What the BatchNorms say of the training: that there was none, or with which mean and std where nobody says."""
    if looks_untouched(weights.tensors):
        yield "its BatchNorms never saw an image, as in a network that was never trained; it counts as trained here"
    elif prepared.assumed_statistics:
        better = better_preparation(model, prepared.spec, prepared.mean, prepared.std)
        if better is not None:
            yield better


def _dtype_note(tensors: dict[str, Tensor]) -> Iterator[str]:
    found = {tensor.dtype for key, tensor in tensors.items() if not key.endswith(COUNTER)} - {torch.float32}
    if found:
        yield f"weights in {', '.join(sorted(str(dtype).removeprefix('torch.') for dtype in found))} became float32"


def _counter_note(model: nn.Module, weights: ForeignWeights) -> Iterator[str]:
    absent = sum(key.endswith(COUNTER) and key not in weights.tensors for key in model.state_dict())
    if absent:
        yield f"the file has no {COUNTER} for {absent} BatchNorms, as files before PyTorch 0.4.1; they start at zero"


def _arch_note(weights: ForeignWeights, spec: ModelSpec) -> Iterator[str]:
    arch = weights.origin.arch
    if arch is not None and _meaning(arch) != (spec.name, spec.conv.method):
        yield f"the file calls its network “{arch}”; its keys fit {spec.label}"


def _meaning(name: str) -> tuple[str, str]:
    alias = ALIASES.get(name)
    return (alias.network, alias.method) if alias else (name, "standard")
