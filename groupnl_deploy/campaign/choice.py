"""Which jobs of a campaign are run. Imports no PyTorch, so that a wrong word shows at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from groupnl_deploy.campaign.config import Campaign
from groupnl_deploy.campaign.plan import STAGE_NAMES
from groupnl_deploy.errors import UsageError
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.jobs.run import Rules
from groupnl_deploy.jobs.store import Store
from groupnl_deploy.words import known_word, nearest_word


@dataclass(frozen=True)
class Choice:
    """Which jobs of a campaign are run, and how.

    Args:
        again_from: all from this stage on are made though they be up to date.
        last: the stage after which it ends.
        only: keys of the jobs that are made, when it is not all of them.
        workers: how many processes train and export beside each other.
        allow_code: run the code of the user's own that the file names.
    """

    again_from: str | None = None
    last: str = STAGE_NAMES[-1]
    only: tuple[str, ...] = ()
    workers: int = 1
    allow_code: bool = False

    def __post_init__(self) -> None:
        for stage in (self.again_from, self.last):
            if stage is not None:
                known_word("stage", stage, STAGE_NAMES)
        if self.again_from is not None and place(self.again_from) > place(self.last):
            order = " → ".join(STAGE_NAMES)
            raise UsageError(f"--from {self.again_from} comes after --to {self.last}.", f"The order is {order}.")
        if self.workers < 1:
            raise UsageError(f"There cannot be {self.workers} workers.", "Give --workers 1 or more.")


ALL = Choice()


def require_allowed(campaign: Campaign, choice: Choice) -> None:
    """Raise `UsageError` for a file that names code, unless the user has said that it may run.

    A campaign may come from somebody else; to read it must run nothing.
    """
    named = dict.fromkeys(model.config.module for model in campaign.models if model.config.module is not None)
    if named and not choice.allow_code:
        raise UsageError(
            f"This campaign runs Python code: {', '.join(named)}.",
            "Look at what stands there; then allow it with --allow-code.",
        )


def chosen(jobs: Sequence[Job], choice: Choice, rules: Rules) -> list[Job]:
    """Those of a plan's jobs that were chosen, in order. Raises `UsageError` for `only` that cannot be made alone."""
    if choice.only:
        return _only(jobs, choice.only, choice.last, rules)
    return [job for job in jobs if place(job.kind) <= place(choice.last)]


def _only(jobs: Sequence[Job], keys: Sequence[str], last: str, rules: Rules) -> list[Job]:
    """The jobs of these keys. Raises `UsageError` where what one needs is not there."""
    known = {job.key: job for job in jobs}
    for key in keys:
        if key not in known:
            nearest = nearest_word(key, known)
            raise UsageError(
                f"There is no step “{key}”.", f"{f'Did you mean “{nearest}”? ' if nearest else ''}--list shows all."
            )
        if place(known[key].kind) > place(last):
            raise UsageError(f"{key} comes after --to {last}.", "Leave --to out.")
    for key in keys:
        for needed in known[key].needs:
            if needed not in keys and not Store(rules.store).is_done(known[needed]):
                raise UsageError(f"{key} needs {needed}, which is not made yet.", f"First run with --only {needed}.")
    return [job for job in jobs if job.key in keys]


def place(stage: str) -> int:
    """Of a stage in the order of all."""
    return STAGE_NAMES.index(stage)
