"""How fast a training goes and how long it will take, from when its steps ended. Pure but for the clock."""

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groupnl_deploy.training.run import TrainProgress

_RECENT = 100  # steps; fewer would follow every hiccup, more would not see that another program has begun


class Pace:
    """Told of every step; of those that this process made, the last hundred say how fast it goes.

    The first step is not counted, for what is read or compiled once is in it. An epoch's last step has the evaluation
    behind it, which is timed apart.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._before = clock, 0.0
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)  # seconds and images of a step
        self._last: TrainProgress | None = None
        self._evaluation_s = 0.0

    def step(self, now: "TrainProgress") -> float:
        """Count one step: the seconds since the one before, 0 for the first."""
        at, last = self._clock(), self._last
        took = 0.0 if last is None else at - self._before
        if last is not None:
            self._count(now, took, now.images - (last.images if last.epoch == now.epoch else 0))
        self._before, self._last = at, now
        return took

    def _count(self, now: "TrainProgress", took: float, images: int) -> None:
        if now.accuracy is None:
            self._recent.append((took, images))
        elif self._recent:
            self._evaluation_s = max(0.0, took - self._step_s())

    def _step_s(self) -> float:
        return sum(seconds for seconds, _ in self._recent) / len(self._recent)

    @property
    def images_per_s(self) -> float | None:
        """Images trained on a second; None before it is known, and where every step has an evaluation behind it."""
        seconds = sum(seconds for seconds, _ in self._recent)
        return sum(images for _, images in self._recent) / seconds if seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, evaluations too once one was seen; None before anything is known."""
        now = self._last
        if now is None or not self._recent:
            return None
        steps = (now.epochs - now.epoch + 1) * now.steps - now.step
        evaluations = now.epochs - now.epoch + (now.step < now.steps)
        return steps * self._step_s() + evaluations * self._evaluation_s
