"""What is kept of an evaluation: a folder for each network, with JSON and its digest, which reports read.

It names the network by the digests of its checkpoint and its artifact, so that a report finds what belongs to a run
wherever both lie. Counts are kept, and nothing that follows from them. Imports no PyTorch.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from device_agent.manifest import View
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.robustness import Robustness, measured, robustness_of
from groupnl_deploy.images.corrupted import CORRUPTIONS
from groupnl_deploy.record import read_record, write_record
from groupnl_deploy.workspace import atomic_directory, free_name

FOLDER = "evaluations"
"""Of evaluations: beside runs, and in the folder of a campaign."""
FILE = "evaluation.json"

Kind = Literal["checkpoint", "artifact", "device"]
Origin = Literal["published", "generated"]
_ORDER = {name: place for place, name in enumerate(CORRUPTIONS)}


@dataclass(frozen=True)
class Score:
    """How many images were answered rightly; `right_in_five` with one of the first five answers, where it counts."""

    images: int
    right: int
    right_in_five: int | None = None

    @property
    def accuracy(self) -> float:
        """Top-1, from 0 to 1."""
        return self.right / self.images

    @property
    def accuracy_in_five(self) -> float | None:
        """Top-5, from 0 to 1."""
        return None if self.right_in_five is None else self.right_in_five / self.images


@dataclass(frozen=True)
class CorruptedScore:
    """Of one corruption at one severity."""

    corruption: str
    severity: int
    score: Score


@dataclass(frozen=True)
class SubjectRecord:
    """What was evaluated.

    Args:
        kind: what answered: the checkpoint's network, an artifact here, or an artifact on a device.
        label: short text for people.
        checkpoint_sha256: the id of the checkpoint, of which an artifact was made; None of somebody else's ONNX file.
        artifact_sha256: the id of the artifact.
        device: its name, where one answered.
        backend: that ran there, where one was chosen.
    """

    kind: Kind
    label: str
    checkpoint_sha256: str | None
    artifact_sha256: str | None = None
    device: str | None = None
    backend: str | None = None


@dataclass(frozen=True)
class ImagesRecord:
    """Which images.

    Args:
        dataset: its name.
        sha256: the digest of the ordinary images, where the data set has one.
        origin: whether corrupted images lay in published files or were generated here; None without any.
        count: of the test images that were asked.
        of: the test images that there are.
        seed: of what was drawn; None where nothing was.
        corruptions: that were asked for.
        severities: likewise.
        notes: what a reader of the numbers must know, sentences without a full stop.
        which: a digest of all that decides the corrupted ones but `corruptions` and `severities`: the data set, its
            split, which of its test images, and what drew them. None without any, and in records of before.
        view: what of each photograph was shown; None where they have one size, or lay there ready.
    """

    dataset: str
    sha256: str | None
    origin: Origin | None
    count: int
    of: int
    seed: int | None = None
    corruptions: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    which: str | None = None
    view: View | None = None

    @property
    def share(self) -> str:
        """Such as “, 50 of 360 images”; empty where all were asked."""
        return "" if self.count == self.of else f", {self.count:,} of {self.of:,} images"

    def __str__(self) -> str:
        some = "" if self.count == self.of else f" of {self.of:,}"
        seed = "" if self.seed is None else f", seed {self.seed}"
        asked = f", {measured(self.corruptions, self.severities)}" if self.corruptions else ""
        origin = "" if self.origin is None else f", {self.origin}"
        view = "" if self.view is None else f" ({self.view})"
        return f"{self.dataset}{origin}{asked}{seed}, {self.count:,}{some} images{view}"


@dataclass(frozen=True)
class EvaluationRecord:
    """One network on such images, clean and corrupted.

    Args:
        subject: the network.
        images: that it was asked.
        clean: how it answered the ordinary ones; None where they were not at hand.
        corrupted: of each corruption and severity that came to its end.
        created_at: when, in UTC.
        groupnl: the version of this program.
    """

    subject: SubjectRecord
    images: ImagesRecord
    clean: Score | None
    corrupted: tuple[CorruptedScore, ...]
    created_at: str
    groupnl: str
    schema_version: int = 1

    def __post_init__(self) -> None:
        places = [(one.corruption, one.severity) for one in self.corrupted]
        scores = [one.score for one in self.corrupted] + ([self.clean] if self.clean else [])
        counted = all(0 <= one.right <= (one.right_in_five or one.images) <= one.images > 0 for one in scores)
        known = all(name in _ORDER and 1 <= severity <= 5 for name, severity in places)
        if not known or not counted or len(set(places)) != len(places):
            raise ValueError(
                "its scores are none: unknown corruptions, one that stands twice, or counts that cannot be"
            )

    @property
    def errors(self) -> dict[str, dict[int, float]]:
        """The top-1 error by corruption and severity, in the order of `CORRUPTIONS`."""
        found: dict[str, dict[int, float]] = {}
        for one in sorted(self.corrupted, key=lambda one: (_ORDER[one.corruption], one.severity)):
            found.setdefault(one.corruption, {})[one.severity] = 1 - one.score.accuracy
        return found

    @cached_property
    def robustness(self) -> Robustness | None:
        """Of what came to its end; None where nothing did."""
        return robustness_of(self.errors)

    @property
    def finished(self) -> bool:
        """Whether all that was asked for came to its end."""
        return len(self.corrupted) == self.asked

    @property
    def asked(self) -> int:
        """How many corrupted parts were asked for."""
        return len(self.images.corruptions) * len(self.images.severities)

    @property
    def measured(self) -> str:
        """Which corrupted images its means are of: equal for networks that can be compared."""
        found = self.robustness
        if found is None:
            return "nothing corrupted"
        what = measured(found.corruption_errors, found.severities)
        images = self.images
        which = "" if images.which is None else f", images {images.which[:8]}"
        return f"{images.dataset}, {images.origin}, {what}{images.share}{which}"


def keep(record: EvaluationRecord, target: Path) -> None:
    """Write a record as a folder, which must not exist. Raises `UsageError` or `DiskFull`."""
    with atomic_directory(target) as folder:
        write_record(folder / FILE, record)


def keep_new(record: EvaluationRecord, folder: Path) -> Path:
    """Write a record into a place in this folder that is free, named by what was evaluated and when.

    Raises `UsageError` or `DiskFull`.
    """
    when = datetime.fromisoformat(record.created_at).strftime("%Y%m%d-%H%M%S")
    while True:
        target = free_name(folder / f"{_plain(record.subject.label)}-{when}")
        try:
            keep(record, target)
        except UsageError:
            if target.exists():  # another evaluation was given the same name in this moment
                continue
            raise
        return target


def is_evaluation(folder: Path) -> bool:
    """Whether the folder is one of a kept evaluation; whether it is whole is found out later."""
    return (folder / FILE).is_file()


def load_evaluation(folder: Path) -> EvaluationRecord:
    """Read a kept evaluation. Raises `VerificationFailed` for one that is damaged or of another version."""
    return read_record(EvaluationRecord, folder / FILE, "Evaluate again with this version.")


def evaluations_in(folders: Iterable[Path]) -> Iterator[Path]:
    """The kept evaluations in these folders, by name; a folder that is not there has none."""
    for folder in folders:
        yield from sorted(path.parent for path in folder.glob(f"*/{FILE}") if not path.parent.name.startswith("."))


def _plain(label: str) -> str:
    """A label as the beginning of a file's name."""
    return re.sub(r"[^\w.-]+", "-", label).strip("-.")[:80] or "network"
