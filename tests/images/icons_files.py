"""A small Icons-50 in both of its published forms."""

from pathlib import Path

import numpy as np
from PIL import Image

from groupnl_deploy.images.published.icons_tables import CLASSES

COMPANIES = ("apple", "emoji-one", "lg")


def write_folder(root: Path, companies=COMPANIES) -> Path:
    """An icon of each company for each class, with what lies beside them in the published folder."""
    folder = root / "Icons-50"
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for other, company in enumerate(companies):
            noise = np.random.default_rng((number, other)).integers(0, 256, (36, 36, 3), np.uint8)
            Image.fromarray(noise).save(folder / name / f"{company}_4_flag_for_bulgaria_{name}.png", compress_level=1)
        (folder / name / ".DS_Store").write_bytes(b"\0")
        (folder / name / "._apple_4_x.png").write_bytes(b"\0")
    (folder / "README.txt").write_text("Icons")
    (folder / ".DS_Store").write_bytes(b"\0")
    return folder


def entries(companies=COMPANIES) -> dict[str, list]:
    """What the dictionary in Icons-50.npy has, as lists of plain values."""
    rows = [(label, company) for label in range(50) for company in companies]
    return {
        "class": [label for label, _ in rows],
        "image": [np.full((3, 32, 32), 5 * label + len(company), np.uint8) for label, company in rows],
        "style": [company for _, company in rows],
        "rendition": ["4"] * len(rows),
        "subtype": [f"{CLASSES[label]}" for label, _ in rows],
    }
