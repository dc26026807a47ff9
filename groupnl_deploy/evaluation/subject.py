"""What is evaluated: a network that answers to images, and what is known of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from device_agent.manifest import DataRecord, View
from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.images.source import Shape
from groupnl_deploy.images.split import Split
from groupnl_deploy.training.evaluate import Answer


@dataclass(frozen=True, eq=False)
class Subject:
    """A network in a folder.

    Args:
        folder: of it.
        kind: what the folder is, or "device" where an artifact is answered for by a device.
        sha256: its id.
        label: short text for people.
        data: what it was trained on, where that is known.
        split: which files of that were in which part, likewise.
        input_shape: (C, H, W) of one image.
        num_classes: its outputs.
        statistics: how its images are prepared.
        init: the id of the checkpoint that its training began with.
        answering: gives what answers to batches of pixels, for as long as its context is open.
        picked: its epoch was picked by the test images of `data`.
        view: what of a photograph it is shown; None is as the data set has it.
    """

    folder: Path
    kind: Literal["checkpoint", "artifact", "device"]
    sha256: str
    label: str
    data: DataRecord | None
    split: Split | None
    input_shape: Shape
    num_classes: int
    statistics: Statistics
    init: str | None
    answering: Callable[[], AbstractContextManager[Answer]]
    picked: bool = False
    view: View | None = None
