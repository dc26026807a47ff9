"""What the MobileNets and EfficientNets are made of: blocks, stages of blocks, and the network around them.

The names of parameters are those of timm (Apache-2.0), so its checkpoints fit. Every convolution is an
`nn.Conv2d` with the batch normalisation behind it as its next sibling.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from groupnl_deploy.models.counting import Counted, Operations, Shape
from groupnl_deploy.models.networks import IMAGENET
from groupnl_deploy.models.padding import SamePad2d
from groupnl_deploy.models.spec import ModelSpec, Padding
from groupnl_deploy.models.widths import Gate

Activation = Callable[[], nn.Module]

RELU: Activation = partial(nn.ReLU, inplace=True)
RELU6: Activation = partial(nn.ReLU6, inplace=True)


def round_channels(channels: float, width: float = 1.0) -> int:
    """channels·width as the nearest multiple of 8 (half rounds up), at least 8, and no more than 10 % smaller.

    The rule of the MobileNetV2 reference implementation: where the nearest multiple would cut over 10 %, the next
    larger one is taken.
    """
    scaled = channels * width
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * scaled else nearest


@dataclass(frozen=True)
class BlockPlan:
    """The sizes and parts of one block: (N, in_channels, H, W) → (N, out_channels, H / stride, W / stride).

    Args:
        in_channels: of the input.
        mid_channels: after the expansion; blocks without one have no use for it.
        out_channels: of the output.
        kernel_size: of the convolution that is not pointwise.
        stride: of the same convolution.
        activation: makes one activation module.
        squeeze: makes the module between that convolution and the projection; none by default.
        skip: add the input to the output where the two have the same shape.
        padding: of the convolution that is not pointwise.
    """

    in_channels: int
    mid_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    activation: Activation
    squeeze: "Squeeze | None" = None
    skip: bool = True
    padding: Padding = "symmetric"

    @property
    def residual(self) -> bool:
        """Whether the block adds its input to its output."""
        return self.skip and self.stride == 1 and self.in_channels == self.out_channels

    def make_squeeze(self) -> nn.Module:
        """The squeeze-and-excitation of this block, or the identity."""
        return self.squeeze(self) if self.squeeze else nn.Identity()


Squeeze = Callable[[BlockPlan], nn.Module]


class SqueezeExcite(Counted, Gate):
    """Scale each channel by what all channels hold on average (arXiv 1709.01507).

    y = x · gate(expand(act(reduce(mean_HW(x))))), (N, c, H, W) → (N, c, H, W); both convolutions are 1x1 with
    bias, on maps of 1x1.

    Args:
        channels: c.
        reduced: channels between the two convolutions.
        activation: makes the module between them.
        gate: makes the module behind them, with values from 0 to 1.
    """

    last = "conv_expand"

    def __init__(self, channels: int, reduced: int, activation: Activation, gate: Activation) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.act1 = activation()
        self.conv_expand = nn.Conv2d(reduced, channels, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, H, W) → (N, c, H, W)."""
        excited = self.conv_expand(self.act1(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        scaled: Tensor = x * self.gate(excited)
        return scaled

    def operations(self, output: Shape) -> Operations:
        """The mean of every channel, two convolutions on maps of 1x1, and the product of the maps and the gate."""
        macs = self.conv_reduce.weight.numel() + self.conv_expand.weight.numel()
        return Operations(macs, output[0] + math.prod(output))


class ConvBnAct(nn.Module):
    """One k x k convolution: y = act(bn(conv(x))) [+ x], (N, c_in, H, W) → (N, c_out, H / stride, W / stride).

    The first stage of EfficientNetV2 (arXiv 2104.00298), the last of MobileNetV3 (arXiv 1905.02244).
    """

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        self.residual = plan.residual
        self.pad = _pad(plan)
        self.conv = _conv(plan.in_channels, plan.out_channels, plan.kernel_size, plan.stride, self.pad)
        self.bn1 = nn.BatchNorm2d(plan.out_channels)
        self.act1 = plan.activation()

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H / stride, W / stride)."""
        out: Tensor = self.act1(self.bn1(self.conv(self.pad(x))))
        return out + x if self.residual else out


class DepthwiseSeparable(nn.Module):
    """Depthwise k x k, then pointwise: y = [act](bn(pw(se(act(bn(dw(x))))))) [+ x] (arXiv 1704.04861).

    (N, c_in, H, W) → (N, c_out, H / stride, W / stride). MobileNetV2 and its successors use it with a linear
    output where an inverted residual would expand by 1.

    Args:
        plan: sizes and parts; mid_channels is unused.
        activate_output: an activation behind the pointwise convolution, as in MobileNetV1.
    """

    def __init__(self, plan: BlockPlan, activate_output: bool = False) -> None:
        super().__init__()
        channels = plan.in_channels
        self.residual = plan.residual
        self.pad = _pad(plan)
        self.conv_dw = _conv(channels, channels, plan.kernel_size, plan.stride, self.pad, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = plan.activation()
        self.se = plan.make_squeeze()
        self.conv_pw = _conv(channels, plan.out_channels)
        self.bn2 = nn.BatchNorm2d(plan.out_channels)
        self.act2: nn.Module = plan.activation() if activate_output else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H / stride, W / stride)."""
        filtered = self.se(self.act1(self.bn1(self.conv_dw(self.pad(x)))))
        out: Tensor = self.act2(self.bn2(self.conv_pw(filtered)))
        return out + x if self.residual else out


class InvertedResidual(nn.Module):
    """Expand, filter, project: y = bn(pwl(se(act(bn(dw(act(bn(pw(x))))))))) [+ x] (arXiv 1801.04381, 1905.02244).

    (N, c_in, H, W) → (N, c_out, H / stride, W / stride): pointwise to mid_channels, depthwise k x k with the
    stride, and a pointwise projection without activation. "MBConv" in the EfficientNet papers.
    """

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        mid = plan.mid_channels
        self.residual = plan.residual
        self.conv_pw = _conv(plan.in_channels, mid)
        self.bn1 = nn.BatchNorm2d(mid)
        self.act1 = plan.activation()
        self.pad = _pad(plan)
        self.conv_dw = _conv(mid, mid, plan.kernel_size, plan.stride, self.pad, groups=mid)
        self.bn2 = nn.BatchNorm2d(mid)
        self.act2 = plan.activation()
        self.se = plan.make_squeeze()
        self.conv_pwl = _conv(mid, plan.out_channels)
        self.bn3 = nn.BatchNorm2d(plan.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H / stride, W / stride)."""
        expanded = self.act1(self.bn1(self.conv_pw(x)))
        filtered = self.se(self.act2(self.bn2(self.conv_dw(self.pad(expanded)))))
        out: Tensor = self.bn3(self.conv_pwl(filtered))
        return out + x if self.residual else out


class EdgeResidual(nn.Module):
    """Expansion and filter in one: y = bn(pwl(se(act(bn(exp(x)))))) [+ x] (EfficientNet-EdgeTPU, arXiv 2104.00298).

    (N, c_in, H, W) → (N, c_out, H / stride, W / stride): a full k x k convolution to mid_channels with the stride,
    and a pointwise projection without activation. "Fused-MBConv" in EfficientNetV2; it has no depthwise convolution.
    """

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        self.residual = plan.residual
        self.pad = _pad(plan)
        self.conv_exp = _conv(plan.in_channels, plan.mid_channels, plan.kernel_size, plan.stride, self.pad)
        self.bn1 = nn.BatchNorm2d(plan.mid_channels)
        self.act1 = plan.activation()
        self.se = plan.make_squeeze()
        self.conv_pwl = _conv(plan.mid_channels, plan.out_channels)
        self.bn2 = nn.BatchNorm2d(plan.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H / stride, W / stride)."""
        expanded = self.se(self.act1(self.bn1(self.conv_exp(self.pad(x)))))
        out: Tensor = self.bn2(self.conv_pwl(expanded))
        return out + x if self.residual else out


@dataclass(frozen=True)
class BlockStage:
    """A row of blocks with the same number of output channels; the first of them has the stride.

    Args:
        block: makes a block from its plan.
        channels: of every block's output, at width 1.
        kernel_size: of the convolutions that are not pointwise.
        stride: of the first block.
        expansions: for each block, mid_channels over its input channels; as many blocks as numbers.
        activation: makes one activation module.
        squeeze: makes each block's squeeze-and-excitation; none by default.
        skip: as in `BlockPlan`.
        expand_from: channels, at width 1, that the expansions multiply in place of the block's input channels.
    """

    block: Callable[[BlockPlan], nn.Module]
    channels: int
    kernel_size: int
    stride: int
    expansions: tuple[float, ...]
    activation: Activation
    squeeze: Squeeze | None = None
    skip: bool = True
    expand_from: int | None = None

    def build(self, in_channels: int, width: float, padding: Padding = "symmetric") -> nn.Sequential:
        """(N, in_channels, H, W) → (N, round_channels(channels, width), H / stride, W / stride)."""
        channels = round_channels(self.channels, width)
        blocks = nn.Sequential()
        for index, expansion in enumerate(self.expansions):
            source = in_channels if self.expand_from is None else round_channels(self.expand_from, width)
            mid = round_channels(source * expansion)
            stride = self.stride if index == 0 else 1
            plan = BlockPlan(
                in_channels,
                mid,
                channels,
                self.kernel_size,
                stride,
                self.activation,
                self.squeeze,
                self.skip,
                padding,
            )
            blocks.append(self.block(plan))
            in_channels = channels
        return blocks


class StagedTrunk(nn.Module):
    """A 3x3 stem and stages of blocks, `blocks.S.B`: what every network here has in common.

    (N, C, H, W) → (N, out_channels, H / s, W / s), s the product of the strides.

    Args:
        spec: gives the input's channels, the width of the stages and the padding.
        stages: in order.
        activation: makes the stem's activation.
        stem_channels: of the stem's output, width included.
        stem_stride: of the stem.
    """

    def __init__(
        self,
        spec: ModelSpec,
        stages: Sequence[BlockStage],
        activation: Activation,
        stem_channels: int,
        stem_stride: int = 2,
    ) -> None:
        super().__init__()
        padding = spec.padding or "symmetric"
        self.pad = _pad_before(3, stem_stride, padding)
        self.conv_stem = _conv(spec.input_shape[0], stem_channels, 3, stem_stride, self.pad)
        self.bn1 = nn.BatchNorm2d(stem_channels)
        self.act1 = activation()
        self.blocks = nn.Sequential()
        channels = stem_channels
        for stage in stages:
            self.blocks.append(stage.build(channels, spec.width, padding))
            channels = round_channels(stage.channels, spec.width)
        self.out_channels = channels

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, out_channels, H / s, W / s)."""
        maps: Tensor = self.blocks(self.act1(self.bn1(self.conv_stem(self.pad(x)))))
        return maps


class StagedNetwork(StagedTrunk):
    """Trunk, optional pointwise head, global average, linear: MobileNetV1, MobileNetV2 and the EfficientNets.

    (N, C, H, W) → (N, num_classes).

    Args:
        spec: as in `StagedTrunk`, and num_classes.
        stages: in order.
        activation: of stem and head.
        stem_channels: of the stem's output, width included.
        head_channels: of the pointwise convolution before the average, width included; 0 for none.
        stem_stride: of the stem.
    """

    def __init__(
        self,
        spec: ModelSpec,
        stages: Sequence[BlockStage],
        activation: Activation,
        stem_channels: int,
        head_channels: int,
        stem_stride: int = 2,
    ) -> None:
        super().__init__(spec, stages, activation, stem_channels, stem_stride)
        self.conv_head: nn.Module = nn.Identity()
        self.bn2: nn.Module = nn.Identity()
        self.act2: nn.Module = nn.Identity()
        if head_channels:
            self.conv_head = _conv(self.out_channels, head_channels)
            self.bn2 = nn.BatchNorm2d(head_channels)
            self.act2 = activation()
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(head_channels or self.out_channels, spec.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, num_classes)."""
        x = self.act2(self.bn2(self.conv_head(self.features(x))))
        logits: Tensor = self.classifier(self.global_pool(x).flatten(1))
        return logits


def initialise_efficientnet(module: nn.Module) -> None:
    """Draw the weights as Google's MnasNet and EfficientNet code does, and timm after it, in place.

    Convolutions N(0, √(2 / fan_out)) with fan_out = k·k·c_out / groups, linear layers uniform in ±1/√outputs,
    batch normalisation 1 and 0, biases 0. Parameters that need no gradient are left as they are.

    For fewer outputs than ImageNet's thousand the range stays that of a thousand, which those rules were made for: with
    ten classes MobileNetV3's first logits would spread by 2.3, and half of a short training go into taking that back.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fan_out = math.prod(part.kernel_size) * part.out_channels // part.groups
            _fill(part.weight, partial(nn.init.normal_, std=math.sqrt(2 / fan_out)))
            _fill(part.bias, nn.init.zeros_)
        elif isinstance(part, nn.BatchNorm2d):
            _fill(part.weight, nn.init.ones_)
            _fill(part.bias, nn.init.zeros_)
        elif isinstance(part, nn.Linear):
            bound = 1 / math.sqrt(max(part.out_features, IMAGENET["num_classes"]))
            _fill(part.weight, partial(nn.init.uniform_, a=-bound, b=bound))
            _fill(part.bias, nn.init.zeros_)


def _fill(parameter: Tensor | None, draw: Callable[[Tensor], object]) -> None:
    if parameter is not None and parameter.requires_grad:
        draw(parameter)


def _pad(plan: BlockPlan) -> nn.Module:
    return _pad_before(plan.kernel_size, plan.stride, plan.padding)


def _pad_before(kernel_size: int, stride: int, padding: Padding) -> nn.Module:
    """What stands before a convolution. At stride 1 both paddings are one, and the convolution's own."""
    return SamePad2d(kernel_size, stride) if padding == "same" and stride > 1 else nn.Identity()


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    stride: int = 1,
    pad: nn.Module | None = None,
    groups: int = 1,
) -> nn.Conv2d:
    """Without bias, and without zeros around the maps where `pad` has put them there."""
    padding = 0 if isinstance(pad, SamePad2d) else (kernel_size - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
