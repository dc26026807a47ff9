"""What happens to a batch of training images before a network sees it."""

import torch
from torch import Generator, Tensor
from torch.nn import functional


def shift_randomly(images: Tensor, generator: Generator, max_shift_pixels: int) -> Tensor:
    """Move each image of (N, C, H, W) by up to ± so many rows and columns; what comes in is 0."""
    if max_shift_pixels == 0:
        return images
    _, _, height, width = images.shape
    padded = functional.pad(images, [max_shift_pixels] * 4)
    corners = torch.randint(0, 2 * max_shift_pixels + 1, (len(images), 2), generator=generator).tolist()
    windows = [
        image[:, top : top + height, left : left + width] for image, (top, left) in zip(padded, corners, strict=True)
    ]
    return torch.stack(windows)
