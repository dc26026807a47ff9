"""A network on images: which ones, what its outputs mean for them, and how it answered."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device_agent.manifest import DataRecord
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.classes import match_classes
from groupnl_deploy.evaluation.folders import open_subject
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.images.at_hand import dataset_at_hand
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.datasets import RESIZED, load_dataset
from groupnl_deploy.images.folder import NAME as FOLDER
from groupnl_deploy.images.source import DataSource, base_name
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.evaluate import Evaluation, EvaluationImages, ask


@dataclass(frozen=True)
class Evaluated:
    """What was evaluated, on what, and the outcome.

    Args:
        subject: the network.
        data: the images.
        evaluation: how it answered.
        left_out: images that the network was trained on.
        notes: what a reader of the numbers must know.
    """

    subject: Subject
    data: DataRecord
    evaluation: Evaluation
    left_out: int
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.subject.label} on {self.data.name}: {self.evaluation.confusion}"


def evaluate_folder(folder: Path, name: str | None, path: str | None, reporter: Reporter) -> Evaluated:
    """Evaluate a checkpoint or an artifact on test images, a few of them in memory at a time.

    Args:
        folder: of the network.
        name: of the data set; None is the network's own.
        path: where the data set lies, for one that lies in a folder.
        reporter: told how far it is.

    Raises `UsageError` for random weights, where no images are at hand or left, and where the classes do not match.
    """
    subject = open_subject(folder, reporter)
    data = _images(subject, name, path, reporter)
    known = () if subject.data is None else subject.data.class_names
    matched = match_classes(known, subject.num_classes, data.class_names)
    chosen = _unseen(subject, data)
    left_out = len(data.test) - len(chosen)
    labels = np.array(matched.outputs)[np.asarray(data.test.labels)[chosen]].tolist()
    images = EvaluationImages(data.test, chosen, labels, matched.class_names, data.input_shape)
    with reporter.task(f"evaluate {subject.label}") as task, subject.answering() as answer:
        evaluation = ask(answer, images, tell=lambda done, total: task(done, total, f"{done:,}/{total:,} images"))
    notes = [note for note in (matched.note, _of_left_out(left_out)) if note]
    return Evaluated(subject, data.record, evaluation, left_out, tuple(notes))


def _images(subject: Subject, name: str | None, path: str | None, reporter: Reporter) -> Dataset:
    own = subject.data
    if own is None and name is None and path is None:
        raise UsageError(
            f"Which images {subject.folder} was trained on is not known here.",
            "Name images of its classes: --dataset folder --data DIR. The images of its test part, a fifth unless the "
            "folder has one, are used.",
        )
    if own is not None and (name is None or (name == own.name and path is None)):
        found = dataset_at_hand(own, subject.input_shape, path, subject.split, reporter)
        if found is None:
            raise UsageError(
                f"The images that {subject.folder} was trained on are not at hand.",
                "Say where they lie, --data DIR, or name others: --dataset folder --data DIR.",
            )
        return found
    chosen = name or FOLDER
    shape = subject.input_shape if base_name(chosen) in RESIZED else None
    if own is not None and base_name(own.name) == base_name(chosen) and own.name != chosen:
        raise UsageError(
            f"The network was trained on “{own.name}”, and so on images that “{chosen}” tests.",
            f"Leave --dataset out to test it on the images of “{own.name}” that it has not seen.",
        )
    data = load_dataset(DataSource(chosen, path, shape), (own and own.split_seed) or 0, reporter)
    if data.input_shape != subject.input_shape:
        raise UsageError(
            f"The images of “{chosen}” have the shape {data.input_shape}, and the network takes {subject.input_shape}.",
            "Name images of your own, --dataset folder --data DIR: those are resized.",
        )
    return data


def _unseen(subject: Subject, data: Dataset) -> list[int]:
    """The test images that the network was not trained on, as far as files tell. Raises `UsageError` where none is."""
    seen = {file.sha256 for file in subject.split.files if file.part == "train"} if subject.split else set()
    digests: tuple[str, ...] = getattr(data.test, "digests", ())
    if not seen or not digests:
        return list(range(len(data.test)))
    chosen = [index for index, digest in enumerate(digests) if digest not in seen]
    if not chosen:
        raise UsageError(
            f"The network was trained on all {len(digests)} test images of “{data.name}”.",
            "Name others: an accuracy on images that a network has seen says nothing about those it has not.",
        )
    return chosen


def _of_left_out(count: int) -> str | None:
    if not count:
        return None
    return f"{count:,} image{' was' if count == 1 else 's were'} left out: the network was trained on them"
