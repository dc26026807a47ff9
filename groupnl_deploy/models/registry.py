"""The networks by name. To add one: a decorated function, and its module's name in `FAMILIES`."""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from groupnl_deploy.models.conv_site import ReplacementRule
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.replace import apply_conv_method
from groupnl_deploy.models.spec import ConvSpec, ModelSpec, Padding, Semantics
from groupnl_deploy.models.widths import conv_widths, resize

NetworkBuilder = Callable[[ModelSpec], nn.Module]
Placement = Callable[[ConvSpec], ReplacementRule]

FAMILIES = (
    "groupnl_deploy.models.resnet",
    "groupnl_deploy.models.vgg",
    "groupnl_deploy.models.mobilenet",
    "groupnl_deploy.models.efficientnet",
)
# The inputs and classes of the data sets that the papers' networks are made for.
CIFAR: dict[str, Any] = {"input_shape": (3, 32, 32), "num_classes": 10}
IMAGENET: dict[str, Any] = {"input_shape": (3, 224, 224), "num_classes": 1000}
PYTORCH_EPS = 1e-5
# What timm calls `tf_`: weights that were trained in TensorFlow, with its padding, its ε and pixels from -1 to 1.
TENSORFLOW: dict[str, Any] = {"padding": "same", "bn_eps": 1e-3, "mean": (0.5,) * 3, "std": (0.5,) * 3}

# The names of the authors' code, each a network with sparse GroupNL where the papers put it.
ALIASES: dict[str, tuple[str, str]] = {
    "gnl_resnet50": ("resnet50", "groupnl-sparse"),
    "gnl_resnet101": ("resnet101", "groupnl-sparse"),
    "mobilenetv2_gnl_100": ("mobilenetv2_100", "groupnl-sparse"),
    "mobilenetv3_gnl_large_100": ("mobilenetv3_large_100", "groupnl-sparse"),
    "efficientnet_gnl_lite0": ("efficientnet_lite0", "groupnl-sparse"),
    "efficientnet_gnl_es": ("efficientnet_es", "groupnl-sparse"),
    "efficientnetv2_gnl_s": ("efficientnetv2_s", "groupnl-sparse"),
}


class UnknownModel(InvalidSpec):
    """No network has this name; the remedy gives the nearest and lists those there are."""


class DuplicateModel(ValueError):
    """Two networks claim one name."""


def _leave(module: nn.Module) -> None:
    """PyTorch's own initialisation, as the layers come."""


@dataclass(frozen=True)
class ModelEntry:
    """One registered network.

    Args:
        name: what users type.
        summary: one line for the list of models.
        build: a spec → the network of standard convolutions.
        placement: a convolution's spec → which of them it stands for, as the papers have it.
        input_shape: (channels, height, width) its papers count it at.
        num_classes: of the data set it is made for.
        initialise: draws the weights of the finished network.
        bn_over_seeds: methods whose BatchNorm stands over the seeds in the paper.
        groupnl: the GroupNL of the paper: sparse for bottlenecks and depthwise convolutions, else dense.
        padding: the network's own; a `ModelSpec` may ask for another of `paddings`.
        bn_eps: ε of its BatchNorms, likewise.
        paddings: those its builder knows.
        mean: what its published weights were trained with, per channel; () is ImageNet's statistics.
        std: likewise.
    """

    name: str
    summary: str
    build: NetworkBuilder
    placement: Placement
    input_shape: tuple[int, int, int]
    num_classes: int
    initialise: Callable[[nn.Module], None] = _leave
    bn_over_seeds: tuple[str, ...] = ()
    groupnl: str = "groupnl-sparse"
    padding: Padding = "symmetric"
    bn_eps: float = PYTORCH_EPS
    paddings: tuple[Padding, ...] = ("symmetric",)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


_entries: dict[str, ModelEntry] = {}


def register_model(name: str, **about: Any) -> Callable[[NetworkBuilder], NetworkBuilder]:
    """Decorate a function `ModelSpec → nn.Module` that builds the network of standard convolutions.

    Args:
        name: what users type; it must be new.
        about: the other fields of `ModelEntry`.
    """

    def register(build: NetworkBuilder) -> NetworkBuilder:
        _require_new(name)
        _entries[name] = ModelEntry(name, build=build, **about)
        return build

    return register


def register_variant(name: str, of: str, **changes: Any) -> None:
    """Register a network that differs from another in fields of `ModelEntry` alone, such as its padding."""
    _require_new(name)
    _entries[name] = replace(_entries[of], name=name, **changes)


def _require_new(name: str) -> None:
    if name in _entries or name in ALIASES:
        raise DuplicateModel(f"a model named “{name}” is already registered")


def list_models() -> tuple[ModelEntry, ...]:
    """Every registered network, by name."""
    _import_families()
    return tuple(_entries[name] for name in sorted(_entries))


def model_spec(
    name: str,
    method: str | None = None,
    semantics: Semantics = "released",
    *,
    otherwise: Literal["standard", "groupnl"] = "standard",
    knobs: dict[str, Any] | None = None,
    **changes: Any,
) -> ModelSpec:
    """The spec of a network or alias as its papers have it.

    Args:
        name: a registered name, or one of `ALIASES`.
        method: the convolution; left out, an alias says it, and for any other name it is `otherwise`.
        semantics: of GroupNL.
        otherwise: see there; "groupnl" is the paper's GroupNL for this network, `ModelEntry.groupnl`.
        knobs: fields of `ConvSpec` that shall differ from the preset.
        changes: fields of `ModelSpec` that shall differ from the network's own.

    Raises `UnknownModel`, and `InvalidSpec` for what does not fit.
    """
    canonical, implied = ALIASES.get(name, (name, None))
    entry = _find(canonical)
    chosen = method or implied or (entry.groupnl if otherwise == "groupnl" else otherwise)
    if chosen in entry.bn_over_seeds:
        knobs = {"bn_position": "seeds"} | (knobs or {})
    spec = ModelSpec(
        entry.name,
        ConvSpec.preset(chosen, semantics, **(knobs or {})),
        num_classes=entry.num_classes,
        input_shape=entry.input_shape,
    )
    return _as_its_own(replace(spec, **changes), entry)


def _as_its_own(spec: ModelSpec, entry: ModelEntry) -> ModelSpec:
    """The same network, said in one way: None for what is the entry's own."""
    padding = None if spec.padding == entry.padding else spec.padding
    return replace(spec, padding=padding, bn_eps=None if spec.bn_eps == entry.bn_eps else spec.bn_eps)


def entry_of(name: str) -> ModelEntry:
    """The registered network of this name. Raises `UnknownModel`."""
    return _find(name)


def create_model(spec: ModelSpec) -> nn.Module:
    """Build the network with weights and hyper-parameters drawn from `spec.seed` alone.

    The same spec gives the same bits, and the caller's random state is left as it was.
    """
    entry = _find(spec.name)
    padding = spec.padding or entry.padding
    if padding not in entry.paddings:
        problem = f"padding is {padding!r}, and {spec.name} knows {' and '.join(map(repr, entry.paddings))} alone"
        raise InvalidSpec(problem, "Leave padding out, or choose a MobileNet or an EfficientNet.", "padding")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        network = _plain(entry, replace(spec, padding=padding))
        if spec.conv.method != "standard":
            _place(network, entry, spec.conv)
        entry.initialise(network)
    _set_eps(network, spec.bn_eps or entry.bn_eps)
    return network


def plain_widths(spec: ModelSpec) -> dict[str, int]:
    """The output channels of every convolution before any is replaced: the names and numbers of `ModelSpec.widths`.

    Raises `InvalidSpec` where the network cannot be built.
    """
    entry = _find(spec.name)
    with torch.device("meta"):
        return conv_widths(_plain(entry, replace(spec, padding=spec.padding or entry.padding)))


def _plain(entry: ModelEntry, spec: ModelSpec) -> nn.Module:
    """The network of ordinary convolutions, in its own widths."""
    network = entry.build(spec)
    if spec.widths:
        with torch.device("meta"):
            sketch = entry.build(spec)
        resize(network, sketch, dict(spec.widths), spec.input_shape)
    return network


def _set_eps(network: nn.Module, eps: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps


def _place(network: nn.Module, entry: ModelEntry, conv: ConvSpec) -> None:
    outcomes = apply_conv_method(network, entry.placement(conv))
    if not outcomes.replaced:
        raise InvalidSpec(
            f"no convolution of {entry.name} is one that {conv.method} stands for",
            "Choose another network, or another method.",
            "method",
        )


def _find(name: str) -> ModelEntry:
    known = [entry.name for entry in list_models()]
    if name in known:
        return _entries[name]
    begun = [one for one in known if name and one.startswith(name)]  # as `groupnl_deploy.words`, which is above us
    nearest = begun or difflib.get_close_matches(name, [*known, *ALIASES], n=1, cutoff=0.3)
    remedy = f"Did you mean “{nearest[0]}”? Known models" if nearest else "Choose one of these"
    raise UnknownModel(f"unknown model “{name}”", f"{remedy}: {', '.join(known)}.")


def _import_families() -> None:
    for module in FAMILIES:
        importlib.import_module(module)
