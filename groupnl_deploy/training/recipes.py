"""The recipes by name, and which one a training takes that names none. To add one: its line in `RECIPES`.

`groupnl recipes NAME` prints one; docs/training.md has all of them.
"""

from dataclasses import replace
from typing import Any

from groupnl_deploy.images.source import base_name
from groupnl_deploy.models.networks import NETWORKS
from groupnl_deploy.training.recipe import Recipe

_PHOTOGRAPHS: dict[str, Any] = {"augmentation": "crop_flip_jitter", "decay_vectors": False, "label_smoothing": 0.1}

# The paper (arXiv 2506.12335) gives SGD, the rate, the batch and the cosine. Momentum, decay, epochs, crop and flip are
# usual for CIFAR and, with the limit of 5 on the gradient, those of the published code of MonoCNN.
_CIFAR = Recipe(
    epochs=200,
    batch_size=128,
    lr=0.1,
    weight_decay=5e-4,
    clip_norm=5.0,
    warmup_epochs=0,
    augmentation="shift_flip",
    max_shift_pixels=4,
)

# GEARnn (arXiv 2410.07691, appendix B). Crop, flip and the warm-up that there is none of are those of CIFAR.
_GEARNN = replace(_CIFAR, epochs=40, weight_decay=1e-4, clip_norm=None, schedule="multistep", decay_rate=0.1)

# The authors' script for ImageNet: timm's, with the defaults of DeiT (arXiv 2012.12877), on eight GPUs of 128 images.
# What it shows of a test image is what timm's table of networks says of each.
_IMAGENET = Recipe(
    epochs=300,
    batch_size=128,
    lr_batch=1024,
    optimiser="adamw",
    lr=1e-3,
    weight_decay=0.05,
    decay_vectors=False,
    clip_norm=None,
    schedule="epoch_cosine",
    warmup_epochs=5,
    warmup_lr=1e-6,
    min_lr=1e-6,
    cooldown_epochs=10,
    augmentation="random_resized_crop",
    rand_augment="rand-m9-mstd0.5-inc1",
    erasing=0.25,
    mixup=0.8,
    cutmix=1.0,
    label_smoothing=0.1,
    drop_path=0.1,
    precision="fp16",
    test_crop=0.95,
    test_interpolation="bicubic",
)
_LIGHT = replace(
    _IMAGENET,
    epochs=450,
    optimiser="rmsproptf",
    square_decay=0.9,
    optimiser_eps=1e-3,
    lr=0.064,
    weight_decay=1e-5,
    schedule="epoch_step",
    decay_rate=0.97,
    decay_epochs=2.4,
    min_lr=0.0,
    cooldown_epochs=0,
    rand_augment="rand-m9-mstd0.5",
    erasing=0.2,
    drop_path=0.2,
    dropout=0.2,
    test_crop=0.875,
)

# At its first step the gradient of MobileNetV1 at width 0.5 is 70 to 140 long, that of ResNet-18 at 0.25 from 8 to 23:
# limited to 1 it moves next to nothing in so few steps. AdamW moves every weight as far, however long its gradient is.
# Networks for 224x224 end in maps of one pixel on the digits and want the epochs: MobileNetV2 at width 0.5 with GroupNL
# as released reads 85 % after 8 and 96 % after 16. Bottlenecks begin as their shortcuts: with the gradient limited to 1
# ResNet-50 with sparse GroupNL reads 49 % after five epochs, by AdamW 97 % after four. ResNet-34 with Ghost, without
# BatchNorm, is the other way round: AdamW leaves it at chance, and by SGD it wants some epochs more.
_LIGHT_DIGITS = Recipe(epochs=20, optimiser="adamw", lr=0.006, weight_decay=0.01, clip_norm=None)

RECIPES: dict[str, Recipe] = {
    "digits": Recipe(),
    "digits-light": _LIGHT_DIGITS,
    "digits-bottlenecks": replace(_LIGHT_DIGITS, epochs=10),
    "digits-resnet34": Recipe(epochs=8),
    "images": Recipe(epochs=30, lr=0.05, warmup_epochs=2, **_PHOTOGRAPHS),
    "images-light": Recipe(
        epochs=30, optimiser="adamw", lr=0.003, weight_decay=0.01, clip_norm=None, warmup_epochs=2, **_PHOTOGRAPHS
    ),
    "finetune": Recipe(
        epochs=8,
        batch_size=16,
        lr=0.01,
        lr_decay_by_depth=0.8,
        weight_decay=1e-4,
        clip_norm=5.0,
        warmup_epochs=0.25,
        **_PHOTOGRAPHS,
    ),
    "cifar": _CIFAR,
    "gearnn": _GEARNN,
    "icons50": replace(_CIFAR, epochs=50, nesterov=True, weight_decay=1e-4, min_lr=1e-6),
    "imagenet-resnet": _IMAGENET,
    "imagenet-mobilenetv2": _LIGHT,
    "imagenet-mobilenetv3": replace(_LIGHT, epochs=600, decay_rate=0.973, lr_noise=(0.42, 0.9), ema_decay=0.9999),
    "imagenet-efficientnet-lite0": replace(_LIGHT, ema_decay=0.9999),
    "imagenet-efficientnet-es": _LIGHT,
    "imagenet-efficientnetv2-s": replace(_LIGHT, test_crop=1.0),
}
"""Every recipe by its name."""

ABOUT: dict[str, str] = {
    "digits": "few small drawings",
    "digits-light": "few small drawings, with MobileNets and EfficientNets",
    "digits-bottlenecks": "few small drawings, with ResNet-50 and ResNet-101",
    "digits-resnet34": "few small drawings, with ResNet-34",
    "images": "photographs, from random weights",
    "images-light": "photographs, with MobileNets and EfficientNets",
    "finetune": "images, from a trained network",
    "cifar": "CIFAR-10 and CIFAR-100",
    "gearnn": "CIFAR-10 and CIFAR-100 with --method gearnn",
    "icons50": "Icons-50",
    "imagenet-resnet": "ImageNet with ResNets",
    "imagenet-mobilenetv2": "ImageNet with MobileNetV1 and V2",
    "imagenet-mobilenetv3": "ImageNet with MobileNetV3",
    "imagenet-efficientnet-lite0": "ImageNet with EfficientNet-Lite0",
    "imagenet-efficientnet-es": "ImageNet with EfficientNet-EdgeTPU-S",
    "imagenet-efficientnetv2-s": "ImageNet with EfficientNetV2-S, which the authors trained at 288x288",
}
"""What each is for."""

FINETUNE = "finetune"
_IMAGES = "images"
_OF_DATASETS = {"digits": "digits", "cifar10": "cifar", "cifar100": "cifar", "icons50": "icons50"}
# By the kind of network (`Network.kind`), where that matters: its recipe by the data set.
_RESNET = {"imagenet": "imagenet-resnet"}
_OF_LIGHT = {"digits": "digits-light", "folder": "images-light"}
_OF_KINDS: dict[str, dict[str, str]] = {
    "resnet": _RESNET,
    "resnet34": {"digits": "digits-resnet34", **_RESNET},
    "bottlenecks": {"digits": "digits-bottlenecks", **_RESNET},
    "mobilenetv1": {**_OF_LIGHT, "imagenet": "imagenet-mobilenetv2"},
    "mobilenetv2": {**_OF_LIGHT, "imagenet": "imagenet-mobilenetv2"},
    "mobilenetv3": {**_OF_LIGHT, "imagenet": "imagenet-mobilenetv3"},
    "efficientnet-lite": {**_OF_LIGHT, "imagenet": "imagenet-efficientnet-lite0"},
    "efficientnet-edgetpu": {**_OF_LIGHT, "imagenet": "imagenet-efficientnet-es"},
    "efficientnetv2": {**_OF_LIGHT, "imagenet": "imagenet-efficientnetv2-s"},
}


def default_recipe(dataset: str, network: str | None) -> str:
    """The name of the recipe that a training from random weights takes, unless it names one.

    Args:
        dataset: the name of the data set.
        network: the registered name of the network; None for one of the user's own.
    """
    kind = NETWORKS[network].kind if network is not None and network in NETWORKS else ""
    base = base_name(dataset)
    return _OF_KINDS.get(kind, {}).get(base) or _OF_DATASETS.get(base, _IMAGES)


def of_dataset(dataset: str) -> Recipe:
    """The recipe that says what may happen to the images of a data set, and needs nothing but them."""
    return RECIPES[_OF_DATASETS.get(base_name(dataset), _IMAGES)]
