"""Single layers as small networks of their own, and the way through the passes of the level native."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from device_agent.manifest import Parity
from exporters.native.nodes import native_operators
from exporters.onnx_exporter import export_onnx
from exporters.optimize import Optimized, optimize
from exporters.parity import compare
from exporters.reference import reference_of
from exporters.targets import TARGETS
from exporters.targets.base import Target
from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.spec import ConvSpec
from tests.rigs.native_reference import native_runs

PLAIN = TARGETS["rpi4"]
_ACTIVATIONS: dict[str, type[nn.Module] | None] = {
    "none": None,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "silu": nn.SiLU,
}


def layer_net(shape: ConvShape, activation: str = "none", norm: bool = True, **knobs: Any) -> nn.Module:
    """A convolution of a method, by default GroupNL with sparse seeds; then perhaps a BatchNorm and an activation."""
    torch.manual_seed(0)
    spec = ConvSpec.preset(knobs.pop("method", "groupnl-sparse"), knobs.pop("semantics", "released"), **knobs)
    layers: list[nn.Module] = [build_conv(spec, shape)]
    layers += [nn.BatchNorm2d(shape.out_channels)] if norm else []
    made = _ACTIVATIONS[activation]
    layers += [made()] if made else []
    return shaken(nn.Sequential(*layers))


def shaken(net: nn.Module) -> nn.Module:
    """The network in evaluation mode, with BatchNorms that do something: some scales negative, one zero."""
    random = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 1.0, 3.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.copy_(torch.empty_like(tensor).uniform_(low, high, generator=random))
            module.weight.data[::5] *= -1
            module.weight.data[1] = 0
    return net.eval()


def noise(*shape: int) -> npt.NDArray[np.float32]:
    """The same numbers each time."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def made_native(net: nn.Module, size: tuple[int, int, int], target: Target = PLAIN, **more: Any) -> Optimized:
    """The network through every pass of the level native, each proved with the operators in double precision."""
    inputs = noise(2, *size)
    answers = reference_of(net, inputs).main

    def proof(model: onnx.ModelProto) -> Parity:
        found = native_runs(model, inputs)
        return compare(answers.values, found, eager_error=answers.eager_error, spread=answers.spread, scores=False)

    return optimize(export_onnx(net, (1, *size), **more), proof, "native", target)


def graph_made_native(model: onnx.ModelProto, target: Target = PLAIN) -> Optimized:
    """The same of a graph with one input of a known shape, held against itself in double precision."""
    axes = model.graph.input[0].type.tensor_type.shape.dim
    inputs = noise(2, *(axis.dim_value for axis in axes[1:]))
    right = native_runs(model, inputs)
    return optimize(model, lambda found: compare(right, native_runs(found, inputs), scores=False), "native", target)


def counted(best: Optimized) -> dict[str, int]:
    """How many nodes of each operator of ours there are."""
    return native_operators(best.model)


def kinds_left(best: Optimized) -> set[str]:
    """Which operators of ONNX's own are left."""
    return {node.op_type for node in best.model.graph.node if not node.domain}
