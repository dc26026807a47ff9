"""A checkpoint that is evaluated: trained here, imported or of own code."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.training.checkpoint import Checkpoint, checkpoint_id, load_model, load_split
from groupnl_deploy.training.evaluate import Answer
from groupnl_deploy.training.threads import EVERY_CORE, computing_threads


def checkpoint_subject(folder: Path) -> Subject:
    """The network of a checkpoint folder. Raises `UsageError` for random weights, `VerificationFailed` for damage."""
    checkpoint, model = load_trained(folder)
    statistics = Statistics(checkpoint.mean, checkpoint.std)
    threads = EVERY_CORE if checkpoint.recipe is None else checkpoint.recipe.threads
    return Subject(
        folder,
        "checkpoint",
        checkpoint_id(folder),
        checkpoint.spec.label,
        checkpoint.data,
        load_split(folder, checkpoint),
        checkpoint.spec.input_shape,
        checkpoint.spec.num_classes,
        statistics,
        checkpoint.init,
        partial(answering, model, statistics, threads),
        checkpoint.picked,
        checkpoint.view,
    )


def load_trained(folder: Path) -> tuple[Checkpoint, nn.Module]:
    """A checkpoint and its network. Raises `UsageError` for random weights, `VerificationFailed` for damage."""
    checkpoint, model = load_model(folder)
    if not checkpoint.trained:
        raise UsageError(
            f"{folder} is untrained: its accuracy would describe nothing.", "Train one: groupnl train --help"
        )
    return checkpoint, model


@contextlib.contextmanager
def answering(model: nn.Module, statistics: Statistics, threads: int) -> Iterator[Answer]:
    """A network in eval mode, with so many threads."""
    with computing_threads(threads), torch.inference_mode():
        yield lambda pixels: model(as_input(pixels, *statistics))
