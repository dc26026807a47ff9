"""scikit-learn's two photographs, read where it keeps them: importing it for two files costs 1.4 s and 60 MB."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Pixels

NAMES = ("china", "flower")


def photographs() -> list[Pixels]:
    """Each uint8 (427, 640, 3). Raises `UsageError` where scikit-learn is not installed whole."""
    found = find_spec("sklearn")
    folder = Path(found.origin).parent / "datasets" / "images" if found and found.origin else Path("sklearn")
    try:
        return [np.asarray(Image.open(folder / f"{name}.jpg")) for name in NAMES]
    except OSError as error:
        raise UsageError(
            f"scikit-learn's photographs are not where they should be, {folder}.", "Install scikit-learn again."
        ) from error
