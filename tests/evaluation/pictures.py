"""Pictures of three colours, in class folders."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32
COLOURS = {"blue": (40, 60, 200), "green": (40, 190, 60), "red": (210, 50, 40)}


def draw(folder: Path, count: int, seed: int = 0) -> Path:
    """So many pictures of each colour, all different."""
    random = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = np.clip(random.normal(colour, 40, (SIDE, SIDE + 4, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder
