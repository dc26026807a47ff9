"""How good a network is on images it was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.datasets import Images, Statistics
from groupnl_deploy.images.preprocessing import as_input


@dataclass(frozen=True)
class Evaluation:
    """Top-1 accuracy between 0 and 1, mean cross-entropy in nats, and the number of images."""

    accuracy: float
    loss: float
    count: int


def evaluate(
    model: nn.Module,
    images: Images,
    labels: npt.NDArray[np.int64] | Sequence[int],
    mean: Statistics,
    std: Statistics,
    *,
    batch_size: int = 256,
) -> Evaluation:
    """Run the model in eval mode over uint8 (N, C, H, W) images; its training mode is put back afterwards."""
    targets = torch.from_numpy(np.array(labels, dtype=np.int64))
    if len(images) != len(targets) or not len(images):
        raise UsageError(
            f"There are {len(images)} images and {len(targets)} labels to evaluate on.", "Give one label an image."
        )
    logits = _logits(model, images, mean, std, batch_size)
    return Evaluation(
        accuracy=(logits.argmax(dim=1) == targets).double().mean().item(),
        loss=functional.cross_entropy(logits.double(), targets).item(),
        count=len(targets),
    )


def _logits(model: nn.Module, images: Images, mean: Statistics, std: Statistics, batch_size: int) -> torch.Tensor:
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            starts = range(0, len(images), batch_size)
            batches = (torch.from_numpy(np.array(images[start : start + batch_size])) for start in starts)
            return torch.cat([model(as_input(batch, mean, std)) for batch in batches])
    finally:
        model.train(was_training)
