"""The curves of a training as they are drawn, on a picture and on a page, and a training in a few words. Pure."""

from collections.abc import Sequence

from groupnl_deploy.training.history import EpochLine
from groupnl_deploy.training.read_log import TrainingCurves
from groupnl_deploy.words import counted

Point = tuple[int, float | None]


def accuracies(lines: Sequence[EpochLine]) -> list[Point]:
    """In percent, of each epoch."""
    return [(line.epoch, None if line.test_accuracy is None else 100 * line.test_accuracy) for line in lines]


def unbroken(points: Sequence[Point]) -> list[list[tuple[int, float]]]:
    """The pieces of a line: epochs that follow each other and have a number."""
    pieces: list[list[tuple[int, float]]] = []
    after: int | None = None
    for epoch, value in points:
        if value is not None:
            if after != epoch:
                pieces.append([])
            pieces[-1].append((epoch, value))
            after = epoch + 1
    return pieces


def in_words(training: TrainingCurves) -> str:
    """What a training is, how far it came, and how good it was last and at its best."""
    done = training.lines[-1].epoch
    of = counted(training.epochs, "epoch")
    said = f"{training.name}: {training.training}, {of if done == training.epochs else f'{done} of {of}'}"
    known = [(value, epoch) for epoch, value in accuracies(training.lines) if value is not None]
    if not known:
        return said
    best, at = max(known, key=lambda one: (one[0], -one[1]))
    said += f", {known[-1][0]:.1f} % at the end"
    return said if best == known[-1][0] else f"{said}, {best:.1f} % at best (epoch {at})"
