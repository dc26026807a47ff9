"""Training images whose every one is altered by itself, by timm, where it is read.

What becomes of an image follows from the seed, the epoch and its index alone: no bit depends on how many processes
read, and a training that goes on sees the same pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Dataset, LabelledImages, Labels, OriginalImages, Pixels
from groupnl_deploy.images.source import Shape
from groupnl_deploy.training.drawing import drawing_from, seed_of
from groupnl_deploy.training.from_timm import timm_module
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.views import blended_views, blender, views_in

_TRANSLATION = 0.45  # of the shorter side, at most; timm's
_GREY, _COLOUR = 1, 3  # channels


@dataclass(frozen=True, eq=False)
class AlteredImages:
    """`LabelledImages` of one epoch, counted from 0.

    Args:
        images: as they are; originals of any size where they have them and a window is cut.
        recipe: what is done to them.
        shape: (C, H, W) that each becomes.
        epoch: decides what happens to each.
        first: what is done to each before its views are made, from uint8 (1, C, H', W') to (1, C, H, W).
    """

    images: LabelledImages
    recipe: Recipe
    shape: Shape
    epoch: int
    first: Callable[[Tensor, Generator], Tensor] | None = None

    costly: ClassVar[bool] = True

    @property
    def labels(self) -> Labels:
        """int64 (N,)."""
        return self.images.labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Pixels:
        seed = seed_of(self.recipe.seed, self.epoch, index)
        picture, channels = _picture(self._begun(self._pixels(index), seed)), self.shape[0]
        with drawing_from(seed):
            for alter in self._steps:
                picture = alter(picture)
            if self.recipe.augmix is None:
                return _as_pixels(picture, channels)
            views = blended_views(picture, self._blend, self.recipe.augmix[2])
        return np.concatenate([_as_pixels(view, channels // views_in(self.recipe)) for view in views])

    def _begun(self, pixels: Pixels, seed: int) -> Pixels:
        if self.first is None:
            return pixels
        generator = torch.Generator().manual_seed(seed)
        return self.first(torch.tensor(pixels)[None], generator)[0].numpy()

    def _pixels(self, index: int) -> Pixels:
        if cuts_each(self.recipe) and isinstance(self.images, OriginalImages):
            return self.images.original(index)
        return self.images[index]

    @cached_property
    def _steps(self) -> tuple[Any, ...]:
        """Made in the process that reads."""
        return steps_of(self.recipe, self.shape)

    @cached_property
    def _blend(self) -> Callable[[Image.Image], Image.Image]:
        return blender(self.recipe)


def steps_of(recipe: Recipe, shape: Shape) -> tuple[Any, ...]:
    """What is done to each picture, in this order. Raises `UsageError` as `operations_of`, and without timm."""
    height, width = shape[1:]
    steps: list[Any] = []
    if cuts_each(recipe):
        cut = timm_module("timm.data.transforms").RandomResizedCropAndInterpolation
        steps.append(cut((height, width), scale=recipe.crop_scale, interpolation="random"))
        if recipe.flip:
            steps.append(timm_module("torchvision.transforms").RandomHorizontalFlip())
    if recipe.rand_augment is not None:
        steps.append(operations_of(recipe.rand_augment, min(height, width)))
    return tuple(steps)


def operations_of(words: str, side: int) -> Any:
    """timm's RandAugment for pictures of this side. Raises `UsageError` for words that it does not know."""
    operations = timm_module("timm.data.auto_augment")
    mean = timm_module("timm.data").IMAGENET_DEFAULT_MEAN
    behind = tuple(min(255, round(255 * share)) for share in mean)  # what stands beside a picture that was moved
    try:
        made = operations.rand_augment_transform(
            words, {"translate_const": int(side * _TRANSLATION), "img_mean": behind}
        )
    except (AssertionError, ValueError, KeyError) as error:
        raise UsageError(
            f"timm takes no RandAugment “{words}”: {error}.", "Write it as rand-m9-mstd0.5-inc1, or leave it out."
        ) from error
    for operation in made.ops:
        if operation.aug_fn is operations.posterize:
            operation.aug_fn = partial(_posterized, operations.posterize)
    return made


def _posterized(posterize: Any, picture: Image.Image, bits: int, **rest: Any) -> Image.Image:
    """Of no bits nothing is left; Pillow refuses them by now, where it once made the picture black."""
    return posterize(picture, bits, **rest) if bits >= 1 else Image.new(picture.mode, picture.size)


def cuts_each(recipe: Recipe) -> bool:
    """Whether a window is cut from each image by itself, of the size that the network takes."""
    return recipe.augmentation == "random_resized_crop"


def altered(
    recipe: Recipe, dataset: Dataset, epoch: int, first: Callable[[Tensor, Generator], Tensor]
) -> LabelledImages:
    """The training images of an epoch, counted from 0, as `shape_read` says; as they are where nothing is done to each.

    Where several views are made of an image, `first` is done before, so that all show the same window.

    Raises `UsageError` for images that are neither grey nor of three colours, and where timm is not there.
    """
    if not cuts_each(recipe) and recipe.rand_augment is None and recipe.augmix is None:
        return dataset.train
    shape = shape_read(recipe, dataset)
    if dataset.input_shape[0] not in (_GREY, _COLOUR):
        raise UsageError(
            f"The recipe alters pictures of one or three channels, and those of “{dataset.name}” have "
            f"{dataset.input_shape[0]}.",
            "Choose an augmentation that takes any: none, shift, shift_flip, crop_flip_jitter; "
            "and no rand_augment or augmix.",
        )
    steps_of(recipe, shape)  # what is wrong with them shows here, and not in a process that reads
    before = None if recipe.augmix is None or cuts_each(recipe) else first
    return AlteredImages(dataset.train, recipe, shape, epoch, before)


def shape_read(recipe: Recipe, dataset: Dataset) -> Shape:
    """(C, H, W) of what `altered` gives: what the network takes where each image is cut by itself, once a view."""
    if recipe.augmix is None:
        return dataset.input_shape if cuts_each(recipe) else dataset.train_shape
    channels, height, width = dataset.input_shape
    return channels * views_in(recipe), height, width


def _picture(pixels: Pixels) -> Image.Image:
    """Always in colour, which some operations need."""
    colours = np.broadcast_to(pixels, (_COLOUR, *pixels.shape[1:]))
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(colours, 0, 2)))


def _as_pixels(picture: Image.Image, channels: int) -> Pixels:
    if channels == _GREY:
        return np.asarray(picture.convert("L"))[None].copy()
    return np.ascontiguousarray(np.moveaxis(np.asarray(picture), 2, 0))
