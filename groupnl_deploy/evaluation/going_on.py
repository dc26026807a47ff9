"""What is kept of an evaluation that ended early, so that the same one goes on behind it."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.evaluation.record import (
    EvaluationRecord,
    ImagesRecord,
    SubjectRecord,
    evaluations_in,
    load_evaluation,
)
from groupnl_deploy.version import __version__


def kept_of(subject: SubjectRecord, images: ImagesRecord, folder: Path) -> tuple[Path, EvaluationRecord] | None:
    """The kept evaluation of this network on these images, by this version, that came farthest without coming to its
    end; and where it lies. None where there is none.
    """
    of_it = ((path, record) for path, record in _whole(folder) if record.subject == subject)
    found = [(path, record) for path, record in of_it if _goes_on(record, images)]
    return max(found, key=lambda one: len(one[1].corrupted), default=None)


def _whole(folder: Path) -> Iterator[tuple[Path, EvaluationRecord]]:
    for path in evaluations_in([folder]):
        with contextlib.suppress(VerificationFailed):
            yield path, load_evaluation(path)


def _goes_on(record: EvaluationRecord, images: ImagesRecord) -> bool:
    """Whether its parts are some of what is asked now: equal images, corrupted by equal draws of equal versions."""
    same = replace(record.images, notes=()) == replace(images, notes=())
    return same and _has(record.images.notes, images.notes) and record.groupnl == __version__ and not record.finished


def _has(notes: Iterable[str], wanted: Iterable[str]) -> bool:
    return set(wanted) <= set(notes)
