"""How 8-bit pixels become a network's input: each channel's mean is taken off, and the rest divided by its spread."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from groupnl_deploy.images.dataset import Dataset, PerChannel, Statistics

# The usual per-channel statistics of ImageNet's training images, for nets that have no data set of their own.
IMAGENET_MEAN: PerChannel = (0.485, 0.456, 0.406)
IMAGENET_STD: PerChannel = (0.229, 0.224, 0.225)


def preprocessing(dataset: Dataset | None, channels: int) -> Statistics:
    """The data set's own, or ImageNet's where there is none."""
    if dataset is not None:
        return dataset.statistics
    if channels == 3:
        return Statistics(IMAGENET_MEAN, IMAGENET_STD)
    mean, std = float(np.mean(IMAGENET_MEAN)), float(np.mean(IMAGENET_STD))
    return Statistics((mean,) * channels, (std,) * channels)


def as_input(images: Tensor, mean: PerChannel, std: PerChannel) -> Tensor:
    """uint8 (N, C, H, W) → float32 (x / 255 − mean) / std."""
    per_channel = (torch.tensor(values, device=images.device).view(-1, 1, 1) for values in (mean, std))
    # In place: of large images each copy costs as much as the sums.
    return images.float().div_(255).sub_(next(per_channel)).div_(next(per_channel))


def typed(inputs: Tensor, layout: Literal["nchw", "nhwc"], dtype: str) -> Tensor:
    """What `as_input` gives, as a graph takes it: in its layout and element type, as a device makes it.

    Whole numbers are rounded, and cut off at the type's range.
    """
    if layout == "nhwc":
        inputs = inputs.permute(0, 2, 3, 1).contiguous()
    kind: torch.dtype = getattr(torch, dtype)
    if not kind.is_floating_point:
        limits = torch.iinfo(kind)
        inputs = inputs.round().clamp(limits.min, limits.max)
    return inputs.to(kind)
