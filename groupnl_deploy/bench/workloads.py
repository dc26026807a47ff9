"""Workloads that have a name: a quick one, and the paper's. Pure."""

from dataclasses import replace

from device_agent.settings import Workload
from groupnl_deploy.bench.metered import MIN_METERED_IDLE_S, MIN_METERED_S
from groupnl_deploy.bench.phase_energy import PAPER_IMAGES


def quick(workload: Workload) -> Workload:
    """The shortest window and idle phases that a meter can still resolve: to try something out."""
    return replace(workload, min_seconds=MIN_METERED_S, idle_s=MIN_METERED_IDLE_S)


def as_in_paper(workload: Workload, metered: bool) -> Workload:
    """100 images, as in section 4.3.2 (arXiv 2506.12335): they take a Raspberry Pi 4 from 13 to 193 s.

    Where they take less than ten seconds, the window goes on until a meter can resolve it.
    """
    least_s = MIN_METERED_S if metered else 0.0
    return replace(workload, images=PAPER_IMAGES, min_iterations=PAPER_IMAGES, min_seconds=least_s)
