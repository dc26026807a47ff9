"""The images that several networks are asked alike: clean ones, and corrupted ones, published or generated."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from device_agent.manifest import PICKED, DataRecord, View
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.asked import Asked
from groupnl_deploy.evaluation.classes import match_classes
from groupnl_deploy.evaluation.own_images import images_for, unseen_by
from groupnl_deploy.evaluation.record import ImagesRecord
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.images.corrupted import CORRUPTIONS, CorruptedDataset
from groupnl_deploy.images.corrupted_datasets import CLEAN, corrupted_at_size, load_corrupted
from groupnl_deploy.images.dataset import Dataset, LabelledImages
from groupnl_deploy.images.datasets import at_size, load_dataset
from groupnl_deploy.images.folder import FolderImages
from groupnl_deploy.images.source import DataSource, Shape
from groupnl_deploy.images.view import viewed
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.evaluate import EvaluationImages
from groupnl_deploy.workspace import sha256_hex

Generate = Callable[[Dataset, Asked], CorruptedDataset]


def by_definition(data: Dataset, asked: Asked) -> CorruptedDataset:
    """The test images of a data set, corrupted here by the published definitions."""
    from groupnl_deploy.robustness.generated import Draw, generated

    return generated(data, asked.corruptions or (), asked.severities, Draw(asked.seed, asked.frost))


@dataclass(frozen=True, eq=False)
class Part:
    """Some images that every network is asked: of the test part of `data`, `corruption` None for clean ones."""

    images: LabelledImages
    chosen: Sequence[int]
    class_names: tuple[str, ...]
    shape: Shape
    data: DataRecord
    corruption: str | None = None
    severity: int = 0

    def for_subject(self, subject: Subject) -> tuple[EvaluationImages, tuple[str, ...]]:
        """With the outputs of a network that are right, and what a reader of its answers must know."""
        known = () if subject.data is None else subject.data.class_names
        matched = match_classes(known, subject.num_classes, self.class_names)
        labels = np.array(matched.outputs)[np.asarray(self.images.labels)[self.chosen]].tolist()
        images = EvaluationImages(self.images, self.chosen, labels, matched.class_names, self.shape)
        picked = PICKED if subject.picked and _is_same(subject.data, self.data) else None
        return images, tuple(filter(None, (matched.note, picked)))

    def __str__(self) -> str:
        return "clean images" if self.corruption is None else f"{self.corruption} {self.severity}"


@dataclass(frozen=True, eq=False)
class ChosenImages:
    """All parts, each opened when its turn comes, and what a record says of them."""

    parts: tuple[Callable[[], Part], ...]
    record: ImagesRecord
    total: int
    has_clean: bool


def choose(
    subjects: Sequence[Subject], asked: Asked, reporter: Reporter, generate: Generate = by_definition
) -> ChosenImages:
    """Which images these networks are asked: the same ones, corrupted by the same draws.

    Args:
        subjects: the networks.
        asked: what is asked for.
        reporter: told of images that are loaded.
        generate: makes the corrupted images of a data set that has none.

    Raises `UsageError` where they take images of different shapes, their classes do not match, and where images or
    corruptions are not at hand.
    """
    if len({subject.input_shape for subject in subjects}) > 1:
        shapes = ", ".join(f"{subject.label} {subject.input_shape}" for subject in subjects)
        raise UsageError(
            f"These networks take images of different shapes ({shapes}), and all are shown the same images.",
            "Evaluate them by one command for each shape.",
        )
    chosen = (
        _published(subjects, asked, reporter) if asked.published else _generated(subjects, asked, generate, reporter)
    )
    first = chosen.parts[-1]()
    for subject in subjects:
        first.for_subject(subject)  # refuses classes that do not match, before the hours
    return chosen


def _published(subjects: Sequence[Subject], asked: Asked, reporter: Reporter) -> ChosenImages:
    shape = subjects[0].input_shape
    corrupted = load_corrupted(corrupted_at_size(DataSource(asked.dataset or "", asked.data), shape), reporter)
    if corrupted.input_shape != shape:
        raise UsageError(
            f"The images of “{corrupted.name}” have the shape {corrupted.input_shape}, and the network takes {shape}.",
            "Name a network that was trained for such images.",
        )
    first = corrupted.part(corrupted.corruptions[0], asked.severities[0])
    chosen, notes = _some(range(len(first)), asked), [*corrupted.notes, *_missing(corrupted, asked, reporter)]
    clean = None
    if asked.clean is None:
        notes.append("the clean accuracy is not known: --clean DIR names the ordinary test images")
    else:
        data = load_dataset(at_size(DataSource(CLEAN[corrupted.name], asked.clean), shape), 0, reporter)
        clean = Part(data.test, _some(range(len(data.test)), asked), data.class_names, shape, data.record)
    ordinary = DataRecord(CLEAN[corrupted.name], None, corrupted.class_names, None)
    return _parts(clean, corrupted, chosen, len(first), asked, ordinary, notes)


def _missing(corrupted: CorruptedDataset, asked: Asked, reporter: Reporter) -> Iterator[str]:
    """That not all nineteen are there, where nobody chose some; told before the hours, too."""
    missing = [name for name in CORRUPTIONS if name not in corrupted.corruptions]
    if asked.corruptions is not None or not missing:
        return
    there = len(corrupted.corruptions)
    note = f"“{corrupted.name}” lacks {', '.join(missing)} here, so its means are of {there} corruptions and not of 19"
    reporter.note(f"Note: {note}.")
    yield note


def _generated(subjects: Sequence[Subject], asked: Asked, generate: Generate, reporter: Reporter) -> ChosenImages:
    data = images_for(subjects[0], asked.dataset, asked.data, reporter)
    for subject in subjects[1:]:
        _require_same_split(subject, data)
        _require_same_view(subject, data)
    unseen = sorted(set.intersection(*(set(unseen_by(subject, data)) for subject in subjects)))
    if not unseen:
        raise UsageError(f"No test image of “{data.name}” is new to all of these networks.", "Name other images.")
    chosen = _some(unseen, asked)
    corrupted = generate(data, asked)
    notes = list(corrupted.notes)
    if len(unseen) < len(data.test):
        notes.append(f"{len(data.test) - len(unseen):,} images were left out: one of the networks was trained on them")
    clean = Part(data.test, chosen, data.class_names, data.input_shape, data.record)
    return _parts(clean, corrupted, chosen, len(data.test), asked, data.record, notes, data.view)


def _require_same_split(subject: Subject, data: Dataset) -> None:
    own = subject.data
    if own is not None and own.name == data.name and own.split_seed != data.split_seed:
        raise UsageError(
            f"{subject.label} was trained on another split of “{data.name}” (seed {own.split_seed}, not "
            f"{data.split_seed}), and has seen some of these test images.",
            "Evaluate it by a command of its own.",
        )


def _require_same_view(subject: Subject, data: Dataset) -> None:
    own = viewed(data, subject.view).view
    if own != data.view:
        raise UsageError(
            f"{subject.label} is shown another part of a photograph ({own}) than the first of these networks "
            f"({data.view}), and all are shown the same images.",
            "Evaluate it by a command of its own.",
        )


def _parts(
    clean: Part | None,
    corrupted: CorruptedDataset,
    chosen: Sequence[int],
    of: int,
    asked: Asked,
    data: DataRecord,
    notes: Sequence[str],
    view: View | None = None,
) -> ChosenImages:
    names = asked.corruptions or corrupted.corruptions
    corrupted.require(names)

    def opened(name: str, severity: int) -> Callable[[], Part]:
        about = corrupted.class_names, corrupted.input_shape, data, name, severity
        return lambda: Part(corrupted.part(name, severity), chosen, *about)

    parts = [opened(name, severity) for name in names for severity in asked.severities]
    total = len(chosen) * len(parts)
    if clean is not None:
        total += len(clean.chosen)
        parts = [lambda: clean, *parts]
    drawn = corrupted.origin == "generated" or asked.images is not None
    record = ImagesRecord(
        corrupted.name,
        data.sha256,
        corrupted.origin,
        len(chosen),
        of,
        asked.seed if drawn else None,
        tuple(names),
        asked.severities,
        tuple(notes),
        _digest_of(corrupted, data, chosen, asked, clean, view),
        view,
    )
    return ChosenImages(tuple(parts), record, total, clean is not None)


def _digest_of(
    corrupted: CorruptedDataset,
    data: DataRecord,
    chosen: Sequence[int],
    asked: Asked,
    clean: Part | None,
    view: View | None,
) -> str:
    """Of what decides the corrupted images: equal for equal ones alone. A split that is kept with a network stands in
    no record, so ordinary images that are files, `clean`, are told by what the files hold.
    """
    is_made = corrupted.origin == "generated"
    own = clean.images if is_made and clean is not None else None
    files = [own.digests[place] for place in chosen] if isinstance(own, FolderImages) else []
    drawn = [asked.seed, corrupted.notes] if is_made else corrupted.notes
    decides = [corrupted.name, data.sha256, data.split_seed, corrupted.origin, drawn, list(chosen), files]
    decides += [] if view is None else [astuple(view)]
    return sha256_hex(json.dumps(decides).encode())


def _is_same(one: DataRecord | None, other: DataRecord) -> bool:
    """Whether they are one data set and one split of it, as far as the two say."""
    if one is None or (one.name, one.split_seed) != (other.name, other.split_seed):
        return False
    return one.sha256 == other.sha256 or None in (one.sha256, other.sha256)


def with_notes(record: ImagesRecord, notes: Sequence[str]) -> ImagesRecord:
    """With what has to be said of one network."""
    return replace(record, notes=tuple(dict.fromkeys([*record.notes, *notes])))


def _some(all_of_them: Sequence[int], asked: Asked) -> list[int]:
    """As many as are asked for, drawn by the seed, in their order."""
    if asked.images is None or asked.images >= len(all_of_them):
        return list(all_of_them)
    drawn = np.random.default_rng(asked.seed).choice(len(all_of_them), asked.images, replace=False)
    return [all_of_them[int(place)] for place in sorted(drawn)]
