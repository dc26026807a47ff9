"""What a stage of a campaign is: the axes that its products depend on, and the job that makes one of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from groupnl_deploy.campaign.cell import AXES, Axis, Cell
from groupnl_deploy.campaign.config import Campaign
from groupnl_deploy.campaign.layout import Layout
from groupnl_deploy.jobs.job import Job


@dataclass(frozen=True)
class Projection:
    """The cells that share one product, and what the campaign says beside them.

    `cell` knows only the stage's axes; `cells` are the whole cells.
    """

    cell: Cell
    cells: tuple[Cell, ...]
    campaign: Campaign
    layout: Layout


@dataclass(frozen=True)
class Stage:
    """One stage: `job` makes the job of a projection, or None where nothing has to be made."""

    name: str
    axes: tuple[Axis, ...]
    job: Callable[[Projection], Job | None]

    def __post_init__(self) -> None:
        unknown = [axis for axis in self.axes if axis not in AXES]
        if unknown:
            raise ValueError(f"the stage {self.name} names the axis {unknown[0]!r}; a cell has {', '.join(AXES)}")


def keys(job_class: type[Job], names: Sequence[str]) -> tuple[str, ...]:
    """The keys of jobs of this class that have these names."""
    return tuple(f"{job_class.kind}-{name}" for name in names)
