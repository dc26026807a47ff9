"""Residual networks (arXiv 1512.03385, ResNeXt 1611.05431) for 32x32 and for 224x224 images.

Strides stand on the 3x3 convolutions ("v1.5"). Names of parameters are torchvision's and timm's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import ModelSpec, scaled

STAGE_PLANES = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: y = relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)).

    (N, c_in, H, W) → (N, planes, H / stride, W / stride).

    Args:
        in_channels: c_in.
        planes: channels of both convolutions.
        stride: of the first convolution and of the shortcut.
        cardinality: must be one; only `Bottleneck` has groups.
    """

    expansion = 1

    def __init__(self, in_channels: int, planes: int, stride: int = 1, cardinality: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + self.downsample(x)
        activated: Tensor = self.relu(out)
        return activated


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the last 1x1 widens fourfold.

    (N, c_in, H, W) → (N, 4·planes, H / stride, W / stride).

    Args:
        in_channels: c_in.
        planes: a fourth of the output's channels; the inner ones too, unless there are groups.
        stride: of the 3x3 convolution and of the shortcut.
        cardinality: groups of the 3x3 convolution, each of planes / 16 channels ("32x4d" at 64 planes).
    """

    expansion = 4

    def __init__(self, in_channels: int, planes: int, stride: int = 1, cardinality: int = 1) -> None:
        super().__init__()
        inner, out_channels = _inner_channels(planes, cardinality), 4 * planes
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=cardinality, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, 4·planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out)) + self.downsample(x)
        activated: Tensor = self.relu(out)
        return activated


@dataclass(frozen=True)
class ResNetShape:
    """Which block, how many in each stage, and how many groups their 3x3 convolutions have."""

    block: type[BasicBlock] | type[Bottleneck]
    depths: tuple[int, int, int, int]
    cardinality: int = 1


class ResNet(nn.Module):
    """Stem, four stages of blocks, global average, one linear layer. (N, C, H, W) → (N, num_classes).

    Args:
        spec: width scales the four stages' 64, 128, 256 and 512 planes.
        shape: the blocks.
        stem: (kernel, stride) of the first convolution; one with a stride has a 3x3 max-pool of stride 2 behind it.
    """

    def __init__(self, spec: ModelSpec, shape: ResNetShape, stem: tuple[int, int]) -> None:
        super().__init__()
        planes = [scaled(base, spec.width) for base in STAGE_PLANES]
        kernel, stride = stem
        self.conv1 = nn.Conv2d(spec.input_shape[0], planes[0], kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stride > 1 else nn.Identity()
        widths = [planes[0], *(shape.block.expansion * width for width in planes)]
        self.layer1 = _stage(shape, 0, widths[0], planes[0])
        self.layer2 = _stage(shape, 1, widths[1], planes[1])
        self.layer3 = _stage(shape, 2, widths[2], planes[2])
        self.layer4 = _stage(shape, 3, widths[3], planes[3])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[4], spec.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def initialise_resnet(network: nn.Module) -> None:
    """timm's start for ImageNet: He-normal by fan-out, and every block begins as its shortcut."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    begin_as_shortcuts(network)


def begin_as_shortcuts(network: nn.Module) -> None:
    """γ = 0 in the last BatchNorm of every block, which begins as its shortcut alone (arXiv 1706.02677, section 5.1).

    Otherwise the gradient of the first step grows with every block: that of ResNet-101 for 32x32 at width 0.125 is more
    than 100 long with standard convolutions and more than 50,000 with sparse GroupNL, which then stays at chance.
    """
    for module in network.modules():
        last = {BasicBlock: "bn2", Bottleneck: "bn3"}.get(type(module))
        norm = getattr(module, last) if last else None
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.zeros_(norm.weight)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(out_channels))


def _inner_channels(planes: int, cardinality: int) -> int:
    inner = planes if cardinality == 1 else cardinality * planes // 16
    if inner % cardinality:
        raise InvalidSpec(f"{inner} channels do not split into {cardinality} groups", "Choose another width.", "width")
    return inner


def _stage(shape: ResNetShape, stage: int, in_channels: int, planes: int) -> nn.Sequential:
    first = shape.block(in_channels, planes, 1 if stage == 0 else 2, shape.cardinality)
    wide = planes * shape.block.expansion
    rest = (shape.block(wide, planes, 1, shape.cardinality) for _ in range(shape.depths[stage] - 1))
    return nn.Sequential(first, *rest)


_RESNET18 = ResNetShape(BasicBlock, (2, 2, 2, 2))
_RESNET34 = ResNetShape(BasicBlock, (3, 4, 6, 3))
_RESNET50 = ResNetShape(Bottleneck, (3, 4, 6, 3))
_RESNET101 = ResNetShape(Bottleneck, (3, 4, 23, 3))
_RESNEXT50 = ResNetShape(Bottleneck, (3, 4, 6, 3), cardinality=32)


def _small(shape: ResNetShape) -> Callable[[ModelSpec], nn.Module]:
    """For 32x32 images: a 3x3 stem of stride 1, no max-pool."""
    return lambda spec: ResNet(spec, shape, stem=(3, 1))


def _large(shape: ResNetShape) -> Callable[[ModelSpec], nn.Module]:
    """For 224x224 images: a 7x7 stem of stride 2 and a max-pool."""
    return lambda spec: ResNet(spec, shape, stem=(7, 2))


resnet18_cifar, resnet18 = _small(_RESNET18), _large(_RESNET18)
resnet34_cifar, resnet34 = _small(_RESNET34), _large(_RESNET34)
resnet50_cifar, resnet50 = _small(_RESNET50), _large(_RESNET50)
resnet101_cifar, resnet101 = _small(_RESNET101), _large(_RESNET101)
resnext50_32x4d = _large(_RESNEXT50)
