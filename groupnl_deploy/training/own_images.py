"""The images that the network of a checkpoint was trained on, as it is shown them."""

from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.at_hand import dataset_at_hand, where_sought
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.checkpoint import Checkpoint, load_split


def find_own_images(
    folder: Path, checkpoint: Checkpoint, reporter: Reporter, path: str | None = None
) -> Dataset | None:
    """What `dataset_at_hand` finds of a checkpoint's data set; None too where the checkpoint knows of none."""
    if checkpoint.data is None:
        return None
    split = load_split(folder, checkpoint)
    return dataset_at_hand(checkpoint.data, checkpoint.spec.input_shape, path, split, reporter, checkpoint.view)


def own_images(folder: Path, checkpoint: Checkpoint, reporter: Reporter, path: str | None = None) -> Dataset:
    """The same. Raises `UsageError` where they are not at hand, and where nobody knows which they are."""
    if checkpoint.data is None:
        raise UsageError(
            f"Which images {folder} was trained on is not known here.", "Name a checkpoint that was trained here."
        )
    found = find_own_images(folder, checkpoint, reporter, path)
    if found is None:
        raise UsageError(
            f"The images that {folder} was trained on are not at hand: {where_sought(checkpoint.data)}.",
            "Say where they lie: --data DIR.",
        )
    return found
