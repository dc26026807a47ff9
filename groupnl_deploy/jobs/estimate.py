"""How long the rest of a run will take: what each kind of job took before, and what jobs say of themselves."""

from collections.abc import Callable, Collection, Iterable
from statistics import fmean

from groupnl_deploy.jobs.job import Job
from groupnl_deploy.jobs.make import Done
from groupnl_deploy.words import duration_text


class Estimate:
    """Seconds that are left.

    Args:
        jobs: all of the run.
        todo: those that will be made.
        before_s: how long a job took when it was made last, None where nobody knows.
        workers: how many processes share the jobs that workers may make.
    """

    def __init__(
        self, jobs: Iterable[Job], todo: Collection[Job], before_s: Callable[[Job], float | None], workers: int = 1
    ) -> None:
        self._todo, self._workers = {job.key for job in todo}, workers
        self._took_s: dict[str, list[float]] = {}
        for job in jobs:
            self._add(job, before_s(job))

    def learn(self, done: Done) -> None:
        """A job was made, or was up to date after all."""
        self._todo.discard(done.job.key)
        self._add(done.job, done.seconds)

    def left(self, jobs: Iterable[Job]) -> str | None:
        """Such as "about 12 min", for those of the jobs that will be made; None where nothing is known of any.

        Where nothing is known of some it is "at least" what the others take.
        """
        left = [job for job in jobs if job.key in self._todo]
        known = [(job, seconds) for job in left if (seconds := self._expected_s(job)) is not None]
        total_s = sum(seconds / (self._workers if job.in_worker else 1) for job, seconds in known)
        word = "about" if len(known) == len(left) else "at least"
        return f"{word} {duration_text(total_s)}" if known else None

    def _add(self, job: Job, seconds: float | None) -> None:
        if seconds is not None:
            self._took_s.setdefault(job.does, []).append(seconds)

    def _expected_s(self, job: Job) -> float | None:
        took = self._took_s.get(job.does)
        return fmean(took) if took else job.expected_s
