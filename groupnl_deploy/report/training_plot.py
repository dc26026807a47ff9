"""Trainings as a picture: loss and accuracy of every epoch, several over one another, as bytes of a picture file."""

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from groupnl_deploy.report.pictures import picture_bytes
from groupnl_deploy.report.power_plot import COLOURS
from groupnl_deploy.report.training_lines import Point, accuracies, in_words, unbroken
from groupnl_deploy.training.read_log import TrainingCurves
from groupnl_deploy.words import first_few, harmless

INK, GRID = "#222222", "#DDDDDD"
MOST_TRAININGS = len(COLOURS)
LINE_INCHES = 0.21  # of the legend
FEW_EPOCHS = 40  # up to as many, each is marked with a dot
_AS_IT_IS: dict[str, Any] = {"parse_math": False}  # a dollar in a name begins no formula


def draw_trainings(trainings: Sequence[TrainingCurves], format: str = "png") -> bytes:
    """`training_figure` as a file in one of `PICTURE_FORMATS`."""
    return picture_bytes(training_figure(trainings), format)


def training_figure(trainings: Sequence[TrainingCurves]) -> Figure:
    """The loss on training and test images above, the accuracy on test images below.

    A colour is a training, at most `MOST_TRAININGS`. A line is broken where an epoch has no number or is in no log.
    """
    figure = Figure(figsize=(10.0, 7.0 + LINE_INCHES * len(trainings)), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for number, training in enumerate(trainings):
        colour = COLOURS[number]
        _line(upper, [(line.epoch, line.train_loss) for line in training.lines], colour, "-")
        _line(upper, [(line.epoch, line.test_loss) for line in training.lines], colour, "--")
        _line(lower, accuracies(training.lines), colour, "--")
    upper.set_ylabel("Loss (nats)", fontsize=11)
    lower.set_ylabel("Top-1 on test images (%)", fontsize=11)
    lower.set_xlabel("Epoch", fontsize=11)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (upper, lower):
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    names = [training.name for training in trainings]
    figure.suptitle(harmless(f"Training of {first_few(names, 3)}"), fontsize=15, **_AS_IT_IS)
    figure.align_ylabels([upper, lower])
    _add_legend(figure, trainings)
    return figure


def _line(axes: Any, points: Sequence[Point], colour: str, dashes: str) -> None:
    few = len(points) <= FEW_EPOCHS
    for piece in unbroken(points):
        epochs, values = zip(*piece, strict=True)
        alone = len(piece) == 1
        axes.plot(
            epochs, values, dashes, color=colour, linewidth=1.5, marker="o" if few or alone else "", markersize=3.5
        )


def _add_legend(figure: Figure, trainings: Sequence[TrainingCurves]) -> None:
    entries = [
        Line2D([], [], color=colour, linewidth=2.5, label=harmless(in_words(training)))
        for colour, training in zip(COLOURS, trainings, strict=False)
    ]
    entries += [
        Line2D([], [], color=INK, linestyle=dashes, label=f"on {what} images") for dashes, what in _KINDS.items()
    ]
    legend = figure.legend(handles=entries, loc="outside lower center", frameon=False, fontsize=10)
    for text in legend.get_texts():
        text.set_parse_math(False)


_KINDS: dict[Literal["-", "--"], str] = {"-": "training", "--": "test"}
