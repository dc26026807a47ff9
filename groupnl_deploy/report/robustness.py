"""What evaluations say of a run's network, beside the run's own numbers. Pure.

An evaluation belongs to a run by the ids of its artifact or of the checkpoint that this was made from, wherever both
lie. The answers of the device that ran it are the nearest to what it does there, then those of the artifact, then those
of the checkpoint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from device_agent.manifest import PICKED
from groupnl_deploy.evaluation.record import EvaluationRecord, Kind
from groupnl_deploy.report.row import ReportRow

_NEAREST: tuple[Kind, ...] = ("checkpoint", "artifact", "device")


def evaluation_of(row: ReportRow, evaluations: Sequence[EvaluationRecord]) -> EvaluationRecord | None:
    """The best of these evaluations that is of the row's network; None where none is.

    One with corrupted images is better than one without, one that came to its end better than one that did not; then
    the nearest to the device, then the newest.
    """
    return max((one for one in evaluations if _is_of(one, row)), key=_worth, default=None)


def with_robustness(row: ReportRow, evaluation: EvaluationRecord | None) -> ReportRow:
    """The row with what an evaluation says of its network."""
    if evaluation is None:
        return row
    return replace(row, picked=row.picked or PICKED in evaluation.images.notes, **_fields(evaluation, row.energy_j))


def _worth(one: EvaluationRecord) -> tuple[bool, bool, int, str]:
    """The more, the better for a report."""
    return one.robustness is not None, one.finished, _NEAREST.index(one.subject.kind), one.created_at


def _is_of(one: EvaluationRecord, row: ReportRow) -> bool:
    subject = one.subject
    if subject.kind == "checkpoint":
        return row.source == "checkpoint" and subject.checkpoint_sha256 == row.source_sha256
    there = subject.device in (None, row.device) and subject.backend in (None, row.backend)
    return subject.artifact_sha256 == row.artifact_sha256 and there


def _fields(one: EvaluationRecord, energy_j: float | None) -> dict[str, Any]:
    found, clean = one.robustness, one.clean
    known: dict[str, Any] = {
        "evaluated": one.subject.kind,
        "evaluated_images": str(one.images) if found is None else one.measured,
        "clean_accuracy": None if clean is None else clean.accuracy,
        "clean_accuracy_in_five": None if clean is None else clean.accuracy_in_five,
    }
    if found is None:
        return known
    return known | {
        "corrupted_accuracy": found.mean_accuracy,
        "corruption_error": found.mean_error.value,
        "corruption_error_is": found.mean_error.name,
        "category_accuracy": None if found.category_mean is None else found.category_mean.value,
        "corrupted_points_per_j": points_per_j(found.mean_accuracy, energy_j),
    }


def points_per_j(corrupted_accuracy: float, energy_j: float | None) -> float | None:
    """Robustness per joule: the mean corrupted accuracy in per cent, by the gross joules of one inference."""
    return None if not energy_j or energy_j <= 0 else 100 * corrupted_accuracy / energy_j


def asked_of(row: ReportRow) -> str:
    """Which corrupted images, and what answered: equal for rows that can be compared."""
    return f"{row.evaluated_images}, answered by the {row.evaluated}"


def robustness_notes(rows: Sequence[ReportRow]) -> Iterator[str]:
    """Which corrupted images the accuracies are of, and what robustness per joule is."""
    corrupted = [row for row in rows if row.corrupted_accuracy is not None]
    of = {asked_of(row) for row in corrupted}
    if len(of) == 1:
        yield f"Corrupted accuracies are means over {of.pop()}."
    elif corrupted:
        yield "Corrupted accuracies are of different images, as their column says, and are not to be compared."
    if any(row.corrupted_points_per_j is not None for row in rows):
        yield "Corr. points/J is the mean corrupted accuracy in per cent, by the gross joules of one inference."
