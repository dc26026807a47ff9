"""What `full` leaves is what it would leave again: seeded random networks of every kind of layer that has a rule."""

import math
from functools import partial

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import onnx_logits, prove_onnx
from exporters.reference import reference_of
from exporters.targets import TARGETS
from exporters.tolerances import DYNAMIC, ONE_BY_ONE, TOLERANCE
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.nlf import NLFS
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.spec import ConvSpec

NLF_NAMES = tuple(NLFS)
ACTIVATIONS = (nn.ReLU, nn.Hardswish, nn.ReLU6, nn.SiLU, nn.Identity, nn.Hardsigmoid)


class SqueezeExcite(nn.Module):
    """A gate a channel, as in MobileNet-V3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1)

    def forward(self, x):
        gate = self.expand(torch.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * nn.functional.hardsigmoid(gate)


class Block(nn.Module):
    """[pointwise] → GroupNL → [BatchNorm] → activation → [gate] → [pointwise], perhaps beside a residual."""

    def __init__(self, channels: int, random: np.random.Generator) -> None:
        super().__init__()
        chance = partial(_chance, random)
        wide = channels * int(random.choice([1, 2])) if chance() else channels
        ratio, groups = int(random.choice([2, 3, 4])), int(random.choice([1, 2, 4]))
        kernel = int(random.choice([1, 3, 5]))
        layers = [nn.Conv2d(channels, wide, 1, bias=chance())] if chance() or wide != channels else []
        if layers and chance():
            layers += [nn.BatchNorm2d(wide), random.choice(ACTIVATIONS)()]
        layers += [
            GroupNLConv2d(
                ConvSpec(
                    "groupnl-sparse" if chance() else "groupnl",
                    ratio=ratio,
                    nl_groups=math.gcd(groups, math.ceil(wide / ratio)),
                    normalize=chance(),
                    nlf=str(random.choice(NLF_NAMES)),
                    bn_position=str(random.choice(["concat", "seeds"])),
                ),
                ConvShape(wide, wide, kernel, padding=kernel // 2),
            )
        ]
        layers += [nn.BatchNorm2d(wide)] if chance(0.7) else []
        layers += [random.choice(ACTIVATIONS)()]
        layers += [SqueezeExcite(wide)] if chance(0.3) else []
        layers += [nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels)] if wide != channels else []
        self.body, self.residual = nn.Sequential(*layers), chance()

    def forward(self, x):
        return self.body(x) + x if self.residual else self.body(x)


def _chance(random: np.random.Generator, of: float = 0.5) -> bool:
    return bool(random.random() < of)


def network(seed: int) -> nn.Module:
    """(N, 3, 16, 16) → (N, 5)."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels = int(random.choice([8, 12, 16, 24, 32]))
    stem = nn.Conv2d(3, channels, 3, stride=int(random.choice([1, 2])), padding=1)
    blocks = [Block(channels, random) for _ in range(int(random.integers(1, 3)))]
    model = nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(1.0, 3.0)
            module.weight.data.uniform_(-1.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
            module.weight.data[::7] = 1e-40  # what weight decay leaves of a channel that died
    return model.eval()


def require_fixed_point(seed: int) -> None:
    model = network(seed)
    inputs = np.random.default_rng(seed).standard_normal((3, 3, 16, 16)).astype(np.float32)
    dynamic, target = seed % 4 == 1, TARGETS["rpi4" if seed % 3 == 0 else "generic"]
    prove = partial(prove_onnx, reference_of(model, inputs, DYNAMIC if dynamic else ONE_BY_ONE))
    once = optimize(export_onnx(model, (1, 3, 16, 16), dynamic_batch=dynamic), prove, target=target)
    again = optimize(once.model, lambda proto: once.parity, target=target)  # whether they are equal is asked below
    assert not [report for report in again.passes if report.fired]
    assert once.model.SerializeToString(deterministic=True) == again.model.SerializeToString(deterministic=True)
    assert np.array_equal(onnx_logits(once.model, inputs), onnx_logits(again.model, inputs))
    assert once.parity.max_abs_error <= TOLERANCE * once.parity.output_std or once.parity.amplifier
    assert not denormals(once.model) and "Constant" not in {node.op_type for node in once.model.graph.node}


def denormals(model: onnx.ModelProto) -> int:
    """How many weights are too small for a normal float32, wherever they stand."""
    nodes = [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in (*model.graph.initializer, *nodes)]
    floats = [tensor for tensor in tensors if tensor.dtype == np.float32 and tensor.size > 1]
    tiny = np.finfo(np.float32).tiny
    return sum(int(((np.abs(tensor) < tiny) & (tensor != 0)).sum()) for tensor in floats)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_full_leaves_what_it_would_leave_again(seed):
    require_fixed_point(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 325))
def test_full_leaves_what_it_would_leave_again_in_three_hundred(seed):
    require_fixed_point(seed)
