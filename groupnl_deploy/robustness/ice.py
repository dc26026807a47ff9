"""Pictures of ice made here, with the colours and the roughness of the photographs that the authors' generator uses.

Where those photographs come from nobody says, so they are not a part of this program.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from groupnl_deploy.robustness.values import Pixels, Values

_CLOUD = 60  # pixels from one to the next
_NEEDLES, _REACH = 0.005, 60  # for each pixel, and pixels of the longest
_THICK = 2.5  # pixels: sigma across a needle


@dataclass(frozen=True)
class Kind:
    """What one photograph is like.

    Args:
        seed: of its draws.
        colour: mean of red, green and blue.
        std: of its greys.
        clouds: share of the variance that is large.
        grain: share that changes from pixel to pixel; the rest is needles.
    """

    seed: int
    colour: tuple[int, int, int]
    std: float
    clouds: float
    grain: float


KINDS = (
    Kind(1, (78, 149, 166), 18, 0.35, 0.10),
    Kind(2, (201, 205, 214), 22, 0.15, 0.10),
    Kind(3, (201, 205, 214), 22, 0.15, 0.10),
    Kind(4, (138, 153, 165), 29, 0.08, 0.25),
    Kind(5, (112, 123, 135), 43, 0.10, 0.10),
)
"""As the authors' five: two of theirs are one picture."""


def ice(kind: Kind, height: int, width: int) -> Pixels:
    """uint8 (height, width, 3): clouds, needles in all directions, and grain."""
    random = np.random.Generator(np.random.PCG64(kind.seed))
    coarse = random.standard_normal((height // _CLOUD + 1, width // _CLOUD + 1))
    clouds = ndimage.zoom(ndimage.zoom(coarse, 8), (height / coarse.shape[0] / 8, width / coarse.shape[1] / 8), order=1)
    needles = _needles(random, height, width)
    grain = random.standard_normal((height, width))
    shares = (kind.clouds, 1 - kind.clouds - kind.grain, kind.grain)
    layers = zip(shares, (clouds, needles, grain), strict=True)
    relief = _standard(sum((np.sqrt(share) * _standard(layer) for share, layer in layers), np.zeros(())))
    values: Values = kind.std * relief[..., None] + np.array(kind.colour)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _needles(random: np.random.Generator, height: int, width: int) -> Values:
    """float64 (height, width): straight lines from anywhere in any direction, the brighter above the fainter."""
    count = int(_NEEDLES * height * width)
    rows, columns = random.random((2, count, 1)) * np.array([[[height]], [[width]]])
    angles, lengths = random.random((2, count, 1)) * np.array([[[2 * np.pi]], [[_REACH]]])
    along = np.linspace(0, 1, _REACH) * lengths
    places = (rows + along * np.sin(angles)) % height, (columns + along * np.cos(angles)) % width
    lines = np.zeros((height, width))
    lines[places[0].astype(np.int64), places[1].astype(np.int64)] = np.linspace(0, 1, count)[:, None]
    needles: Values = ndimage.gaussian_filter(lines, _THICK, mode="wrap")
    return needles


def _standard(layer: Values) -> Values:
    """With mean 0 and standard deviation 1."""
    standard: Values = (layer - layer.mean()) / layer.std()
    return standard
