"""The trainings that runs come from, where their checkpoints are at hand: beside the runs, in a campaign, or here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.manifest import ArtifactManifest
from groupnl_deploy.artifact_source import checkpoint_in
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.training.read_log import TrainingCurves, training_curves


@dataclass(frozen=True)
class RunTraining:
    """The training of a run's network, by its checkpoint's id. In place of curves `problem` may say what is wrong."""

    checkpoint: str
    curves: TrainingCurves | None
    problem: str | None = None


class Trainings:
    """Finds the training of a run; looks for each checkpoint once, however many runs are of it."""

    def __init__(self) -> None:
        self._found: dict[tuple[Path, str], RunTraining | None] = {}

    def of(self, run: Path, manifest: ArtifactManifest) -> RunTraining | None:
        """By a run's folder and its manifest; None where its checkpoint is not at hand or has no log."""
        place, known = run.absolute().parent, self._found
        key = (place, manifest.source.sha256)
        if key not in known:
            known[key] = _look((place.parent / "checkpoints", place, place.parent, Path.cwd()), manifest)
        return known[key]


def _look(places: Sequence[Path], manifest: ArtifactManifest) -> RunTraining | None:
    try:
        folder = checkpoint_in(places, manifest)
        return None if folder is None else RunTraining(manifest.source.sha256, training_curves(folder))
    except (OSError, UsageError):
        return None
    except VerificationFailed as error:
        return RunTraining(manifest.source.sha256, None, error.message)
