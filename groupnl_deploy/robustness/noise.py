"""Noise: every value of an image, so each channel of a pixel, draws its own."""

import numpy as np

from groupnl_deploy.robustness.values import Generators, Pixels, Values, truncated, unit


def gaussian_noise(images: Pixels, draws: Generators, std: float) -> Pixels:
    """Normal noise is added."""
    return truncated(unit(images) + std * _normal(images, draws))


def shot_noise(images: Pixels, draws: Generators, photons: float) -> Pixels:
    """Each value is a count of photons, of which a white pixel has so many on average."""
    expected = unit(images) * photons
    return truncated(np.stack([draw.poisson(mean) for draw, mean in zip(draws, expected, strict=True)]) / photons)


def impulse_noise(images: Pixels, draws: Generators, share: float) -> Pixels:
    """This share of the values becomes 0 or 255, either as likely."""
    uniform = np.stack([draw.random(images.shape[1:]) for draw in draws])
    return np.where(uniform < share, np.where(uniform < share / 2, np.uint8(255), np.uint8(0)), images)


def speckle_noise(images: Pixels, draws: Generators, std: float) -> Pixels:
    """Normal noise that grows with the value is added."""
    values = unit(images)
    return truncated(values + values * (std * _normal(images, draws)))


def _normal(images: Pixels, draws: Generators) -> Values:
    return np.stack([draw.standard_normal(images.shape[1:]) for draw in draws])
