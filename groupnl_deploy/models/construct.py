"""A spec → the network: built plain, its convolutions replaced, its weights drawn. Needs PyTorch."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import nn

from groupnl_deploy.models import placement
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.networks import Network
from groupnl_deploy.models.own import NetworkBuilder, builder_of
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.replace import Outcomes, apply_conv_method
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.models.widths import conv_widths, resize


def construct(entry: Network, spec: ModelSpec) -> nn.Module:
    """Build the network; everything random is drawn from `spec.seed`, and the caller's random state stays."""
    return construct_telling(entry, spec)[0]


def construct_telling(entry: Network, spec: ModelSpec) -> tuple[nn.Module, Outcomes]:
    """`construct`, and what became of the network's convolutions; with the method "standard" all stay untold."""
    padding = spec.padding or entry.padding
    if padding not in entry.paddings:
        problem = f"padding is {padding!r}, and {spec.name} knows {' and '.join(map(repr, entry.paddings))} alone"
        raise InvalidSpec(problem, "Leave padding out, or choose a MobileNet or an EfficientNet.", "padding")
    outcomes = Outcomes(())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        network = _plain(entry, spec)
        given = set(network.modules())
        if spec.conv.method != "standard":
            outcomes = _place(network, entry, spec.conv)
        if entry.initialise:
            entry.load(entry.initialise)(network)
        _settle(module for module in network.modules() if module not in given)
    _set_eps(network, spec.bn_eps or entry.bn_eps)
    return network, outcomes


def widths_of(entry: Network, spec: ModelSpec) -> dict[str, int]:
    """The output channels of every convolution before any is replaced, by its dotted name."""
    with torch.device("meta"):
        return conv_widths(_plain(entry, spec))


def dense_convs(entry: Network, spec: ModelSpec) -> list[str]:
    """The convolutions whose channels are a choice, by dotted name: neither depthwise ones nor others in groups."""
    with torch.device("meta"):
        modules = _plain(entry, replace(spec, widths=())).named_modules()
        return [name for name, module in modules if isinstance(module, nn.Conv2d) and module.groups == 1]


def _plain(entry: Network, spec: ModelSpec) -> nn.Module:
    """The network of ordinary convolutions, in its own widths."""
    build: NetworkBuilder = builder_of(spec.code) if spec.code else entry.load(entry.build)
    spec = replace(spec, padding=spec.padding or entry.padding)
    network = build(spec)
    if spec.widths:
        with torch.device("meta"):
            sketch = build(spec)
        resize(network, sketch, dict(spec.widths), spec.input_shape)
    return network


def _place(network: nn.Module, entry: Network, conv: ConvSpec) -> Outcomes:
    outcomes = apply_conv_method(network, getattr(placement, entry.placement)(conv))
    if not outcomes.replaced:
        raise InvalidSpec(
            f"no convolution of {entry.name} is one that {conv.method} stands for",
            "Choose another network, or another method.",
            "method",
        )
    return outcomes


def _settle(drawn: Iterable[nn.Module]) -> None:
    for module in drawn:
        if isinstance(module, OwnConv2d):
            module.settle()


def _set_eps(network: nn.Module, eps: float | None) -> None:
    for module in network.modules():
        if eps is not None and isinstance(module, nn.BatchNorm2d):
            module.eps = eps
