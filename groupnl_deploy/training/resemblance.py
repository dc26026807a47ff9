"""Which network a file resembles, for the remedy where it does not fit the one that was named."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS
from groupnl_deploy.models.networks import ALIASES
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.registry import list_models, model_spec
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.impossible import COUNTER

Shapes = dict[str, torch.Size]

# A network that shares less than this with a file is not worth naming as the one it may be.
NEAR = 0.5
_HYPER_PARAMETERS = (".periods", ".shifts", ".exponents", ".scales")


def shapes_of(tensors: Mapping[str, Tensor]) -> Shapes:
    """Of every tensor."""
    return {key: tensor.shape for key, tensor in tensors.items()}


def remedy_for(spec: ModelSpec, given: Shapes, arch: str | None) -> str:
    """What to try for a file that does not fit: other classes, or the network that it resembles most.

    Args:
        spec: what was named.
        given: keys and shapes of the file.
        arch: what the file calls itself.
    """
    classes, own = _alike(spec, given)
    if own == 1 and classes != spec.num_classes:
        return f"Its last layer has {classes} classes: give --classes {classes}."
    channels = channels_of(spec, given)
    if channels and channels != spec.input_shape[0]:
        _, height, width = spec.input_shape
        return f"Its first layer takes {channels} channels: give --input {channels},{height},{width}."
    kind, (name, likeness) = _kind(spec, given), _most_alike(spec, given, arch)
    if likeness > max(own, NEAR):
        return f"{kind}It fits {name} best: give --model {name}."
    if spec.code:
        return f"{kind}Let {spec.code} make the very network whose weights these are."
    return kind + "Give --model the network's name and --conv, --ratio and --width what it was trained with."


def channels_of(spec: ModelSpec, given: Shapes) -> int | None:
    """Of the images, where a file fits but for its first convolution's input and its classes; else None."""
    wanted, classifier = outline(spec)
    last = f"{classifier}."
    other = [key for key in wanted if wanted[key] != given.get(key) and not key.startswith(last)]
    if len(other) != 1 or len(given.get(other[0], ())) != 4 or other[0] != next(iter(wanted)):
        return None
    own, found = wanted[other[0]], given[other[0]]
    return found[1] if (own[0], *own[2:]) == (found[0], *found[2:]) else None


@functools.cache
def outline(spec: ModelSpec) -> tuple[Shapes, str | None]:
    """A network's keys and shapes, and the name of its last linear layer; no keys where it cannot be built.

    BatchNorms' counters, on which no result depends, are none of them.
    """
    try:
        model = sketch(spec)
    except InvalidSpec:
        return {}, None
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return _without_counters(shapes_of(model.state_dict())), linear[-1] if linear else None


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
    wanted, classifier = outline(spec)
    given = _without_counters(given)
    classes = next(iter(given.get(f"{classifier}.weight", ())), spec.num_classes)
    resized = {key: torch.Size((classes, *wanted[key][1:])) for key in wanted if key.startswith(f"{classifier}.")}
    wanted = wanted | resized
    return classes, len(wanted.items() & given.items()) / max(len(wanted.keys() | given.keys()), 1)


def _without_counters(shapes: Shapes) -> Shapes:
    return {key: shape for key, shape in shapes.items() if not key.endswith(COUNTER)}
