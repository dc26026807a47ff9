"""The images of a data set again, for a network that was trained on them."""

from device_agent.manifest import DataRecord
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource, Shape


def dataset_at_hand(record: DataRecord, shape: Shape, path: str | None = None) -> Dataset | None:
    """The data set that a record tells of; None where it is not on this machine.

    Args:
        record: what a checkpoint or a manifest kept of it.
        shape: (C, H, W) that the network takes.
        path: where the user says that it lies.
    """
    return load_dataset(DataSource(record.name, path, shape), record.split_seed or 0)
