"""What may help by itself is tried again, inside a budget: the one loop of its kind."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from groupnl_deploy.errors import DeviceBusy, GroupNLError
from groupnl_deploy.progress import Say
from groupnl_deploy.remote.deadline import Deadline

DEFAULT_RETRY_S = 30.0
_FIRST_S, _MOST_S = 0.5, 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Budget:
    """For how many seconds behind a failure something is begun again; 0: not at all."""

    seconds: float = DEFAULT_RETRY_S


def retrying(action: Callable[[], T], budget: Budget, say: Say, progress: Callable[[], float] = lambda: 0.0) -> T:
    """What `action` returns. Where a transient error ends it, it is begun again, and `say` hears so in a sentence.

    The pauses are random, between nothing and a limit that doubles from 0.5 s to 10 s ("full jitter"), so that hosts
    that lost one network do not come back in step. Where `progress` has grown since the failure before (it is any
    amount, such as bytes that are across), pauses and budget begin anew. Raises every other error at once, and the
    last one when the budget has ended. A device that is busy was waited for already, as long as was asked.
    """
    deadline, longest_s, reached = Deadline(0.0), 0.0, float("-inf")
    while True:
        try:
            return action()
        except GroupNLError as error:
            if not error.transient or isinstance(error, DeviceBusy):
                raise
            if progress() > reached:
                deadline, longest_s, reached = Deadline.after(budget.seconds), _FIRST_S, progress()
            left_s = deadline.left_s
            if not left_s:
                raise
            pause_s = min(random.uniform(0, longest_s), left_s)
            say(f"{error.message.rstrip('.')}; trying again in {pause_s:.1f} s, for up to {left_s:.0f} s.")
        time.sleep(pause_s)
        longest_s = min(2 * longest_s, _MOST_S)
