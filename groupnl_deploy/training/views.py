"""Several views of each training image for one step: AugMix and ERA, by timm, and the loss that holds them together.

A view is an image as its recipe alters it (window, mirror), blended with chains of operations. The views of an image
travel as its channels, J·C of them, and go through the network as one batch of J·N images.
"""

from collections.abc import Callable

from PIL import Image
from torch import Tensor

from groupnl_deploy.training.from_timm import timm_module
from groupnl_deploy.training.recipe import ANY_DEPTH, Recipe

_SEVERITY = 3
# Those of AugMix without the ones that are test corruptions as well (arXiv 1912.02781, section 3; GEARnn takes them).
_OPERATIONS = (
    "AutoContrast",
    "Equalize",
    "Rotate",
    "PosterizeIncreasing",
    "SolarizeIncreasing",
    "ShearX",
    "ShearY",
    "TranslateXRel",
    "TranslateYRel",
)
# timm draws levels around the severity, moves by up to 0.45 of a side, and fills with ImageNet's mean grey. AugMix
# draws them evenly up to the severity, moves by up to a third at severity 10, fills with black, and is bilinear.
_AS_PUBLISHED = {
    "magnitude_std": float("inf"),
    "translate_pct": 1 / 3,
    "img_mean": (0, 0, 0),
    "interpolation": Image.Resampling.BILINEAR,
}


def views_in(recipe: Recipe) -> int:
    """Images that the network is given for each training image."""
    return 1 if recipe.augmix is None else max(1, recipe.augmix[2])


def blender(recipe: Recipe) -> Callable[[Image.Image], Image.Image]:
    """From a picture in colour to one that is blended with chains of operations. Raises `UsageError` without timm."""
    assert recipe.augmix is not None
    width, depth, _ = recipe.augmix
    timm = timm_module("timm.data.auto_augment")
    operations = timm.augmix_ops(_SEVERITY, hparams=_AS_PUBLISHED, transforms=list(_OPERATIONS))
    depth = -1 if depth == ANY_DEPTH else depth
    blend: Callable[[Image.Image], Image.Image] = timm.AugMixAugment(operations, alpha=1.0, width=width, depth=depth)
    return blend


def blended_views(picture: Image.Image, blend: Callable[[Image.Image], Image.Image], views: int) -> list[Image.Image]:
    """The picture itself and blended ones, so many in all; of 0 views one that is blended."""
    return [blend(picture)] if views == 0 else [picture, *(blend(picture) for _ in range(views - 1))]


def one_batch(pixels: Tensor, views: int) -> Tensor:
    """(N, J·C, H, W) → (J·N, C, H, W): the images themselves first, then each further view of all of them."""
    count, channels, height, width = pixels.shape
    return pixels.view(count, views, channels // views, height, width).transpose(0, 1).flatten(0, 1)


def consistent_loss(recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
    """From logits (J·N, classes) and labels (N,) to the cross-entropy of the images themselves and `jsd` times the
    Jensen-Shannon divergence of what their views are answered with, in nats; the means over the batch.
    """
    make = timm_module("timm.loss").JsdCrossEntropy
    loss: Callable[[Tensor, Tensor], Tensor] = make(views_in(recipe), recipe.jsd, recipe.label_smoothing)
    return loss


def as_images(pixels: Tensor, recipe: Recipe) -> Tensor:
    """What was read of a batch as the images that the network is given; as it is without views."""
    return one_batch(pixels, views_in(recipe)) if views_in(recipe) > 1 else pixels
