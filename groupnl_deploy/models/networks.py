"""The registry of networks. Imports nothing slow: a network is named, and its file imported where one is built.

To add one: a function `ModelSpec → nn.Module` in a file here, and a line in `NETWORKS`, or in `MODULES` for a single
layer.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from groupnl_deploy.models.spec import Padding

_MODELS = "groupnl_deploy.models."
PYTORCH_EPS = 1e-5


class DuplicateModel(ValueError):
    """Two networks claim one name."""


@dataclass(frozen=True)
class Network:
    """One network: all that is known of it before PyTorch is imported.

    Args:
        name: what users type.
        summary: one line for the list of models.
        build: `module:function` in `models`, a `ModelSpec` → the network of standard convolutions.
        placement: a function in `placement`: which of them a convolution stands for, as the papers have it.
        kind: of network, which says by what recipe it is trained; "" for what is not trained.
        input_shape: (channels, height, width) its papers count it at.
        num_classes: of the data set it is made for.
        initialise: `module:function` in `models`, draws the weights of the finished network; "" for PyTorch's own.
        bn_over_seeds: methods whose BatchNorm stands over the seeds in the paper.
        groupnl: the GroupNL of the paper: sparse for bottlenecks and depthwise convolutions, else dense.
        padding: the network's own; a `ModelSpec` may ask for another of `paddings`.
        bn_eps: ε of its BatchNorms, likewise; None leaves each as it comes.
        paddings: those its builder knows.
        mean: what its published weights were trained with, per channel; () is ImageNet's statistics.
        std: likewise.
    """

    name: str
    summary: str
    build: str
    placement: str
    input_shape: tuple[int, int, int]
    num_classes: int
    kind: str = ""
    initialise: str = ""
    bn_over_seeds: tuple[str, ...] = ()
    groupnl: str = "groupnl-sparse"
    padding: Padding = "symmetric"
    bn_eps: float | None = PYTORCH_EPS
    paddings: tuple[Padding, ...] = ("symmetric",)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def load(self, target: str) -> Any:
        """What `build` or `initialise` names."""
        return pkgutil.resolve_name(f"{_MODELS}{target}")


@dataclass(frozen=True)
class Alias:
    """A second name of a network, with the convolution that it says.

    Args:
        network: a key of `NETWORKS`.
        method: the convolution.
        knobs: of it, that the name says.
    """

    network: str
    method: str = "groupnl-sparse"
    knobs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> str:
        """What the name is in options, such as "--conv groupnl --ratio 4"."""
        said = {"conv": self.method, **self.knobs}
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in said.items())


# The inputs and classes of the data sets that the papers' networks are made for.
CIFAR: dict[str, Any] = {"input_shape": (3, 32, 32), "num_classes": 10}
IMAGENET: dict[str, Any] = {"input_shape": (3, 224, 224), "num_classes": 1000}

_BASIC: dict[str, Any] = {"placement": "basic_blocks", "groupnl": "groupnl"}
# Table 14 (arXiv 2506.12335): in CIFAR ResNet-101 the counts of sparse GroupNL demand the BatchNorm over the seeds.
_SMALL_BOTTLENECKS: dict[str, Any] = {
    "kind": "bottlenecks",
    "placement": "bottlenecks",
    "bn_over_seeds": ("groupnl-sparse",),
    "initialise": "resnet:begin_as_shortcuts",
} | CIFAR
_RESNET: dict[str, Any] = {"kind": "resnet", "initialise": "resnet:initialise_resnet"} | IMAGENET
_BOTTLENECKS: dict[str, Any] = _RESNET | {"placement": "stride_one_bottlenecks", "kind": "bottlenecks"}
_VGG: dict[str, Any] = {"kind": "vgg", "placement": "everywhere", "groupnl": "groupnl"} | CIFAR
_MOBILE: dict[str, Any] = {"placement": "depthwise_convs", "paddings": get_args(Padding)}
_IMAGENET_MOBILE: dict[str, Any] = {"initialise": "inverted_residual:initialise_efficientnet"} | _MOBILE | IMAGENET
# What timm calls `tf_`: weights that were trained in TensorFlow, with its padding, its ε and pixels from -1 to 1.
_TENSORFLOW: dict[str, Any] = {"padding": "same", "bn_eps": 1e-3, "mean": (0.5,) * 3, "std": (0.5,) * 3}

_MOBILENETV3 = Network(
    "mobilenetv3_large_100",
    "MobileNetV3 large for ImageNet (GroupNL Table 4)",
    "mobilenet:mobilenetv3_large_100",
    kind="mobilenetv3",
    **_IMAGENET_MOBILE,
)
_LITE0 = Network(
    "efficientnet_lite0",
    "EfficientNet-Lite0 for ImageNet (GroupNL Table 4)",
    "efficientnet:efficientnet_lite0",
    kind="efficientnet-lite",
    **_IMAGENET_MOBILE,
)
_EDGE_TPU_S = Network(
    "efficientnet_es",
    "EfficientNet-EdgeTPU-S for ImageNet (GroupNL Table 4)",
    "efficientnet:efficientnet_es",
    kind="efficientnet-edgetpu",
    **_IMAGENET_MOBILE,
)
_V2_S = Network(
    "efficientnetv2_s",
    "EfficientNetV2-S for ImageNet (GroupNL Table 4)",
    "efficientnet:efficientnetv2_s",
    kind="efficientnetv2",
    **_IMAGENET_MOBILE,
)


def _tensorflow(network: Network, title: str) -> Network:
    """The network as TensorFlow has it."""
    summary = f"{title} with TensorFlow's padding and BN eps"
    return replace(network, name=f"tf_{network.name}", summary=summary, **_TENSORFLOW)


def by_name(networks: Iterable[Network]) -> dict[str, Network]:
    """Every network by its name. Raises `DuplicateModel` where two have one, or one has an alias'."""
    table: dict[str, Network] = {}
    for network in networks:
        if network.name in table or network.name in ALIASES:
            raise DuplicateModel(f"two networks are named “{network.name}”")
        table[network.name] = network
    return table


# The names of the authors' code: sparse GroupNL where the papers put it, and dense GroupNL ("std") in the same places.
ALIASES: dict[str, Alias] = {
    "gnl_resnet50": Alias("resnet50"),
    "gnl_resnet101": Alias("resnet101"),
    "gnl_std_r2_resnet50": Alias("resnet50", "groupnl", {"ratio": 2}),
    "gnl_std_r2_resnet101": Alias("resnet101", "groupnl", {"ratio": 2}),
    "gnl_std_r4_resnet50": Alias("resnet50", "groupnl", {"ratio": 4}),
    "gnl_std_r4_resnet101": Alias("resnet101", "groupnl", {"ratio": 4}),
    "mobilenetv2_gnl_100": Alias("mobilenetv2_100"),
    "mobilenetv3_gnl_large_100": Alias("mobilenetv3_large_100"),
    "efficientnet_gnl_lite0": Alias("efficientnet_lite0"),
    "efficientnet_gnl_es": Alias("efficientnet_es"),
    "efficientnetv2_gnl_s": Alias("efficientnetv2_s"),
}

NETWORKS: Mapping[str, Network] = by_name(
    (
        Network(
            "resnet18_cifar",
            "ResNet-18 for 32x32 images (GroupNL Tables 3, 14, 15)",
            "resnet:resnet18_cifar",
            kind="resnet",
            **_BASIC,
            **CIFAR,
        ),
        Network(
            "resnet34_cifar",
            "ResNet-34 for 32x32 images (GroupNL Table 3)",
            "resnet:resnet34_cifar",
            kind="resnet34",
            **_BASIC,
            **CIFAR,
        ),
        Network("resnet50_cifar", "ResNet-50 for 32x32 images", "resnet:resnet50_cifar", **_SMALL_BOTTLENECKS),
        Network(
            "resnet101_cifar",
            "ResNet-101 for 32x32 images (GroupNL Tables 3, 14, 15)",
            "resnet:resnet101_cifar",
            **_SMALL_BOTTLENECKS,
        ),
        Network("resnet18", "ResNet-18", "resnet:resnet18", **_BASIC, **_RESNET),
        Network("resnet34", "ResNet-34", "resnet:resnet34", **_BASIC, **_RESNET),
        Network("resnet50", "ResNet-50 (GroupNL Table 10)", "resnet:resnet50", **_BOTTLENECKS),
        Network("resnet101", "ResNet-101 (GroupNL Table 10, Fig. 8)", "resnet:resnet101", **_BOTTLENECKS),
        Network(
            "resnext50_32x4d", "ResNeXt-50, 32 groups of 4 (E2GC Table IV)", "resnet:resnext50_32x4d", **_BOTTLENECKS
        ),
        Network("vgg11_cifar", "VGG-11 with BatchNorm for 32x32 images (GroupNL Table 3)", "vgg:vgg11_cifar", **_VGG),
        Network("vgg19_cifar", "VGG-19 with BatchNorm for 32x32 images", "vgg:vgg19_cifar", **_VGG),
        Network(
            "mobilenetv1_100",
            "MobileNetV1 for ImageNet (E2GC Table III)",
            "mobilenet:mobilenetv1_100",
            kind="mobilenetv1",
            **_IMAGENET_MOBILE,
        ),
        Network(
            "mobilenetv1_cifar",
            "MobileNetV1 with a stem for 32x32 images",
            "mobilenet:mobilenetv1_cifar",
            kind="mobilenetv1",
            **_MOBILE,
            **CIFAR,
        ),
        Network(
            "mobilenetv2_100",
            "MobileNetV2 for ImageNet (GroupNL Table 4)",
            "mobilenet:mobilenetv2_100",
            kind="mobilenetv2",
            **_IMAGENET_MOBILE,
        ),
        _MOBILENETV3,
        _tensorflow(_MOBILENETV3, "MobileNetV3 large"),
        _LITE0,
        _tensorflow(_LITE0, "EfficientNet-Lite0"),
        _EDGE_TPU_S,
        _tensorflow(_EDGE_TPU_S, "EfficientNet-EdgeTPU-S"),
        _V2_S,
        _tensorflow(_V2_S, "EfficientNetV2-S"),
    )
)
"""Every network by its name."""

MODULES: Mapping[str, Network] = by_name(
    (
        Network(
            "conv3x3_512",
            "A 3x3 convolution of 512 to 512 channels, stride 2, alone (GroupNL Table 16)",
            "module:conv3x3",
            "itself",
            input_shape=(512, 32, 32),
            num_classes=512 * 16 * 16,
            groupnl="groupnl",
        ),
    )
)
"""Single layers that are measured like networks, by name: they classify nothing, and no data set has such images."""
