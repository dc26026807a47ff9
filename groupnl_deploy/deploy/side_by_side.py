"""Work on several devices at once: what fails on one leaves the others going, and Ctrl-C ends all of it in order."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from groupnl_deploy.interrupt import interrupt_thread, interrupting_threads
from groupnl_deploy.remote.deadline import Deadline

_STOP_S = 15.0  # longer than it takes to notice a dead link, and to kill what does not leave by itself
_LOOK_EVERY_S, _NOTICE_EVERY_S = 0.1, 0.5

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Step(Protocol[T_co]):
    """The work on one device."""

    @property
    def is_connected(self) -> bool:
        """Whether something runs on the device for it just now, which has to be ended."""

    def __call__(self) -> T_co:
        """Do it. Whatever may fail on a device, Ctrl-C among it, is part of what is returned."""


class ToldStep(Step[T_co], Protocol[T_co]):
    """A step that can tell what is to be said where it returned nothing."""

    def unfinished(self) -> T_co:
        """As where Ctrl-C came before it began, or it was given up."""


@dataclass(frozen=True)
class Done(Generic[T]):
    """What each step returned, in their order; None for one that was not begun, or is given up.

    `stopped`: by Ctrl-C.
    """

    results: tuple[T | None, ...]
    stopped: bool


def side_by_side(steps: Sequence[Step[T]], jobs: int, told: Callable[[T], None]) -> Done[T]:
    """Take every step, up to `jobs` of them at a time; `told` hears of each result as it is there.

    At Ctrl-C each step that is at work meets a `KeyboardInterrupt`, and is waited for while it is connected: who still
    seeks a device has nothing there. A second Ctrl-C is raised at once. Raises what `told` raises.
    """
    team = _Team(steps, told)
    workers = [_Worker(team.work, f"side by side {number}") for number in range(min(jobs, len(steps)))]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            while not worker.gone.wait(_NOTICE_EVERY_S):
                pass  # a signal that another thread was given is noticed between two waits
    except KeyboardInterrupt:
        team.stop(workers)
        return Done(tuple(team.results), stopped=True)
    if team.failed is not None:
        raise team.failed
    return Done(tuple(team.results), stopped=False)


class _Worker(threading.Thread):
    """Ends with the process; `gone` tells when it has ended itself.

    (Where Ctrl-C interrupts `join`, Python 3.11 takes any thread for ended.)
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self.gone = work, threading.Event()

    def run(self) -> None:
        """Work, then say so."""
        try:
            self._work()
        finally:
            self.gone.set()


class _Team(Generic[T]):
    """The steps that are left, who is at which, and the results. Behind the gate nobody is interrupted any more."""

    def __init__(self, steps: Sequence[Step[T]], told: Callable[[T], None]) -> None:
        self._steps, self._told = steps, told
        self._left, self._at = deque(range(len(steps))), dict[threading.Thread, Step[T]]()
        self._gate = threading.Lock()
        self.results: list[T | None] = [None] * len(steps)
        self.failed: BaseException | None = None

    def work(self) -> None:
        """Of one worker: step after step."""
        with suppress(KeyboardInterrupt):
            while (index := self._next()) is not None:
                self.results[index] = result = self._steps[index]()
                self._tell(result)

    def stop(self, workers: Sequence[_Worker]) -> None:
        """Begin no other step, end those at work, and wait for what they have to undo."""
        with interrupting_threads():
            with self._gate:
                self._left.clear()
                at_work = dict(self._at)
                for thread in at_work:
                    interrupt_thread(thread)
            end = Deadline.after(_STOP_S)
            for worker in workers:
                step = at_work.get(worker)
                while not worker.gone.wait(_LOOK_EVERY_S) and _has_to_end(step) and not end.expired:
                    interrupt_thread(worker)  # again, where another has met it in its place

    def _next(self) -> int | None:
        me = threading.current_thread()
        with self._gate:
            self._at.pop(me, None)
            if not self._left:
                return None
            index = self._left.popleft()
            self._at[me] = self._steps[index]
            return index

    def _tell(self, result: T) -> None:
        try:
            self._told(result)
        except Exception as error:
            with self._gate:
                self.failed = error
                self._left.clear()


def _has_to_end(step: Step[T] | None) -> bool:
    return step is not None and step.is_connected
