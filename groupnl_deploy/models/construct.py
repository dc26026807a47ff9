"""A spec → the network: built plain, its convolutions replaced, its weights drawn. Needs PyTorch."""

from dataclasses import replace

import torch
from torch import nn

from groupnl_deploy.models import placement
from groupnl_deploy.models.networks import Network
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.replace import apply_conv_method
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.models.widths import conv_widths, resize


def construct(entry: Network, spec: ModelSpec) -> nn.Module:
    """Build the network; everything random is drawn from `spec.seed`, and the caller's random state stays."""
    padding = spec.padding or entry.padding
    if padding not in entry.paddings:
        problem = f"padding is {padding!r}, and {spec.name} knows {' and '.join(map(repr, entry.paddings))} alone"
        raise InvalidSpec(problem, "Leave padding out, or choose a MobileNet or an EfficientNet.", "padding")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        network = _plain(entry, spec)
        if spec.conv.method != "standard":
            _place(network, entry, spec.conv)
        if entry.initialise:
            entry.load(entry.initialise)(network)
    _set_eps(network, spec.bn_eps or entry.bn_eps)
    return network


def widths_of(entry: Network, spec: ModelSpec) -> dict[str, int]:
    """The output channels of every convolution before any is replaced, by its dotted name."""
    with torch.device("meta"):
        return conv_widths(_plain(entry, spec))


def _plain(entry: Network, spec: ModelSpec) -> nn.Module:
    """The network of ordinary convolutions, in its own widths."""
    build, spec = entry.load(entry.build), replace(spec, padding=spec.padding or entry.padding)
    network: nn.Module = build(spec)
    if spec.widths:
        with torch.device("meta"):
            sketch = build(spec)
        resize(network, sketch, dict(spec.widths), spec.input_shape)
    return network


def _place(network: nn.Module, entry: Network, conv: ConvSpec) -> None:
    outcomes = apply_conv_method(network, getattr(placement, entry.placement)(conv))
    if not outcomes.replaced:
        raise InvalidSpec(
            f"no convolution of {entry.name} is one that {conv.method} stands for",
            "Choose another network, or another method.",
            "method",
        )


def _set_eps(network: nn.Module, eps: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps
