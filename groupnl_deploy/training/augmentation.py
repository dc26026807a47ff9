"""What happens to a batch of training images before a network sees it.

Everything random is drawn from the generator that is given, a fixed number of draws for each image, and a batch is
altered in the training's own process: no bit depends on who decoded the images.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional

_COLOUR = 3  # channels
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey, ITU-R BT.601
_DRAWS = 6  # top, left, mirrored, brightness, contrast, saturation


def whole(images: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 (N, C, H', W') → (N, C, H, W): all of each image, as large as test images show it.

    The middle alone would show everything larger than it is in the test images.
    """
    if images.shape[2:] == size:
        return images
    smaller = functional.interpolate(images.float(), size, mode="bilinear", align_corners=False, antialias=True)
    return smaller.round_().clamp_(0, 255).to(torch.uint8)


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


def flip_randomly(images: Tensor, generator: Generator) -> Tensor:
    """(N, C, H, W), half of them mirrored left to right."""
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).nonzero().flatten()
    flipped = images.clone()
    flipped[mirrored] = images[mirrored].flip(-1)
    return flipped


def crop_flip_jitter(
    images: Tensor, generator: Generator, size: tuple[int, int], flip: bool = True, jitter: float = 0.3
) -> Tensor:
    """A random window of each image, mirrored left to right or not, in another light.

    Args:
        images: uint8 (N, C, H', W').
        generator: of everything random.
        size: (H, W) of the windows, no larger than the images.
        flip: whether half of them are mirrored.
        jitter: brightness, contrast and, of three channels, saturation are each changed by a factor from 1 - jitter to
            1 + jitter.

    Returns uint8 (N, C, H, W).
    """
    draws = torch.rand(len(images), _DRAWS, generator=generator)
    windows = crop(images, draws[:, :2], size)
    mirrored = (draws[:, 2] < 0.5).nonzero().flatten() if flip else torch.empty(0, dtype=torch.long)
    if len(mirrored):
        windows[mirrored] = windows[mirrored].flip(-1)
    if jitter == 0:
        return windows
    brightness, contrast, saturation = (1 + jitter * (2 * draws[:, 3:] - 1)).unbind(1)
    return relight(windows, brightness, contrast, saturation)


def crop(images: Tensor, corners: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, H', W') → (N, C, H, W): windows whose corners are given as shares, from 0 to 1, of the room there is."""
    (height, width), (full_height, full_width) = size, images.shape[2:]
    room = torch.tensor([full_height - height + 1, full_width - width + 1])
    windows = images.new_empty((*images.shape[:2], height, width))
    places = (corners * room).long().clamp(max=room - 1).tolist()
    for window, image, (top, left) in zip(windows, images, places, strict=True):
        window.copy_(image[:, top : top + height, left : left + width])
    return windows


def relight(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Multiply pixels by the brightness, blend them with the image's mean grey, and with their own grey.

    All three are one line in the pixel, its grey and the image's mean grey, rounded once. Images of other than three
    channels have no colour: the saturation is left out of account. It goes image by image, in buffers that stay in the
    processor's cache: five times as fast as the whole batch at once.

    Args:
        images: uint8 (N, C, H, W).
        brightness: (N,) factors; 0 is black.
        contrast: (N,) factors; 0 is the mean grey everywhere.
        saturation: (N,) factors; 0 is grey.

    Returns uint8 (N, C, H, W).
    """
    lit, light, grey = torch.empty_like(images), torch.empty(images.shape[1:]), torch.empty(images.shape[2:])
    colour = images.shape[1] == _COLOUR
    factors = zip(brightness.tolist(), contrast.tolist(), saturation.tolist(), strict=True)
    for image, out, (bright, contrasted, saturated) in zip(images, lit, factors, strict=True):
        light.copy_(image)
        _grey_of(light, grey)
        offset = (1 - contrasted) * bright * _mean(grey) + 0.5  # a half, as what follows cuts off
        scale = bright * contrasted
        if colour:
            light.mul_(scale * saturated).add_(grey.mul_(scale * (1 - saturated)).add_(offset))
        else:
            light.mul_(scale).add_(offset)
        out.copy_(light.clamp_(0, 255))
    return lit


def _grey_of(light: Tensor, grey: Tensor) -> None:
    """Fill (H, W) with the grey of (C, H, W): what an eye sees of three colours, the mean of other channels."""
    weights = _LUMA if len(light) == _COLOUR else (1 / len(light),) * len(light)
    torch.mul(light[0], weights[0], out=grey)
    for channel, weight in zip(light[1:], weights[1:], strict=True):
        grey.add_(channel, alpha=weight)


def _mean(grey: Tensor) -> float:
    return float(grey.sum(dtype=torch.float64)) / grey.numel()
