"""Training: the checkpoint of a source. One without a training keeps its first random weights: it is initialised."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from device_agent.strict import to_dict
from groupnl_deploy.campaign.cell import Cell, Source
from groupnl_deploy.campaign.stage import Projection, Stage
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.progress import Reporter

if TYPE_CHECKING:
    from groupnl_deploy.training.ranks import Ranks
    from groupnl_deploy.training.running import Running
    from groupnl_deploy.training.train import Trained


@dataclass(frozen=True, kw_only=True)
class TrainJob(Job):
    """Makes one checkpoint folder. An interrupted training goes on where it stopped."""

    kind: ClassVar[str] = "train"
    in_worker: ClassVar[bool] = True
    source: Source

    @property
    def does(self) -> str:
        """Nobody shall read that a network is trained that is not."""
        return "init" if self.source.training is None else self.kind

    def reads(self) -> dict[str, Any]:
        """What the campaign file says, and the images that it names."""
        from groupnl_deploy.images.datasets import load_dataset
        from groupnl_deploy.training.checkpoint import checkpoint_id

        training = self.source.training
        return {
            "spec": to_dict(self.source.spec),
            "recipe": to_dict(training.recipe) if training else None,
            "data": to_dict(load_dataset(training.data).record) if training else None,
            "init": checkpoint_id(training.init) if training and training.init else None,
        }

    def identity(self) -> str:
        """The checkpoint's id, after its weights were found whole."""
        return verified_checkpoint_id(self.product)

    def make(self, reporter: Reporter) -> None:
        """Train, or initialise."""
        train_cell(Cell(self.source), self.product, reporter)


def train_cell(
    cell: Cell, out: Path, reporter: Reporter, running: "Running | None" = None, ranks: "Ranks | None" = None
) -> "Trained | None":
    """Make the checkpoint of a cell's source in `out`: of its training, or, None, with random weights without one.

    A campaign runs a training as is usual; a command may say `running`, and with which processes (`ranks`).
    """
    from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint
    from groupnl_deploy.training.train import train_checkpoint

    source = cell.source
    if source is None or source.spec is None:
        raise ValueError("a source that is a folder has no training")
    load_module(source.module)
    if source.training is not None:
        training = source.training
        how = partial(train_checkpoint, init=training.init, running=running, ranks=ranks)
        return how(source.spec, training.recipe, training.data, out, reporter)
    reporter.note(f"{source.label} keeps random weights, for nothing says how to train it.")
    save_checkpoint(out, *initialise_checkpoint(source.spec))
    return None


def load_module(module: str | None) -> None:
    """Have this process know the code of the user's that a job needs: a worker begins with none."""
    if module is not None:
        from groupnl_deploy.own_code.load import load_code

        load_code(module)


def verified_checkpoint_id(folder: Path) -> str:
    """The id of a checkpoint whose weights are whole. Raises `UsageError` or `VerificationFailed`."""
    from groupnl_deploy.training.checkpoint import checkpoint_id, load_checkpoint

    load_checkpoint(folder)
    return checkpoint_id(folder)


def train_job(of: Projection) -> TrainJob | None:
    """None for a checkpoint that is there."""
    source = of.cell.source
    if source is None or source.checkpoint is not None:
        return None
    return TrainJob(name=source.label, product=of.layout.checkpoint(source), source=source)


STAGE = Stage("train", ("source",), train_job)
