"""A network on images: which ones, what its outputs mean for them, and how it answered."""

from dataclasses import dataclass
from pathlib import Path

from device_agent.manifest import DataRecord, View
from groupnl_deploy.evaluation.chosen import Part
from groupnl_deploy.evaluation.folders import open_subject
from groupnl_deploy.evaluation.own_images import images_for, unseen_by
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.evaluate import Evaluation, ask


@dataclass(frozen=True)
class Evaluated:
    """What was evaluated, on what, and the outcome.

    Args:
        subject: the network.
        data: the images.
        evaluation: how it answered.
        left_out: images that the network was trained on.
        notes: what a reader of the numbers must know.
        view: what of each photograph was shown, where that can be said.
    """

    subject: Subject
    data: DataRecord
    evaluation: Evaluation
    left_out: int
    notes: tuple[str, ...]
    view: View | None = None

    def __str__(self) -> str:
        return f"{self.subject.label} on {self.data.name}: {self.evaluation.confusion}"


def evaluate_folder(folder: Path, name: str | None, path: str | None, reporter: Reporter) -> Evaluated:
    """Evaluate a checkpoint or an artifact on test images; see `evaluate_subject`."""
    return evaluate_subject(open_subject(folder, reporter), name, path, reporter)


def evaluate_subject(subject: Subject, name: str | None, path: str | None, reporter: Reporter) -> Evaluated:
    """Evaluate a network on test images, a few of them in memory at a time.

    Args:
        subject: the network.
        name: of the data set; None is the network's own.
        path: where the data set lies, for one that lies in a folder.
        reporter: told how far it is.

    Raises `UsageError` for random weights, where no images are at hand or left, and where the classes do not match.
    """
    data = images_for(subject, name, path, reporter)
    chosen = unseen_by(subject, data)
    left_out = len(data.test) - len(chosen)
    images, notes = Part(data.test, chosen, data.class_names, data.input_shape, data.record).for_subject(subject)
    with reporter.task(f"evaluate {subject.label}") as task, subject.answering() as answer:
        evaluation = ask(answer, images, tell=lambda done, total: task(done, total, f"{done:,}/{total:,} images"))
    told = (*notes, *_of_left_out(left_out))
    return Evaluated(subject, data.record, evaluation, left_out, told, data.view)


def _of_left_out(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count:,} image{' was' if count == 1 else 's were'} left out: the network was trained on them",)
