"""How good a network is on images it was not trained on."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.confusion import Confusion, count_confusion
from groupnl_deploy.images.dataset import LabelledImages, PerChannel
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.images.source import Shape

_LARGEST_BATCH, _LEAST_BATCH = 256, 8
_FEW = 5  # answers of which one may be right: top-5
_BATCH_PIXELS = _LARGEST_BATCH * 32 * 32  # more of larger images at once need gigabytes

Answer = Callable[[Tensor], Tensor]
"""From a batch of pixels, uint8 (N, C, H, W), to its logits, float (N, classes)."""


@runtime_checkable
class StreamedAnswer(Protocol):
    """An `Answer` that is far away: it reads ahead, so that batches are on their way while others are computed."""

    def __call__(self, pixels: Tensor, /) -> Tensor:
        """Of one batch."""

    def of_each(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        """The logits of all images, in their order; in batches of any size, not those that were given."""


Told = Callable[[int, int], None]
"""Told after a batch how many images are done, and of how many."""


@dataclass(frozen=True)
class Evaluation:
    """Which class was taken for which, and the mean cross-entropy in nats.

    `right_in_five` counts images whose class is among the network's first five answers; None where it has no more
    classes than these, so that the count would say nothing.
    """

    confusion: Confusion
    loss: float
    right_in_five: int | None = None

    @property
    def accuracy(self) -> float:
        """Top-1, from 0 to 1."""
        return self.confusion.accuracy

    @property
    def count(self) -> int:
        """Images."""
        return self.confusion.images


@dataclass(frozen=True, eq=False)
class EvaluationImages:
    """Images with their right answers.

    Args:
        images: of which some are asked for.
        chosen: the indices of those.
        labels: the right answer to each of `chosen`, an index of `class_names`.
        class_names: of the network's outputs.
        shape: (C, H, W) of every image.
    """

    images: LabelledImages
    chosen: Sequence[int]
    labels: Sequence[int]
    class_names: tuple[str, ...]
    shape: Shape

    @classmethod
    def of_all(cls, images: LabelledImages, class_names: tuple[str, ...], shape: Shape) -> "EvaluationImages":
        """All images, with the labels that they have."""
        return cls(images, range(len(images)), images.labels.tolist(), class_names, shape)


def evaluate(
    model: nn.Module,
    test: EvaluationImages,
    mean: PerChannel,
    std: PerChannel,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Evaluation:
    """Run the model in eval mode over all images, a batch in memory at a time; its mode is put back afterwards.

    Raises `UsageError` where there are no images.
    """
    with testing(model):
        return ask(lambda pixels: model(as_input(pixels, mean, std)), test, batch_size=batch_size, workers=workers)


def ask(
    answer: Answer,
    test: EvaluationImages,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    tell: Told = lambda done, total: None,
) -> Evaluation:
    """Ask for the class of every image, a batch in memory at a time.

    Args:
        answer: the network.
        test: the images and what is right.
        batch_size: images at once; None is as many as their size allows.
        workers: processes that read images; None is as many as pay.
        tell: told after each batch.

    Raises `UsageError` where there are no images.
    """
    total = len(test.chosen)
    if not total:
        raise UsageError("There are no images to evaluate on.", "Give at least one.")
    size = batch_size or batch_size_for(test.shape)
    parts = [list(test.chosen[start : start + size]) for start in range(0, total, size)]
    answers: list[int] = []
    loss, in_five = 0.0, 0
    with reading(batches(test.images, parts, test.shape, workers)) as read:
        for logits in answer.of_each(read) if isinstance(answer, StreamedAnswer) else map(answer, read):
            labels = torch.tensor(test.labels[len(answers) : len(answers) + len(logits)])
            answers += logits.argmax(dim=1).tolist()
            loss += functional.cross_entropy(logits.double(), labels, reduction="sum").item()
            in_five += int((logits.topk(min(_FEW, logits.shape[1]), dim=1).indices == labels[:, None]).sum())
            tell(len(answers), total)
    confusion = count_confusion(test.labels, answers, test.class_names)
    return Evaluation(confusion, loss / total, in_five if len(test.class_names) > _FEW else None)


@contextlib.contextmanager
def reading(read: Iterator[Tensor]) -> Iterator[Iterator[Tensor]]:
    """End the processes that read batches with the block, Ctrl-C included, and not when the last frame is forgotten."""
    try:
        yield read
    finally:
        if isinstance(read, Generator):
            read.close()


def batch_size_for(shape: Shape) -> int:
    """How many images of this shape at once."""
    return max(_LEAST_BATCH, min(_LARGEST_BATCH, _BATCH_PIXELS // (shape[1] * shape[2])))


@contextlib.contextmanager
def testing(model: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, and nothing kept for gradients.

    Each module's mode is put back: frozen ones are in evaluation mode inside a network that is not.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training
