"""Residual networks (arXiv 1512.03385) in the forms of the GroupNL paper (arXiv 2506.12335)."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.registry import register_model
from groupnl_deploy.models.spec import InvalidSpec, ModelSpec

STAGE_PLANES = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: y = relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)).

    (N, c_in, H, W) → (N, c_out, H / stride, W / stride). Both 3x3 convolutions, stride 2 included, and the
    1x1 convolution of a projecting shortcut are of the spec's method; this is the rule under which the
    parameters and FLOPs of the paper's Tables 3, 14 and 15 come out to the printed digit.

    Args:
        conv: makes a convolution from (in_channels, out_channels, kernel_size, stride).
        in_channels: c_in.
        out_channels: c_out.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, conv: "partial[nn.Module]", in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv(out_channels, out_channels, 3)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            shortcut = conv(in_channels, out_channels, 1, stride)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + self.downsample(x)
        activated: Tensor = self.relu(out)
        return activated


class CifarResNet(nn.Module):
    """ResNet for small images: a 3x3 stride-1 stem without max-pool, four stages, global average, linear.

    (N, C, H, W) → (N, num_classes). Stem and classifier are always standard. Names of parameters are
    torchvision's and timm's.

    Args:
        spec: width scales the four stages' 64, 128, 256 and 512 channels.
        depths: blocks in each stage.
    """

    def __init__(self, spec: ModelSpec, depths: Sequence[int]) -> None:
        super().__init__()
        planes = [_scaled(base, spec.width) for base in STAGE_PLANES]
        conv = partial(build_conv, spec.conv)
        self.conv1 = nn.Conv2d(spec.input_shape[0], planes[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(conv, planes[0], planes[0], depths[0], stride=1)
        self.layer2 = _stage(conv, planes[0], planes[1], depths[1], stride=2)
        self.layer3 = _stage(conv, planes[1], planes[2], depths[2], stride=2)
        self.layer4 = _stage(conv, planes[2], planes[3], depths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(planes[3], spec.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


@register_model("resnet18_cifar", summary="ResNet-18 with a stem for 32x32 images (GroupNL Tables 3, 14, 15)")
def resnet18_cifar(spec: ModelSpec) -> nn.Module:
    """Stages of 2, 2, 2 and 2 basic blocks."""
    return CifarResNet(spec, (2, 2, 2, 2))


def _stage(conv: "partial[nn.Module]", in_channels: int, out_channels: int, depth: int, stride: int) -> nn.Sequential:
    first = BasicBlock(conv, in_channels, out_channels, stride)
    return nn.Sequential(first, *(BasicBlock(conv, out_channels, out_channels) for _ in range(depth - 1)))


def _scaled(planes: int, width: float) -> int:
    channels = round(planes * width)
    if channels < 1:
        raise InvalidSpec(f"width {width:g} leaves no channel of {planes}; choose a larger width")
    return channels
