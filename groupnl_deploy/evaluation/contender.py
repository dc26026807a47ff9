"""A network that is evaluated, with what its record says of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from exporters.artifact import open_artifact
from groupnl_deploy.evaluation.evaluate import Evaluated
from groupnl_deploy.evaluation.folders import open_subject
from groupnl_deploy.evaluation.record import EvaluationRecord, ImagesRecord, Score, SubjectRecord
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.progress import Reporter
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.training.evaluate import Evaluation
from groupnl_deploy.version import __version__


@dataclass(frozen=True, eq=False)
class Contender:
    """A network, and what is kept of it."""

    subject: Subject
    record: SubjectRecord


def contender(folder: Path, reporter: Reporter) -> Contender:
    """The network of a checkpoint or an artifact, evaluated here. Raises as `open_subject` does."""
    return of_subject(open_subject(folder, reporter))


def on_device(
    folder: Path, device: str, reporter: Reporter, wait_s: float = DEFAULT_WAIT_S, backend: str | None = None
) -> Contender:
    """The artifact of a folder, as a device answers for it. Raises as `device_subject` does."""
    from groupnl_deploy.evaluation.on_device import device_subject

    subject = device_subject(folder, device, reporter, backend=backend, wait_s=wait_s)
    return of_subject(subject, device, backend)


def of_subject(subject: Subject, device: str | None = None, backend: str | None = None) -> Contender:
    """A network as it is; `device` and `backend` are where one answers."""
    if subject.kind == "checkpoint":
        return Contender(subject, SubjectRecord("checkpoint", subject.label, subject.sha256))
    source = open_artifact(subject.folder).manifest.source
    checkpoint = source.sha256 if source.kind == "checkpoint" else None
    record = SubjectRecord(subject.kind, subject.label, checkpoint, subject.sha256, device, backend)
    return Contender(subject, record)


def clean_record(of: Contender, found: Evaluated) -> EvaluationRecord:
    """What is kept of an evaluation on clean images alone."""
    images = ImagesRecord(
        found.data.name,
        found.data.sha256,
        None,
        found.evaluation.count,
        found.evaluation.count + found.left_out,
        notes=found.notes,
        view=found.view,
    )
    return EvaluationRecord(of.record, images, score_of(found.evaluation), (), created_now(), __version__)


def score_of(evaluation: Evaluation) -> Score:
    """What a record keeps of it."""
    return Score(evaluation.count, evaluation.confusion.right, evaluation.right_in_five)


def created_now() -> str:
    """For a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")
