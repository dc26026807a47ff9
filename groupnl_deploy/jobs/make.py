"""Making one job, in whichever process: its lock, a look whether it is done, the machine, the making, the stamp."""

from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.jobs.job import Job
from groupnl_deploy.jobs.quiet import machine_for
from groupnl_deploy.jobs.store import Store
from groupnl_deploy.progress import Reporter


@dataclass(frozen=True)
class Order:
    """What is asked of whoever makes a job.

    Args:
        job: itself.
        store: the folder that keeps its stamp.
        machine: the folder in which runners on this machine agree who may compute and who measures.
        again: make it though it be up to date.
    """

    job: Job
    store: Path
    machine: Path
    again: bool = False


@dataclass(frozen=True)
class Done:
    """A job that has its product, whether that was there already, and how long making it took."""

    job: Job
    up_to_date: bool
    seconds: float | None = None


def make_job(order: Order, reporter: Reporter) -> Done:
    """Make the product, unless it is up to date.

    Raises `Busy` where another runner makes it, and whatever the making raises.
    """
    store = Store(order.store)
    with store.held(order.job) as held:
        if not order.again and held.is_done:
            held.finish()  # by a maker who died before the stamp
            return Done(order.job, up_to_date=True)
        with machine_for(order.job.measures, order.machine, reporter.note):
            return Done(order.job, up_to_date=False, seconds=store.make(held, reporter))
