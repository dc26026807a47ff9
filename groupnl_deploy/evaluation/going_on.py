"""What is kept of an evaluation that ended early, so that the same one goes on behind it."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.evaluation.chosen import ChosenImages
from groupnl_deploy.evaluation.contender import Contender
from groupnl_deploy.evaluation.record import (
    EvaluationRecord,
    SubjectRecord,
    evaluations_in,
    keep_new,
    load_evaluation,
)
from groupnl_deploy.evaluation.side_by_side import EndedEarly, evaluate_side_by_side
from groupnl_deploy.progress import Reporter
from groupnl_deploy.version import __version__

Kept = tuple[Path, EvaluationRecord]
"""A record, and the folder that it lies in."""


def kept_of(subjects: Sequence[SubjectRecord], images: ChosenImages, folder: Path) -> tuple[Kept | None, ...]:
    """Of each network the newest kept evaluation on these images, by this version.

    None where there is none, and where it came to its end: whoever asks again then wants all of it anew.
    """
    found = [(path, record) for path, record in _whole(folder) if _is_same(record, images)]
    return tuple(_unfinished([one for one in found if one[1].subject == subject]) for subject in subjects)


def evaluate_behind(one: Contender, images: ChosenImages, reporter: Reporter, folder: Path) -> EvaluationRecord:
    """One network's evaluation, behind what `folder` keeps of it; where it ends early, as far as it came it is there.

    Raises as `evaluate_side_by_side` does.
    """
    before = kept_of([one.record], images, folder)

    def cut_short(records: Sequence[EvaluationRecord]) -> None:
        for record in records:
            reporter.note(f"Kept as far as it came, and gone on with next time: {keep_new(record, folder)}.")

    for path, record in filter(None, before):
        reporter.note(f"Going on behind {len(record.corrupted)} of {record.asked} corrupted parts, kept in {path}.")
    records = [found and found[1] for found in before]
    try:
        return evaluate_side_by_side([one], images, reporter, cut_short=cut_short, before=records)[0]
    except EndedEarly as early:
        cut_short(early.records)
        raise


def forget(subject: SubjectRecord, images: ChosenImages, folder: Path) -> None:
    """Remove what is kept of this evaluation, which has come to its end."""
    for path, record in _whole(folder):
        if record.subject == subject and _is_same(record, images):
            shutil.rmtree(path, ignore_errors=True)


def _unfinished(found: Sequence[Kept]) -> Kept | None:
    newest = max(found, key=lambda one: (one[1].created_at, len(one[1].corrupted)), default=None)
    return None if newest is None or newest[1].finished else newest


def _whole(folder: Path) -> Iterator[Kept]:
    for path in evaluations_in([folder]):
        with contextlib.suppress(VerificationFailed):
            yield path, load_evaluation(path)


def _is_same(record: EvaluationRecord, images: ChosenImages) -> bool:
    """Whether its parts are some of what is asked now: equal images, corrupted by equal draws of equal versions."""
    same = replace(record.images, notes=()) == replace(images.record, notes=())
    return same and (record.clean is not None) == images.has_clean and record.groupnl == __version__
