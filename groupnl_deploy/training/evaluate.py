"""How good a network is on images it was not trained on."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import LabelledImages, PerChannel, gather
from groupnl_deploy.images.preprocessing import as_input


@dataclass(frozen=True)
class Evaluation:
    """Top-1 accuracy between 0 and 1, mean cross-entropy in nats, and the number of images."""

    accuracy: float
    loss: float
    count: int


def evaluate(
    model: nn.Module, images: LabelledImages, mean: PerChannel, std: PerChannel, *, batch_size: int = 256
) -> Evaluation:
    """Run the model in eval mode over all images, a batch in memory at a time; its mode is put back afterwards.

    Raises `UsageError` where there are no images.
    """
    if not len(images):
        raise UsageError("There are no images to evaluate on.", "Give at least one.")
    labels = torch.tensor(images.labels)
    right, loss = 0, 0.0
    with _in_eval_mode(model), torch.inference_mode():
        for chosen in torch.split(torch.arange(len(images)), batch_size):
            logits = model(as_input(gather(images, chosen.tolist()), mean, std))
            right += int((logits.argmax(dim=1) == labels[chosen]).sum())
            loss += functional.cross_entropy(logits.double(), labels[chosen], reduction="sum").item()
    return Evaluation(right / len(images), loss / len(images), len(images))


@contextlib.contextmanager
def _in_eval_mode(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
