"""A campaign as a plan: the cross product of its axes, cell by cell, and the jobs of all stages, each once.

A stage's jobs are the cells projected on the axes that it depends on. To add a stage, write a file with its job, and
add the file's name to `_FILES`, where it stands in the order.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from groupnl_deploy.campaign.cell import Cell, ExportPoint, Source, impossible, superfluous
from groupnl_deploy.campaign.config import Campaign
from groupnl_deploy.campaign.layout import Layout
from groupnl_deploy.campaign.stage import Projection, Stage
from groupnl_deploy.campaign.words import CampaignMistake
from groupnl_deploy.errors import UsageError
from groupnl_deploy.jobs.job import Job

_FILES = (
    "train_job",
    "export_job",
    "push_job",
    "evaluate_job",
    "bench_job",
    "report_job",
)


def _stages_of(file: str) -> tuple[Stage, ...]:
    """One, or several of one name, whose products depend on different axes."""
    module = import_module(f"groupnl_deploy.campaign.{file}")
    return getattr(module, "STAGES", None) or (module.STAGE,)


STAGES: tuple[Stage, ...] = tuple(stage for file in _FILES for stage in _stages_of(file))
_LONGEST_NAME = 200  # bytes; files are called so, with up to 55 bytes more
STAGE_NAMES = tuple(dict.fromkeys(stage.name for stage in STAGES))


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
    refusals = [impossible(cell) for cell in cells]
    reasons = dict.fromkeys([*useless, *filter(None, refusals)])
    if all(refusals):
        raise UsageError(
            f"This campaign has nothing to benchmark: {'; '.join(reasons)}.",
            "Name formats in [export] that the networks can have, and backends in [bench] that run them as it says.",
        )
    layout = Layout(Path(campaign.out), cells[0], tuple(dict.fromkeys(export.format for export in exports)))
    made = [pair for stage in stages for pair in _in_turns(stage, _jobs(stage, cells, campaign, layout), campaign)]
    _require_names_of_their_own(made)
    return Plan(tuple(job for job, _ in made), tuple(reasons), layout)


def _cells(campaign: Campaign, sources: tuple[Source, ...], exports: tuple[ExportPoint, ...]) -> Iterator[Cell]:
    """All combinations, also those that cannot be. Repeats vary slowest, so that what drifts meets all alike."""
    axes = (range(1, campaign.repeats + 1), campaign.devices, sources, campaign.backends, exports, campaign.settings)
    for repeat, device, source, backend, export, settings in itertools.product(*axes):
        yield Cell(source, export, device, backend, settings, repeat)


def _in_turns(stage: Stage, jobs: Iterable[tuple[Job, Cell]], campaign: Campaign) -> Iterator[tuple[Job, Cell]]:
    """Benchmarks round by round, each round in a random order of its own; all other jobs as they come."""
    if "repeat" not in stage.axes:
        yield from jobs
        return
    for repeat, of_round in itertools.groupby(jobs, key=lambda pair: pair[1].repeat):
        shuffled = list(of_round)
        random.Random(f"{campaign.order_seed}, round {repeat}").shuffle(shuffled)
        yield from shuffled


def _exports(campaign: Campaign) -> tuple[tuple[ExportPoint, ...], list[str]]:
    """All exports that differ, and why others are left out."""
    kept: list[ExportPoint] = []
    reasons: list[str] = []
    for export in campaign.exports:
        if (reason := superfluous(export, campaign.exports)) is None:
            kept.append(export)
        else:
            reasons.append(reason)
    return tuple(kept), reasons


def _jobs(stage: Stage, cells: tuple[Cell, ...], campaign: Campaign, layout: Layout) -> Iterator[tuple[Job, Cell]]:
    """Each with the projection that it is made of."""
    grouped: dict[Cell, list[Cell]] = {}
    for cell in cells:
        projected = cell.on(stage.axes)
        if not impossible(projected):
            grouped.setdefault(projected, []).append(cell)
    for projected, of in grouped.items():
        possible = tuple(cell for cell in of if not impossible(cell))
        job = stage.job(Projection(projected, possible, campaign, layout))
        if job is not None:
            yield job, projected


def _require_names_of_their_own(made: Sequence[tuple[Job, Cell]]) -> None:
    """Raise `CampaignMistake` where two products have one place, or a name is too long for files."""
    seen: dict[Path, Cell] = {}
    for job, cell in made:
        if cell.source is None:
            continue
        place = ("models", cell.source.table, "label")
        if len(job.key.encode()) > _LONGEST_NAME:
            raise CampaignMistake(f"{job.key[:60]}… is too long a name for files.", "Choose a shorter label.", place)
        other = seen.setdefault(job.product, cell).source
        if other is not None and other != cell.source:
            raise CampaignMistake(
                f"Two different products would lie in {job.product}: of [[models]] number {other.table + 1} and of "
                f"number {cell.source.table + 1}.",
                "Choose a label that does not end like values of other keys.",
                place,
            )
        if seen[job.product] != cell:
            raise UsageError(f"Two different products would lie in {job.product}.", "Rename the device in [push].")
