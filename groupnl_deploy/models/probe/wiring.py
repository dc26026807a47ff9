"""Which channels of a network have to be equally many: who writes them, who reads them, and whether they can grow.

The network is traced by `torch.fx`. What a convolution writes is a bundle; normalisation, activations, pooling and
depthwise convolutions hand it on, and a sum makes one bundle of two. Whatever is not known here keeps the bundles that
it touches as they are, with the reason.
"""

import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

import torch
from torch import fx, nn
from torch.nn import functional

from groupnl_deploy.models.conv_site import has_own_filters
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.padding import SamePad2d
from groupnl_deploy.models.probe.layout import Layout
from groupnl_deploy.models.tracing import layer_graph

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh)
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
# Modules and functions that treat each channel by itself, and all alike.
_ALIKE = (*_ACTIVATIONS, *_POOLS, nn.Identity, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.ZeroPad2d, SamePad2d)
_FUNCTIONS = {
    *(torch.relu, functional.relu, functional.relu6, functional.silu, functional.gelu, functional.hardswish),
    *(functional.max_pool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d, functional.dropout),
    *(torch.flatten, torch.mean),
}
_METHODS = {"relu", "flatten", "mean", "contiguous"}
_SUMS = {operator.add, operator.iadd, torch.add, "add", "add_"}


@dataclass(frozen=True)
class Bundle:
    """Channels that are added together or not at all.

    Args:
        layout: of the channels.
        writers: convolutions that write them, in the network's order.
        summed: a sum, such as a residual block's, reads them beside others.
        fixed: why they cannot grow; "" where they can.
    """

    layout: Layout
    writers: tuple[str, ...] = ()
    summed: bool = False
    fixed: str = ""


@dataclass(frozen=True)
class Place:
    """Which bundle a layer reads and which it writes, by their numbers; one that hands on has the same twice."""

    reads: int
    writes: int | None


@dataclass(frozen=True, eq=False)
class Wiring:
    """A traced network and its bundles.

    Args:
        graph: of the network, whose modules are the network's own.
        bundles: in the order in which they are first written.
        places: of every dense and depthwise convolution, BatchNorm and linear layer, by dotted name.
        written: the bundle that each node of the graph writes, by the node's name.
    """

    graph: fx.GraphModule
    bundles: tuple[Bundle, ...]
    places: Mapping[str, Place]
    written: Mapping[str, int]


def is_depthwise(layer: nn.Module) -> bool:
    """Whether it has one filter for each channel."""
    return _is_plain(layer) and has_own_filters(layer)


def is_dense(layer: nn.Module) -> bool:
    """Whether it is a convolution that mixes all channels, and whose channels can be added: standard, or GroupNL."""
    if isinstance(layer, GroupNLConv2d):
        whole = layer.out_channels == (layer.copies + 1) * layer.seed_channels
        return whole and layer.conv1.groups == 1
    return _is_plain(layer) and layer.groups == 1


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return type(layer) is nn.Conv2d and layer.padding_mode == "zeros"


def wire(network: nn.Module, sparse: bool = False) -> Wiring:
    """The wiring of a network in evaluation mode.

    Args:
        network: it stays as it is.
        sparse: its GroupNL convolutions are sparse ones, whose groups follow from their channels; they stay.

    Raises `Untraceable` for code that cannot be followed.
    """
    return _Wirer(network, layer_graph(network), sparse).wiring()


@dataclass
class _Draft:
    """A bundle that is being found."""

    layout: Layout
    writers: list[str] = field(default_factory=list)
    summed: bool = False
    fixed: str = ""

    def known(self) -> Bundle:
        return Bundle(self.layout, tuple(self.writers), self.summed, self.fixed)

    def absorb(self, other: "_Draft") -> None:
        layouts = {self.layout, other.layout}
        grouped = {one for one in layouts if one.unit > 1}
        if len(grouped) > 1 or len({one.channels for one in layouts}) > 1:
            self.fixed = self.fixed or "its sum joins maps that are split in different ways"
        self.layout = next(iter(grouped), self.layout)
        self.writers += other.writers
        self.summed, self.fixed = True, self.fixed or other.fixed


class _Wirer:
    """Follows the graph once."""

    def __init__(self, network: nn.Module, graph: fx.Graph, sparse: bool) -> None:
        self._network, self._graph, self._sparse = network, graph, sparse
        self._drafts: list[_Draft] = []
        self._joined: list[int] = []  # of each draft, the one that it was joined to
        self._of: dict[fx.Node, int] = {}
        self._places: dict[str, tuple[int, int | None]] = {}
        self._calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")

    def wiring(self) -> Wiring:
        for node in self._graph.nodes:
            bundle = self._follow(node)
            if bundle is not None:
                self._of[node] = bundle
        roots = sorted({self._root(number) for number in range(len(self._drafts))})
        at = {number: roots.index(self._root(number)) for number in range(len(self._drafts))}
        bundles = tuple(self._drafts[root].known() for root in roots)
        places = {
            name: Place(at[reads], None if writes is None else at[writes])
            for name, (reads, writes) in self._places.items()
        }
        written = {node.name: at[number] for node, number in self._of.items()}
        return Wiring(fx.GraphModule(self._network, self._graph), bundles, places, written)

    def _follow(self, node: fx.Node) -> int | None:
        """The bundle that a node writes; None for what are no maps."""
        if node.op == "placeholder":
            return self._new(Layout(1), fixed="it is the image")
        if node.op == "call_module":
            return self._module(str(node.target), self._network.get_submodule(str(node.target)), node)
        read = [self._of[one] for one in node.all_input_nodes if one in self._of]
        if node.target in _SUMS and len(read) == 2:
            return self._join(*read)
        if (node.target in _FUNCTIONS or node.target in _METHODS) and len(read) == 1:
            return read[0]
        called = getattr(node.target, "__name__", node.target)
        reason = "it is what the network answers" if node.op == "output" else f"{called} reads it"
        return self._unknown(read, reason)

    def _module(self, name: str, layer: nn.Module, node: fx.Node) -> int | None:
        read = [self._of[one] for one in node.all_input_nodes if one in self._of]
        kinds = nn.Conv2d | OwnConv2d | nn.BatchNorm2d | nn.Linear
        if len(read) != 1 or (isinstance(layer, kinds) and self._calls[name] > 1):
            return self._unknown(read, f"{name} is called more than once")
        if is_dense(layer) and not (self._sparse and isinstance(layer, GroupNLConv2d)):
            layout = Layout.of(layer) if isinstance(layer, GroupNLConv2d) else Layout(layer.out_channels)  # type: ignore[arg-type]
            return self._placed(name, read[0], self._new(layout, name))
        if isinstance(layer, nn.Linear):
            if layer.in_features != self._draft(read[0]).layout.channels:
                self._fix(read[0], f"{name} reads its pixels one by one")
            return self._placed(name, read[0], self._new(Layout(layer.out_features), fixed="a linear layer writes it"))
        if is_depthwise(layer) or (type(layer) is nn.BatchNorm2d and layer.track_running_stats):
            return self._placed(name, read[0], read[0])
        return (
            read[0] if isinstance(layer, _ALIKE) else self._unknown(read, f"{name} ({type(layer).__name__}) reads it")
        )

    def _placed(self, name: str, reads: int, writes: int) -> int:
        self._places[name] = (reads, writes)
        return writes

    def _unknown(self, read: list[int], reason: str) -> int:
        for number in read:
            self._fix(number, reason)
        return self._new(Layout(1), fixed=reason.replace("reads it", "writes it"))

    def _new(self, layout: Layout, writer: str | None = None, fixed: str = "") -> int:
        self._drafts.append(_Draft(layout, [writer] if writer else [], fixed=fixed))
        self._joined.append(len(self._joined))
        return len(self._drafts) - 1

    def _root(self, number: int) -> int:
        while self._joined[number] != number:
            number = self._joined[number]
        return number

    def _draft(self, number: int) -> _Draft:
        return self._drafts[self._root(number)]

    def _fix(self, number: int, reason: str) -> None:
        self._draft(number).fixed = self._draft(number).fixed or reason

    def _join(self, one: int, other: int) -> int:
        first, second = sorted((self._root(one), self._root(other)))
        if first != second:
            self._drafts[first].absorb(self._drafts[second])
            self._joined[second] = first
        self._drafts[first].summed = True
        return first
