"""What cameras, programs and files do to an image."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from groupnl_deploy.robustness.colour import from_hsv, to_hsv
from groupnl_deploy.robustness.values import Generators, Pixels, truncated, unit


def contrast(images: Pixels, draws: Generators, factor: float) -> Pixels:
    """Each channel is brought nearer to its mean in this image."""
    values = unit(images)
    mean = values.mean(axis=(1, 2), keepdims=True)
    return truncated((values - mean) * factor + mean)


def saturate(images: Pixels, draws: Generators, factor: float, shift: float) -> Pixels:
    """The saturation of each colour (HSV) is multiplied and raised. What is grey has red's hue, so it turns red."""
    colours = to_hsv(unit(images))
    return truncated(from_hsv(colours._replace(saturation=np.clip(colours.saturation * factor + shift, 0, 1))))


def pixelate(images: Pixels, draws: Generators, scale: float) -> Pixels:
    """Made smaller and larger again, by Pillow's box filter."""
    size = images.shape[2], images.shape[1]
    smaller = max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
    box = Image.Resampling.BOX
    return _each(images, lambda image: image.resize(smaller, box).resize(size, box))


def jpeg_compression(images: Pixels, draws: Generators, quality: float) -> Pixels:
    """Through a JPEG of this quality, as Pillow writes it unless asked for more: colours at half the resolution."""
    return _each(images, lambda image: _through_jpeg(image, int(quality)))


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream, formats=("JPEG",))


def _each(images: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """One image after the other, as Pillow has them."""
    plain = images[..., 0] if images.shape[-1] == 1 else images
    changed = np.stack([np.asarray(change(Image.fromarray(image))) for image in plain])
    return changed.reshape(images.shape)
