"""Exporting: one artifact of one checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from device_agent.strict import to_dict
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.campaign.cell import Cell, ExportPoint
from groupnl_deploy.campaign.stage import Projection, Stage
from groupnl_deploy.campaign.train_job import load_module, train_job
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.progress import Reporter
from groupnl_deploy.version import __version__


@dataclass(frozen=True, kw_only=True)
class ExportJob(Job):
    """Makes one artifact folder, proved equal to its checkpoint.

    `source` is the label of the checkpoint's, and `module` the code of the user's that makes its network.
    """

    kind: ClassVar[str] = "export"
    in_worker: ClassVar[bool] = True
    source: str
    checkpoint: Path
    export: ExportPoint
    module: str | None = None

    def reads(self) -> dict[str, Any]:
        """The checkpoint, what is asked for, and the version of this program, whose passes make it."""
        from groupnl_deploy.training.checkpoint import checkpoint_id

        version = __version__
        return {"checkpoint": checkpoint_id(self.checkpoint), "export": to_dict(self.export), "groupnl": version}

    def identity(self) -> str:
        """The artifact's id, after its files were found whole."""
        return open_artifact(self.product).sha256

    def make(self, reporter: Reporter) -> None:
        """Export and prove."""
        load_module(self.module)
        export_cell(Cell(export=self.export), self.checkpoint, self.product, reporter)


def export_cell(cell: Cell, checkpoint: Path, out: Path, reporter: Reporter, bisect: bool = False) -> Artifact:
    """Export a checkpoint to `out` as the cell says. `bisect` looks for the node where a pass breaks parity."""
    from groupnl_deploy.export import export_checkpoint

    asked = cell.export
    if asked is None:
        raise ValueError("the cell does not say what to export")
    return export_checkpoint(checkpoint, out, asked.format, asked, reporter, bisect)


def export_job(of: Projection) -> ExportJob:
    """Needs the training, where there is one."""
    cell, layout = of.cell, of.layout
    assert cell.source is not None and cell.export is not None
    training = train_job(of)
    return ExportJob(
        name=layout.artifact_name(cell),
        product=layout.artifact(cell),
        needs=(training.key,) if training else (),
        source=cell.source.label,
        checkpoint=layout.checkpoint(cell.source),
        export=cell.export,
        module=cell.source.module,
    )


STAGE = Stage("export", ("source", "export"), export_job)
