"""A campaign as a plan: the cross product of its axes, cell by cell, and the jobs of all stages, each once.

A stage's jobs are the cells projected on the axes that it depends on. To add a stage, write a file with its job, and
add the file's name to `_FILES`, where it stands in the order.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from groupnl_deploy.campaign.cell import Cell, ExportPoint, Source, impossible, superfluous
from groupnl_deploy.campaign.config import Campaign
from groupnl_deploy.campaign.layout import Layout
from groupnl_deploy.campaign.stage import Projection, Stage
from groupnl_deploy.errors import UsageError
from groupnl_deploy.jobs.job import Job

_FILES = (
    "train_job",
    "export_job",
    "push_job",
    "bench_job",
    "report_job",
)
STAGES: tuple[Stage, ...] = tuple(import_module(f"groupnl_deploy.campaign.{file}").STAGE for file in _FILES)
STAGE_NAMES = tuple(stage.name for stage in STAGES)


@dataclass(frozen=True)
class Plan:
    """Everything that a campaign makes, in order.

    Args:
        jobs: of all stages, with the stage that each belongs to.
        left_out: a sentence for each kind of combination that cannot be.
        layout: where products lie.
    """

    jobs: tuple[Job, ...]
    left_out: tuple[str, ...]
    layout: Layout


def plan_of(campaign: Campaign, sources: tuple[Source, ...], stages: tuple[Stage, ...] = STAGES) -> Plan:
    """The plan of a campaign whose networks are these. Raises `UsageError` where no cell is possible."""
    exports, useless = _exports(campaign)
    cells = tuple(_cells(campaign, sources, exports))
    reasons = dict.fromkeys([*useless, *(why for cell in cells if (why := impossible(cell)))])
    if all(impossible(cell) for cell in cells):
        raise UsageError(
            f"This campaign has nothing to benchmark: {'; '.join(reasons)}.",
            "Name a backend that runs the formats of [export] under the settings of [bench].",
        )
    layout = Layout(Path(campaign.out), cells[0], tuple(dict.fromkeys(export.format for export in exports)))
    jobs = tuple(job for stage in stages for job in _jobs(stage, cells, campaign, layout))
    _require_names_of_their_own(jobs)
    return Plan(jobs, tuple(reasons), layout)


def _cells(campaign: Campaign, sources: tuple[Source, ...], exports: tuple[ExportPoint, ...]) -> Iterator[Cell]:
    """All combinations, also those that cannot be. Repeats vary slowest, so that what drifts meets all alike."""
    axes = (range(1, campaign.repeats + 1), campaign.devices, sources, campaign.backends, exports, campaign.settings)
    for repeat, device, source, backend, export, settings in itertools.product(*axes):
        yield Cell(source, export, device, backend, settings, repeat)


def _exports(campaign: Campaign) -> tuple[tuple[ExportPoint, ...], list[str]]:
    """All exports that differ, and why others are left out."""
    kept: list[ExportPoint] = []
    reasons: list[str] = []
    asked = [export.point() for export in campaign.exports]
    for export in asked:
        if (reason := superfluous(export, asked)) is None:
            kept.append(export)
        else:
            reasons.append(reason)
    return tuple(kept), reasons


def _jobs(stage: Stage, cells: tuple[Cell, ...], campaign: Campaign, layout: Layout) -> Iterator[Job]:
    grouped: dict[Cell, list[Cell]] = {}
    for cell in cells:
        projected = cell.on(stage.axes)
        if not impossible(projected):
            grouped.setdefault(projected, []).append(cell)
    for projected, of in grouped.items():
        possible = tuple(cell for cell in of if not impossible(cell))
        job = stage.job(Projection(projected, possible, campaign, layout))
        if job is not None:
            yield job


def _require_names_of_their_own(jobs: tuple[Job, ...]) -> None:
    seen: dict[Path, Job] = {}
    for job in jobs:
        other = seen.setdefault(job.product, job)
        if other is not job:
            raise UsageError(
                f"Two different products would lie in {job.product}.",
                "Give the models labels that do not end like values of other keys.",
            )
