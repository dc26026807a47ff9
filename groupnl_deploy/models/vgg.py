"""VGG (arXiv 1409.1556) for 32x32 images, with BatchNorm and a single linear layer behind the convolutions."""

from collections.abc import Sequence

from torch import Tensor, nn

from groupnl_deploy.models.spec import ModelSpec, scaled

# Convolutions of 3x3 by their output channels; "M" halves the image.
_VGG11: tuple[int | str, ...] = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
_VGG19: tuple[int | str, ...] = (64, 64, "M", 128, 128, "M", *4 * (256,), "M", *4 * (512,), "M", *4 * (512,), "M")


class CifarVGG(nn.Module):
    """Convolution, BatchNorm and ReLU in a row, five halvings, global average, one linear layer.

    (N, C, H, W) → (N, num_classes), H and W at least 32. Its parameters and FLOPs are those of the GroupNL
    paper's Table 3 (arXiv 2506.12335), which has no bias in the convolutions and no hidden linear layers.

    Args:
        spec: width scales every channel count.
        layers: output channels and "M".
    """

    def __init__(self, spec: ModelSpec, layers: Sequence[int | str]) -> None:
        super().__init__()
        self.features = nn.Sequential(*_features(spec, layers))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(scaled(512, spec.width), spec.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, num_classes)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def vgg11_cifar(spec: ModelSpec) -> nn.Module:
    """Eight convolutions."""
    return CifarVGG(spec, _VGG11)


def vgg19_cifar(spec: ModelSpec) -> nn.Module:
    """Sixteen convolutions."""
    return CifarVGG(spec, _VGG19)


def _features(spec: ModelSpec, layers: Sequence[int | str]) -> list[nn.Module]:
    modules: list[nn.Module] = []
    channels = spec.input_shape[0]
    for layer in layers:
        if isinstance(layer, str):
            modules.append(nn.MaxPool2d(2))
            continue
        wide = scaled(layer, spec.width)
        modules += [nn.Conv2d(channels, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        channels = wide
    return modules
