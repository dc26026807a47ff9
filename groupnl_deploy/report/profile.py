"""A profile's operators → what each layer takes: share of the time, milliseconds, an estimate of its energy. Pure.

An operator is of the layer whose nodes it computes. What only follows a layer (a norm, an activation, a change of the
memory's layout) is of the layer that it reads from, where that is one alone. All else, such as sums of residual blocks
and pools, is of the block that it stands in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from device_agent.messages.profile import OperatorTime, Profiled

if TYPE_CHECKING:
    from groupnl_deploy.models.layer_roles import LayerRole

Roles = Mapping[str, "LayerRole"]
OUTSIDE = "(outside)"
"""The layer of what stands in none: the network's own sums, and what the runtime put before the first."""
# Names, below a GroupNL layer, of its seed convolution: in the network and in its fast form.
_SEEDS = ("conv1", "conv")
# Native operators (exporters/native/operators.py): one makes the other maps of the seeds, one does both at once.
_GENERATE, _BOTH = "Generate", "GroupNL"


@dataclass(frozen=True)
class LayerTime:
    """What one layer takes of one inference.

    Args:
        layer: its dotted name in the network; of another's ONNX file the path in its nodes' names.
        kind: of a convolution its word, such as "groupnl-sparse"; "linear"; else the class of the module. Null where
            nobody knows the network.
        operators: how many of them ran for it.
        ms: milliseconds under the profiler.
        share: of the time of all operators.
        seeds_ms: of `ms`, the seed convolution; null for a layer without one, and where one operator does both.
        generated_ms: of `ms`, all behind it.
        energy_estimate_j: `share` of the energy of one inference, gross; null without a meter.
    """

    layer: str
    kind: str | None
    operators: int
    ms: float
    share: float
    seeds_ms: float | None
    generated_ms: float | None
    energy_estimate_j: float | None


@dataclass(frozen=True)
class KindTime:
    """What all operators of one kind take of one inference; `energy_estimate_j` as of a layer."""

    kind: str
    calls: float
    ms: float
    share: float
    energy_estimate_j: float | None


@dataclass(frozen=True)
class NodeTime:
    """What one operator takes of one inference, and its layer; `energy_estimate_j` as of a layer."""

    name: str
    kind: str
    layer: str
    calls: float
    ms: float
    share: float
    energy_estimate_j: float | None


@dataclass(frozen=True)
class RunProfile:
    """Where the time of one inference goes.

    Args:
        runs: inferences under the profiler.
        wall_ms: of one of them, as a whole, the mean.
        covered: share of the wall time that is in the operators; the rest is the runtime's, and the profiler's.
        slowdown: the median inference under the profiler over that of the steady window; null without a profile, and
            where the clock is too coarse for the latter.
        layers: in the order in which they run.
        kinds: the most time first.
        operators: in the order in which they run.
        emulated: whether the emulated meter made the energy up; null without a meter.
        problem: why there is no profile, where there is none; then all else is zero or empty.
    """

    runs: int
    wall_ms: float
    covered: float
    slowdown: float | None
    layers: tuple[LayerTime, ...]
    kinds: tuple[KindTime, ...]
    operators: tuple[NodeTime, ...]
    emulated: bool | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Steady:
    """What the steady window says of one inference: its median, its gross energy and whether that is emulated; both
    null without a meter.
    """

    p50_ms: float
    energy_j: float | None = None
    emulated: bool | None = None


def run_profile(found: Profiled, roles: Roles, steady: Steady) -> RunProfile:
    """A profile by layers.

    Args:
        found: what the device measured.
        roles: of the network's modules; empty where nobody knows the network.
        steady: what one inference took and cost where nothing watched it.
    """
    if found.problem is not None or not found.latencies_ns:
        return RunProfile(0, 0.0, 0.0, None, (), (), (), None, found.problem or "the device sent an empty profile")
    nodes = _nodes(found, layers_of(found.operators, roles), steady.energy_j)
    return RunProfile(
        runs=len(found.latencies_ns),
        wall_ms=fmean(found.latencies_ns) / 1e6,
        covered=sum(one.total_ns for one in found.operators) / sum(found.latencies_ns),
        slowdown=median(found.latencies_ns) / 1e6 / steady.p50_ms if steady.p50_ms else None,
        layers=_by_layer(found.operators, nodes, roles),
        kinds=_by_kind(nodes),
        operators=nodes,
        emulated=steady.emulated,
    )


def layers_of(operators: Sequence[OperatorTime], roles: Roles) -> tuple[str, ...]:
    """The layer of each operator; see this file's head."""
    layers: list[str] = []
    for one in operators:
        places = [_place(origin, roles) for origin in (one.origins if roles else _likeliest(one))]
        own = next((place for place, part in places if part == "layer"), None)
        around = next((place for place, part in places if part == "around"), None)
        before = {layers[place] for place in one.after if place < len(layers)}
        if own is None and all(part == "behind" for _, part in places) and len(before) == 1:
            own = before.pop()
        layers.append(own or around or (_parent(places[0][0]) if places else "") or OUTSIDE)
    return tuple(layers)


def _likeliest(one: OperatorTime) -> tuple[str, ...]:
    """Of an operator of a network that nobody knows, the node of its own kind, or that it is called by: of a
    convolution with an activation inside, the convolution.
    """
    kind = one.kind.removeprefix("Fused")
    same = [origin for origin in one.origins if origin.rpartition("/")[2].startswith(kind)]
    named = [origin for origin in one.origins if one.name.startswith(origin)]
    return tuple((same or named)[:1]) or one.origins[:1]


def _place(origin: str, roles: Roles) -> tuple[str, str]:
    """The module that a node stands in, and what part that is: of another's file the path of its name."""
    path = module_path(origin)
    if not roles:
        return path or origin, "around"
    while path:
        # A module that is called twice is called `relu_1` the second time.
        for name in (path, re.sub(r"_\d+$", "", path)):
            if name in roles:
                return name, roles[name].part
        path = _parent(path)
    return "", "around"


def module_path(origin: str) -> str:
    """The dotted name of the module that a node is called by: PyTorch writes it with each container's name before it.

    `/layer1/layer1.0/conv1/Conv` is of `layer1.0.conv1`. A name without a slash is a module's own.
    """
    if "/" not in origin:
        return origin
    parts: list[str] = []
    for part in origin.strip("/").split("/")[:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _nodes(found: Profiled, layers: Sequence[str], energy_j: float | None) -> tuple[NodeTime, ...]:
    runs, total_ns = len(found.latencies_ns), sum(one.total_ns for one in found.operators)
    nodes = []
    for one, layer in zip(found.operators, layers, strict=True):
        share = one.total_ns / total_ns if total_ns else 0.0
        energy = None if energy_j is None else share * energy_j
        nodes.append(NodeTime(one.name, one.kind, layer, one.calls / runs, one.total_ns / runs / 1e6, share, energy))
    return tuple(nodes)


def _by_layer(operators: Sequence[OperatorTime], nodes: Sequence[NodeTime], roles: Roles) -> tuple[LayerTime, ...]:
    grouped: dict[str, list[int]] = {}
    for place, node in enumerate(nodes):
        grouped.setdefault(node.layer, []).append(place)
    return tuple(
        _layer(layer, roles.get(layer), [(operators[place], nodes[place]) for place in places])
        for layer, places in grouped.items()
    )


def _layer(layer: str, role: "LayerRole | None", own: Sequence[tuple[OperatorTime, NodeTime]]) -> LayerTime:
    nodes, seeds_ms = [node for _, node in own], None
    ms, share, energy = _sums(nodes)
    if role is not None and role.seeds and not any(node.kind == _BOTH for node in nodes):
        seeds_ms = sum((node.ms for one, node in own if _is_of_seeds(one, layer)), 0.0)
    generated_ms = None if seeds_ms is None else ms - seeds_ms
    kind = None if role is None else role.kind
    return LayerTime(layer, kind, len(nodes), ms, share, seeds_ms, generated_ms, energy)


def _is_of_seeds(one: OperatorTime, layer: str) -> bool:
    inside = {f"{layer}.{name}" for name in _SEEDS}
    return one.kind != _GENERATE and any(module_path(origin) in inside for origin in one.origins)


def _by_kind(nodes: Sequence[NodeTime]) -> tuple[KindTime, ...]:
    grouped: dict[str, list[NodeTime]] = {}
    for node in nodes:
        grouped.setdefault(node.kind, []).append(node)
    kinds = [KindTime(kind, sum(one.calls for one in same), *_sums(same)) for kind, same in grouped.items()]
    return tuple(sorted(kinds, key=lambda one: -one.ms))


def _sums(nodes: Sequence[NodeTime]) -> tuple[float, float, float | None]:
    """Milliseconds, share and energy of them all."""
    energies = [node.energy_estimate_j for node in nodes if node.energy_estimate_j is not None]
    energy = sum(energies) if len(energies) == len(nodes) else None
    return sum(node.ms for node in nodes), sum(node.share for node in nodes), energy
