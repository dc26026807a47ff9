"""Training a network to a checkpoint folder, going on where an interrupted training stopped."""

from pathlib import Path

from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.training.checkpoint import Checkpoint, save_trained
from groupnl_deploy.training.loop import TrainProgress, train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.state import TrainingJob, load_state
from groupnl_deploy.workspace import require_absent


def train_checkpoint(spec: ModelSpec, recipe: Recipe, source: DataSource, out: Path, reporter: Reporter) -> Checkpoint:
    """Train a net and write its checkpoint folder; an interrupted training goes on where it stopped."""
    require_absent(out)
    data, resume_dir = load_dataset(source), _resume_folder(out)
    with reporter.task(f"train {spec.label}") as task:
        result = train(spec, recipe, data, lambda progress: _show_epoch(task, reporter, progress), resume_dir)
        return save_trained(out, result)


def finished_epochs(spec: ModelSpec, recipe: Recipe, source: DataSource, out: Path) -> int:
    """How many epochs of this very training are kept, for `train_checkpoint` to go on from."""
    data = load_dataset(source)
    try:
        found = load_state(_resume_folder(out))
    except VerificationFailed:
        return 0
    return found.epoch if found and found.job == TrainingJob(spec, recipe, data.record) else 0


def _resume_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.resume")


def _show_epoch(task: Task, reporter: Reporter, progress: TrainProgress) -> None:
    if progress.note:
        reporter.note(progress.note)
    accuracy = "" if progress.accuracy is None else f", accuracy {100 * progress.accuracy:.1f} %"
    detail = f"epoch {progress.epoch}/{progress.epochs}, loss {progress.loss:.3f}{accuracy}"
    task((progress.epoch - 1) * progress.steps + progress.step, progress.epochs * progress.steps, detail)
