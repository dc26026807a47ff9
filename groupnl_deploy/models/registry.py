"""Names → specs → networks. Imports nothing slow: PyTorch and a network's file come with the first that is built."""

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from groupnl_deploy.models.networks import ALIASES, MODULES, NETWORKS, Network
from groupnl_deploy.models.own import own_network
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec, Semantics

if TYPE_CHECKING:
    from torch import nn


class UnknownModel(InvalidSpec):
    """No network has this name; the remedy gives the nearest and lists those there are."""


def list_models() -> tuple[Network, ...]:
    """Every network, by name."""
    return tuple(NETWORKS[name] for name in sorted(NETWORKS))


def list_modules() -> tuple[Network, ...]:
    """Every single layer that can be measured like a network, by name."""
    return tuple(MODULES[name] for name in sorted(MODULES))


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
        otherwise: see there; "groupnl" is the paper's GroupNL for this network, `Network.groupnl`.
        knobs: fields of `ConvSpec` that shall differ from the preset.
        changes: fields of `ModelSpec` that shall differ from the network's own.

    Raises `UnknownModel`, and `InvalidSpec` for what does not fit.
    """
    alias = ALIASES.get(name)
    entry = entry_of(alias.network if alias else name)
    implied = alias.method if alias else entry.groupnl if otherwise == "groupnl" else otherwise
    chosen = method or implied
    if alias and chosen == alias.method:
        knobs = {**alias.knobs, **(knobs or {})}
    if chosen in entry.bn_over_seeds:
        knobs = {"bn_position": "seeds"} | (knobs or {})
    spec = ModelSpec(
        entry.name,
        ConvSpec.preset(chosen, semantics, **(knobs or {})),
        num_classes=entry.num_classes,
        input_shape=entry.input_shape,
    )
    return _as_its_own(replace(spec, **changes), entry)


def _as_its_own(spec: ModelSpec, entry: Network) -> ModelSpec:
    """The same network, said in one way: None for what is the entry's own."""
    padding = None if spec.padding == entry.padding else spec.padding
    return replace(spec, padding=padding, bn_eps=None if spec.bn_eps == entry.bn_eps else spec.bn_eps)


def entry_of(name: str) -> Network:
    """The registered network or module of this name. Raises `UnknownModel`."""
    registered = {**NETWORKS, **MODULES}
    if name in registered:
        return registered[name]
    known = sorted(registered)
    begun = [one for one in known if name and one.startswith(name)]  # as `groupnl_deploy.words`, which is above us
    nearest = begun or difflib.get_close_matches(name, [*known, *ALIASES], n=1, cutoff=0.3)
    remedy = f"Did you mean “{nearest[0]}”? Known models" if nearest else "Choose one of these"
    raise UnknownModel(f"unknown model “{name}”", f"{remedy}: {', '.join(known)}.")


def network_of(spec: ModelSpec) -> Network:
    """The record of the spec's network, registered or the user's own. Raises `UnknownModel`."""
    return own_network(spec) if spec.code else entry_of(spec.name)


def create_model(spec: ModelSpec) -> "nn.Module":
    """Build the network with weights and hyper-parameters drawn from `spec.seed` alone.

    The same spec gives the same bits, and the caller's random state is left as it was. Raises `InvalidSpec`, and
    `own.CodeNotLoaded` for code of the user's that was not named.
    """
    entry = network_of(spec)
    from groupnl_deploy.models.construct import construct

    return construct(entry, spec)


def with_one_width(spec: ModelSpec, channels: int) -> ModelSpec:
    """The network with so many channels in every convolution of its plain form; depthwise ones follow.

    Raises `InvalidSpec` where that is no number of channels, and where the network cannot be built.
    """
    entry = network_of(spec)
    from groupnl_deploy.models.construct import dense_convs

    return replace(spec, widths=tuple((name, channels) for name in dense_convs(entry, spec)))


def plain_widths(spec: ModelSpec) -> dict[str, int]:
    """The output channels of every convolution before any is replaced: the names and numbers of `ModelSpec.widths`.

    Raises `InvalidSpec` where the network cannot be built.
    """
    entry = network_of(spec)
    from groupnl_deploy.models.construct import widths_of

    return widths_of(entry, spec)
