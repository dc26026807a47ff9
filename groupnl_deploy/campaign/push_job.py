"""Pushing: one artifact on one device."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from device_agent.manifest import Format
from device_agent.strict import to_dict, to_json
from exporters.artifact import open_artifact
from groupnl_deploy.campaign.cell import Cell
from groupnl_deploy.campaign.export_job import ExportJob
from groupnl_deploy.campaign.stage import Projection, Stage, keys
from groupnl_deploy.deploy.acceptance import Pushed, require_accepted
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.push import Sending, deploy_artifact
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.progress import Reporter
from groupnl_deploy.remote.bundle import build_bundle
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.workspace import file_sha256, write_atomically


@dataclass(frozen=True, kw_only=True)
class PushJob(Job):
    """Makes a file that says what was pushed where, once the device has verified it.

    `source` is the label of the source that the artifact was made of, `native` the machine and the format that native
    operators in it are for.
    """

    kind: ClassVar[str] = "push"
    source: str
    artifact: Path
    device: str
    checkpoint: Path | None = None
    native: tuple[str, Format] | None = None

    def reads(self) -> dict[str, Any]:
        """The artifact, how the device is reached, and the agent that travels with it."""
        device, agent = to_dict(get_device(self.device)), build_bundle().sha256
        return {"artifact": open_artifact(self.artifact).sha256, "device": device, "agent": agent}

    def identity(self) -> str:
        """The file's digest."""
        return file_sha256(self.product)

    def make(self, reporter: Reporter) -> None:
        """Push, then write down what the device answered. Raises where it does not accept the artifact."""
        pushed = push_cell(Cell(device=self.device), self.artifact, reporter, checkpoint=self.checkpoint)
        require_accepted(pushed.acceptance, self.device)
        write_atomically(self.product, to_json(pushed.deployment).encode())


def push_cell(
    cell: Cell,
    artifact: Path,
    reporter: Reporter,
    *,
    checkpoint: Path | None = None,
    wait_s: float = DEFAULT_WAIT_S,
    retry_for_s: float = DEFAULT_RETRY_S,
    sending: Sending | None = None,
) -> Pushed:
    """Push an artifact to the cell's device; see `deploy_artifact`."""
    if cell.device is None:
        raise ValueError("the cell does not say where to push")
    return deploy_artifact(
        artifact,
        cell.device,
        reporter,
        wait_s=wait_s,
        retry_for_s=retry_for_s,
        checkpoint=checkpoint,
        sending=sending,
    )


def push_job(of: Projection) -> PushJob:
    """Needs the artifact."""
    cell, layout = of.cell, of.layout
    assert cell.source is not None and cell.device is not None and cell.export is not None
    return PushJob(
        name=layout.deployment_name(cell),
        product=layout.deployment(cell),
        needs=keys(ExportJob, [layout.artifact_name(cell)]),
        source=cell.source.label,
        artifact=layout.artifact(cell),
        device=cell.device,
        checkpoint=cell.source.checkpoint,
        native=(cell.export.target, cell.export.format) if cell.export.optimize == "native" else None,
    )


STAGE = Stage("push", ("source", "export", "device"), push_job)
