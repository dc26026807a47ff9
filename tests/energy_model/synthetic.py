"""Sweeps whose law of cost is known, with a known scatter of their windows."""

from collections.abc import Callable, Iterable

import numpy as np

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import Key, Point, Sweep

KEY = Key("Board 1", 1500.0, 4, "onnxruntime 1.22.0")
SHAPES = tuple(
    LayerShape(channels, channels, 3, side, side)
    for channels, side in ((64, 56), (128, 56), (128, 28), (256, 28), (256, 14), (512, 14), (512, 7), (1024, 7))
)


def powers_of_two(shape: LayerShape) -> Iterable[int]:
    return (1 << power for power in range(shape.in_channels.bit_length()))


def sweep_of(
    law: Callable[[LayerShape, int], float], scatter: float = 0.0, windows: int = 5, seed: int = 1, shapes=SHAPES
) -> Sweep:
    """Each cost times 1 + scatter · a normal draw, window by window."""
    random = np.random.default_rng(seed)
    points = [
        Point(shape, groups, tuple(law(shape, groups) * (1 + scatter * random.standard_normal(windows))))
        for shape in shapes
        for groups in powers_of_two(shape)
    ]
    return Sweep(KEY, "energy", "km003c", False, tuple(points))
