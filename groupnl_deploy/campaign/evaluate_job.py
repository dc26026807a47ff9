"""Evaluating: one network under corruptions, as a checkpoint, an artifact, or an artifact on a device."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from device_agent.strict import to_dict
from exporters.artifact import open_artifact
from groupnl_deploy.campaign.cell import Axis, Cell
from groupnl_deploy.campaign.check_evaluation import asked_of
from groupnl_deploy.campaign.config import Campaign, On
from groupnl_deploy.campaign.export_job import ExportJob
from groupnl_deploy.campaign.layout import Layout
from groupnl_deploy.campaign.push_job import PushJob
from groupnl_deploy.campaign.stage import Projection, Stage, keys
from groupnl_deploy.campaign.train_job import load_module, train_job
from groupnl_deploy.campaign.words import at, at_images
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.evaluation.asked import Asked
from groupnl_deploy.evaluation.record import FILE, keep, load_evaluation
from groupnl_deploy.images.corrupted_datasets import CLEAN, load_corrupted
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import FOLDER, DataSource
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.remote.bundle import build_bundle
from groupnl_deploy.version import __version__
from groupnl_deploy.workspace import file_sha256

if TYPE_CHECKING:
    from groupnl_deploy.evaluation.contender import Contender

_AXES: dict[On, tuple[Axis, ...]] = {
    "checkpoint": ("source",),
    "artifact": ("source", "export"),
    "device": ("source", "export", "device", "backend"),
}
"""What the evaluation of each depends on."""

_UNFINISHED = ".unfinished"
"""The folder beside the evaluations that keeps those which ended early. No report looks into it."""


@dataclass(frozen=True, kw_only=True)
class EvaluateJob(Job):
    """Makes the folder of an evaluation.

    `folder` is the checkpoint's or the artifact's, `module` the code of the user's that makes its network.
    """

    kind: ClassVar[str] = "evaluate"
    on: On
    folder: Path
    asked: Asked
    device: str | None = None
    backend: str | None = None
    module: str | None = None

    def reads(self) -> dict[str, Any]:
        """The network, which images, where it answers, and the version of this program, which corrupts them."""
        from groupnl_deploy.training.checkpoint import checkpoint_id

        sha256 = checkpoint_id(self.folder) if self.on == "checkpoint" else open_artifact(self.folder).sha256
        return {
            "network": sha256,
            "asked": to_dict(self.asked),
            "images": self._images(),
            "device": to_dict(get_device(self.device)) if self.device else None,
            "agent": build_bundle().sha256 if self.device else None,
            "backend": self.backend,
            "groupnl": __version__,
        }

    def identity(self) -> str:
        """The digest of its record."""
        load_evaluation(self.product)
        return file_sha256(self.product / FILE)

    def make(self, reporter: Reporter) -> None:
        """Evaluate, and keep what was counted. One that ended early is gone on with."""
        from groupnl_deploy.evaluation.chosen import choose
        from groupnl_deploy.evaluation.going_on import evaluate_behind, forget

        load_module(self.module)
        one = self._contender(reporter)
        images = choose([one.subject], self.asked, reporter)
        unfinished = self.product.parent / _UNFINISHED
        keep(evaluate_behind(one, images, reporter, unfinished), self.product)
        forget(one.record, images, unfinished)

    def _contender(self, reporter: Reporter) -> "Contender":
        from groupnl_deploy.evaluation.contender import contender, on_device

        if self.device is None:
            return contender(self.folder, reporter)
        return on_device(self.folder, self.device, reporter, backend=self.backend)

    def _images(self) -> Any:
        """The digest of ordinary images that the file names; the network's own are named by its checkpoint."""
        asked = self.asked
        if asked.published or (asked.dataset is None and asked.data is None):
            return None
        return to_dict(load_dataset(DataSource(asked.dataset or FOLDER, asked.data)).record)


def require_images(campaign: Campaign) -> None:
    """Raise `UsageError`, which names the place, where images that the file names are not at hand."""
    config = campaign.evaluate
    if config is None:
        return
    asked = asked_of(config)
    if not asked.published:
        with at_images("evaluate", config.data):
            if config.dataset is not None or config.data is not None:
                load_dataset(DataSource(config.dataset or FOLDER, config.data))
        return
    with at_images("evaluate", config.data):
        corrupted = load_corrupted(DataSource(config.dataset or "", config.data), Silence())
    with at("evaluate", "corruptions"):
        corrupted.require(asked.corruptions or ())
    with at("evaluate", "clean"):
        if config.clean is not None:
            load_dataset(DataSource(CLEAN[corrupted.name], config.clean))


def evaluation_keys(campaign: Campaign, cells: Iterable[Cell], layout: Layout) -> tuple[str, ...]:
    """The keys of all evaluations of these cells, each once."""
    return keys(EvaluateJob, list(dict.fromkeys(map(layout.evaluation_name, _projected(campaign, cells)))))


def evaluation_folders(campaign: Campaign, cells: Iterable[Cell], layout: Layout) -> tuple[Path, ...]:
    """Where they lie."""
    return tuple(dict.fromkeys(map(layout.evaluation, _projected(campaign, cells))))


def _projected(campaign: Campaign, cells: Iterable[Cell]) -> list[Cell]:
    on = campaign.evaluate.on if campaign.evaluate else ()
    return [cell.on(_AXES[one]) for cell in cells for one in on]


def _checkpoint_job(of: Projection) -> EvaluateJob | None:
    """Needs the training, where there is one."""
    training = train_job(of)
    assert of.cell.source is not None
    return _job(of, "checkpoint", of.layout.checkpoint(of.cell.source), (training.key,) if training else ())


def _artifact_job(of: Projection) -> EvaluateJob | None:
    """Needs the export."""
    return _job(of, "artifact", of.layout.artifact(of.cell), keys(ExportJob, [of.layout.artifact_name(of.cell)]))


def _device_job(of: Projection) -> EvaluateJob | None:
    """Needs the artifact to be on the device."""
    needs = keys(PushJob, [of.layout.deployment_name(of.cell)])
    return _job(of, "device", of.layout.artifact(of.cell), needs)


def _job(of: Projection, on: On, folder: Path, needs: tuple[str, ...]) -> EvaluateJob | None:
    config, cell = of.campaign.evaluate, of.cell
    if config is None or on not in config.on or not of.cells:
        return None
    assert cell.source is not None
    return EvaluateJob(
        name=of.layout.evaluation_name(cell),
        product=of.layout.evaluation(cell),
        needs=needs,
        on=on,
        folder=folder,
        asked=asked_of(config),
        device=cell.device,
        backend=cell.backend,
        module=cell.source.module,
    )


STAGES = (
    Stage("evaluate", _AXES["checkpoint"], _checkpoint_job),
    Stage("evaluate", _AXES["artifact"], _artifact_job),
    Stage("evaluate", _AXES["device"], _device_job),
)
