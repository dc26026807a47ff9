"""How far a sparse seed convolution mixes its channels: which inputs reach which outputs, alone and one layer on.

A seed map of sparse GroupNL reads c_in / gcd(c_in, c_seed) inputs, and the maps that are generated from it read no
others (arXiv 2506.12335, section 4.4.2). Behind it a dense convolution mixes what it gives; another sparse one does
not. What couples all channels by one number, as the norm over the seed maps and squeeze-excite do, is no path here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.models.tracing import Untraceable, layer_graph

Reach = Tensor
"""bool (outputs, inputs): whether a path leads there."""
_POOLS = ("mean", "adaptive_avg_pool2d", "flatten")
_SEED = 0  # of the weights that a rank is of


@dataclass(frozen=True, eq=False)
class Mixing:
    """One sparse layer, alone and through the next one that reads it.

    Args:
        name: of the layer.
        seeds: its seed maps.
        alone: through it.
        next: the convolution or linear layer behind it; None where it is the last.
        both: through it and the next one; `alone` where there is none.
        rank: of the linear map from inputs to outputs of both, where weights are any numbers where there is a path,
            and each function stands for its slope.
    """

    name: str
    seeds: int
    alone: Reach
    next: str | None
    both: Reach
    rank: int

    @property
    def inputs_each(self) -> float:
        """How many inputs an output reads on average, through both."""
        return float(self.both.sum(dim=1, dtype=torch.float64).mean())

    @property
    def islands(self) -> int:
        """Into how many parts the channels fall that have no path between them, through both."""
        together = _paths(self.both.T, self.both) | torch.eye(self.both.shape[1], dtype=torch.bool)
        while not torch.equal(wider := _paths(together, together), together):
            together = wider
        return len(torch.unique(together, dim=0))


def mixing_of(spec: ModelSpec) -> tuple[Mixing, ...]:
    """Every sparse GroupNL layer of a network, in the order in which they are computed.

    Raises `InvalidSpec` where there is none, and for a network whose way through its layers cannot be followed.
    """
    network = sketch(spec)
    try:
        graph = layer_graph(network)
    except Untraceable as error:
        raise InvalidSpec(
            f"the way through the layers of {spec.name} cannot be followed: {error}",
            "Its forward pass must not depend on the images.",
        ) from error
    found = tuple(_mixings(network, graph))
    if not found:
        raise InvalidSpec(
            f"{spec.label} has no sparse GroupNL layer", "Show one that has: conv groupnl-sparse.", "conv"
        )
    return found


def _mixings(network: nn.Module, graph: fx.Graph) -> Iterator[Mixing]:
    order = {node: place for place, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        layer = _layer(network, node)
        if isinstance(layer, GroupNLConv2d) and layer.conv1.groups > 1:
            reader = _reader(network, node, order)
            alone = _reach(layer)
            behind = None if reader is None else _reach(_layer(network, reader))
            both = alone if behind is None else _paths(behind, alone)
            name = None if reader is None else str(reader.target)
            yield Mixing(str(node.target), layer.seed_channels, alone, name, both, _rank(layer, behind))


def _layer(network: nn.Module, node: fx.Node) -> nn.Module | None:
    """The convolution or linear layer that a node calls."""
    if node.op != "call_module":
        return None
    module = network.get_submodule(str(node.target))
    return module if isinstance(module, OwnConv2d | nn.Conv2d | nn.Linear) else None


def _reader(network: nn.Module, node: fx.Node, order: dict[fx.Node, int]) -> fx.Node | None:
    """The first layer that reads what a node gives; behind a pool only where none does before it, as the head."""
    for through_pools in (False, True):
        seen, waiting, found = set[fx.Node](), list(node.users), list[fx.Node]()
        while waiting:
            user = waiting.pop()
            if user in seen or (_is_pool(network, user) and not through_pools):
                continue
            seen.add(user)
            if _layer(network, user) is not None:
                found.append(user)
            else:
                waiting += user.users
        if found:
            return min(found, key=order.__getitem__)
    return None


def _is_pool(network: nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(network.get_submodule(str(node.target)), nn.AdaptiveAvgPool2d)
    return node.op in ("call_method", "call_function") and str(getattr(node.target, "__name__", node.target)) in _POOLS


def _reach(layer: nn.Module | None) -> Reach:
    """bool (outputs, inputs) of a layer alone."""
    if isinstance(layer, GroupNLConv2d):
        return _grouped(layer.conv1)[_seed_of_each(layer)]
    if isinstance(layer, nn.Conv2d):
        return _grouped(layer)
    if isinstance(layer, nn.Linear):
        return torch.ones(layer.out_features, layer.in_features, dtype=torch.bool)
    assert isinstance(layer, OwnConv2d)
    inputs = next(inner.in_channels for inner in layer.modules() if isinstance(inner, nn.Conv2d))
    return torch.ones(layer.out_channels, inputs, dtype=torch.bool)  # Ghost, SineFM and Mono are dense


def _grouped(conv: nn.Conv2d) -> Reach:
    outputs, inputs = torch.arange(conv.out_channels), torch.arange(conv.in_channels)
    return outputs[:, None] * conv.groups // conv.out_channels == inputs[None] * conv.groups // conv.in_channels


def _paths(behind: Reach, before: Reach) -> Reach:
    """Through one and then through the other. Counts of paths are whole numbers that double precision holds."""
    return behind.double() @ before.double() > 0


def _seed_of_each(layer: GroupNLConv2d) -> Tensor:
    """int64 (c_out,): the seed map that each output is, or is generated from: g blocks, each γ times, see there."""
    seeds = torch.arange(layer.seed_channels)
    generated = seeds.view(layer.nl_groups, 1, -1).expand(-1, layer.copies, -1).flatten()
    return torch.cat((seeds, generated))[: layer.out_channels]


def _rank(layer: GroupNLConv2d, behind: Reach | None) -> int:
    """Of random weights, which have the highest rank that these paths allow, but with probability 0."""
    random = torch.Generator().manual_seed(_SEED)

    def weights(paths: Reach) -> Tensor:
        return torch.randn(paths.shape, generator=random, dtype=torch.float64) * paths

    outputs = weights(_grouped(layer.conv1))[_seed_of_each(layer)]
    outputs *= 0.5 + torch.rand(len(outputs), 1, generator=random, dtype=torch.float64)  # slopes
    return int(torch.linalg.matrix_rank(outputs if behind is None else weights(behind) @ outputs))
