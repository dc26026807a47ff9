"""A run over jobs: each once, in an order in which what it needs is there; one that fails stops only what needs it.

Several runs may share one folder: a job that another runner makes is left to it, and taken as made when it is.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from groupnl_deploy.jobs.estimate import Estimate
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.jobs.make import Done, Order, make_job
from groupnl_deploy.jobs.store import Store, holder_in
from groupnl_deploy.jobs.workers import Workers
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.raised import Raised
from groupnl_deploy.record_lock import Busy

_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class Rules:
    """How a run is done.

    Args:
        store: the folder of stamps and replaced products.
        machine: see `make.Order`.
        again: keys of jobs that are made though they be up to date.
        workers: how many processes make jobs beside each other; with 1 this process makes all of them itself.
    """

    store: Path
    machine: Path
    again: frozenset[str] = frozenset()
    workers: int = 1


@dataclass(frozen=True)
class Failure:
    """A job whose making failed."""

    job: Job
    error: Exception


@dataclass(frozen=True)
class Ended:
    """What became of the jobs: those done, failed and left out, each in the order in which they were given."""

    done: tuple[Done, ...]
    failed: tuple[Failure, ...] = ()
    left_out: tuple[Job, ...] = ()


def pending(jobs: Sequence[Job], rules: Rules) -> tuple[Job, ...]:
    """The jobs that will be made, as far as it can be foreseen: after one, all that need it."""
    found: dict[str, Job] = {}
    store = Store(rules.store)
    for job in jobs:
        waits = any(key in found for key in (*job.needs, *job.after))
        if waits or job.key in rules.again or not store.is_done(job):
            found[job.key] = job
    return tuple(found.values())


def run_jobs(jobs: Sequence[Job], rules: Rules, reporter: Reporter, ahead: Collection[Job] | None = None) -> Ended:
    """Make all that is not up to date. Jobs that failed are in what is returned; Ctrl-C stops all and is raised.

    `ahead` is what `pending` gave, where it was asked just before.
    """
    todo = pending(jobs, rules) if ahead is None else ahead
    estimate = Estimate(jobs, todo, Store(rules.store).seconds, rules.workers)
    if rules.workers == 1:
        return _Run(jobs, rules, estimate, reporter).to_the_end()
    with reporter.task("steps") as show, Workers(rules.workers, reporter) as workers:
        return _Run(jobs, rules, estimate, reporter, workers, show).to_the_end()


class _Run:
    """Where one run stands: jobs wait, are being made by workers, or have ended in one of three ways."""

    def __init__(
        self,
        jobs: Sequence[Job],
        rules: Rules,
        estimate: Estimate,
        reporter: Reporter,
        workers: Workers | None = None,
        show: Task | None = None,
    ) -> None:
        self._jobs, self._rules, self._estimate = jobs, rules, estimate
        self._reporter, self._workers, self._show = reporter, workers, show
        self._here = reporter if show is None else _InOneBar(reporter, self._show_all)
        self._store = Store(rules.store)
        self._waiting = {job.key: job for job in jobs}
        self._to_make = set(rules.again)
        self._making: dict[Future[Done | Raised], Job] = {}
        self._done: dict[str, Done] = {}
        self._failed: dict[str, Failure] = {}
        self._left_out: dict[str, Job] = {}
        self._look_again_s: dict[str, float] = {}

    def to_the_end(self) -> Ended:
        """Until no job waits and none is being made."""
        while self._waiting or self._making:
            self._leave_out()
            if not any(self._start(job) for job in self._ready()):
                self._rest()
        return Ended(
            tuple(self._done[job.key] for job in self._jobs if job.key in self._done),
            tuple(self._failed[job.key] for job in self._jobs if job.key in self._failed),
            tuple(job for job in self._jobs if job.key in self._left_out),
        )

    def _leave_out(self) -> None:
        """Give up what needs a job that failed."""
        for job in list(self._waiting.values()):
            missing = next((key for key in job.needs if key in self._failed or key in self._left_out), None)
            if missing is not None:
                self._left_out[job.key] = self._waiting.pop(job.key)
                self._reporter.note(f"{job.title}: left out, because {missing} failed")

    def _ready(self) -> list[Job]:
        """What could be made now, what workers take first."""
        unfinished = {*self._waiting, *(job.key for job in self._making.values())}
        ready = [job for job in self._waiting.values() if not unfinished & {*job.needs, *job.after}]
        now_s = time.monotonic()
        due = [job for job in ready if self._look_again_s.get(job.key, now_s) <= now_s]
        return sorted(due, key=lambda job: not self._is_for_worker(job))

    def _is_for_worker(self, job: Job) -> bool:
        return self._workers is not None and job.in_worker

    def _is_done(self, job: Job) -> bool:
        """Looked at once, for it may mean reading gigabytes; who makes it looks again."""
        if job.key not in self._to_make and self._store.is_done(job):
            return True
        self._to_make.add(job.key)
        return False

    def _start(self, job: Job) -> bool:
        """Make it, have it made, or see that it is up to date. Returns False where it has to wait."""
        if self._is_done(job):
            self._end(self._waiting.pop(job.key), lambda: Done(job, up_to_date=True))
        elif self._workers is not None and job.in_worker:
            if self._workers.are_busy:
                return False
            self._announce(job)
            self._making[self._workers.submit(self._order(job))] = self._waiting.pop(job.key)
        elif job.measures and self._making:
            return False
        else:
            self._announce(job)
            self._end(self._waiting.pop(job.key), lambda: make_job(self._order(job), self._here))
        return True

    def _rest(self) -> None:
        """Wait for a worker, or for a runner elsewhere."""
        if not self._making:
            time.sleep(_LOOK_AGAIN_S)
            return
        assert self._workers is not None  # whose jobs these are
        ended, _ = wait(self._making, _LOOK_AGAIN_S, FIRST_COMPLETED)
        for future in ended:
            self._end(self._making.pop(future), partial(self._workers.result_of, future))
        self._show_all()

    def _show_all(self, here: str = "") -> None:
        """In the one bar: how many steps have ended, what this process does, and what the workers do."""
        if self._show is not None and self._workers is not None:
            ended = len(self._done) + len(self._failed) + len(self._left_out)
            doing = [f"{ended} of {len(self._jobs)}", here, self._workers.doing()]
            self._show(ended, len(self._jobs), "; ".join(part for part in doing if part))

    def _end(self, job: Job, made: Callable[[], Done]) -> None:
        """Settle a job by what its making returns or raises."""
        try:
            done = made()
        except Busy as busy:
            self._wait_for_other(job, holder_in(busy.said))
        except Exception as error:
            self._failed[job.key] = Failure(job, error)
            self._reporter.note(f"{job.title}: failed: {_said_of(error)}")
        else:
            self._done[job.key] = done
            self._estimate.learn(done)
            self._tell_end(done)

    def _wait_for_other(self, job: Job, holder: str) -> None:
        if job.key not in self._look_again_s:
            self._reporter.note(f"{job.title}: is being made by {holder}; waiting for it")
        self._waiting[job.key] = job
        self._look_again_s[job.key] = time.monotonic() + _LOOK_AGAIN_S

    def _order(self, job: Job) -> Order:
        again = job.key in self._rules.again and job.key not in self._look_again_s  # else another has just made it
        return Order(job, self._rules.store, self._rules.machine, again)

    def _number(self, job: Job) -> str:
        return f"step {self._jobs.index(job) + 1} of {len(self._jobs)}"

    def _announce(self, job: Job) -> None:
        if job.key in self._look_again_s:
            return
        left = self._estimate.left([*self._waiting.values(), *self._making.values()])
        self._reporter.note(f"{self._number(job)}: {job.title}{f', {left} left' if left else ''}")

    def _tell_end(self, done: Done) -> None:
        what = "up to date" if done.up_to_date else str(done.job.product)
        self._reporter.note(f"{done.job.title}: {what}")


def _said_of(error: Exception) -> str:
    """What our errors say; the name of another's class, which alone may say nothing."""
    return str(getattr(error, "message", None) or f"{type(error).__name__}: {error}")


class _InOneBar:
    """A reporter for what this process makes while workers make the rest: all have one bar."""

    def __init__(self, reporter: Reporter, show: Callable[[str], None]) -> None:
        self._reporter, self._show = reporter, show

    def note(self, text: str) -> None:
        """One line that stays."""
        self._reporter.note(text)

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """The bar stays where it is; the detail is told."""
        yield lambda done, total, detail="", milestone=False: self._show(f"{name} {detail}".rstrip())
