"""Jobs in spawned processes, and what they say of themselves brought back to this one.

Nothing here leaves the machine: the processes are our own, started from the code that runs already.
"""

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.interrupt import POLITE_ENDS, end_with_parent, terminate_as_interrupt
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.jobs.make import Done, Order, make_job
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.raised import Raised

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


_INTERRUPTS = (signal.SIGINT, *POLITE_ENDS)


class WorkerKilled(GroupNLError):
    """The system, or somebody, killed the process that made a job."""


@dataclass(frozen=True)
class _Said:
    """A line that stays, or how far a job is."""

    key: str
    text: str
    stays: bool


class Workers:
    """At most `count` jobs at a time, each in a process of its own kind. Use as a context manager.

    The processes share nothing: where the system kills one of them, its job fails and no other's.
    """

    def __init__(self, count: int, reporter: Reporter) -> None:
        self._reporter = reporter
        self._doing: dict[str, str] = {}
        self._free = [_Worker(self._hear) for _ in range(count)]
        self._busy: dict[Future[Done | Raised], tuple[_Worker, Job]] = {}

    @property
    def are_busy(self) -> bool:
        """Whether one more job would have to wait."""
        return not self._free

    def submit(self, order: Order) -> "Future[Done | Raised]":
        """Have a free process make a job; `result_of` gives what came of it."""
        worker = self._free.pop()
        self._doing[order.job.key] = "starts"
        future = worker.submit(order)
        self._busy[future] = worker, order.job
        return future

    def result_of(self, future: "Future[Done | Raised]") -> Done:
        """What came of a job. Raises what its making raised, or `WorkerKilled`."""
        worker, job = self._busy.pop(future)
        try:
            result = future.result()
        except BrokenProcessPool as error:
            worker.end()
            self._doing.pop(job.key, None)
            self._free.append(_Worker(self._hear))
            raise WorkerKilled(
                f"The process that made {job.title} was killed; most often memory ran out.",
                "Run the same command again, with fewer --workers.",
            ) from error
        self._free.append(worker)
        if isinstance(result, Raised):
            raise result.error()
        return result

    def doing(self) -> str:
        """What all of them do now, for a line that changes."""
        return "; ".join(f"{key} {said}" for key, said in sorted(self._doing.copy().items()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the processes end; after an error or Ctrl-C stop them as Ctrl-C would: each puts things back first."""
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        for worker in [*self._free, *(worker for worker, _ in self._busy.values())]:
            worker.end()

    def _hear(self, said: _Said) -> None:
        if said.stays:
            self._reporter.note(said.text)
        elif said.text:
            self._doing[said.key] = said.text
        else:
            self._doing.pop(said.key, None)


class _Worker:
    """One process, which starts with its first job; `hear` is called with whatever it says."""

    def __init__(self, hear: Callable[[_Said], None]) -> None:
        context = multiprocessing.get_context("spawn")
        ear, self._mouth = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(1, context, _begin, (self._mouth,))
        self._listener = threading.Thread(target=_listen, args=(ear, hear), daemon=True)
        self._listener.start()

    def submit(self, order: Order) -> "Future[Done | Raised]":
        """Have it make a job."""
        with _without_interrupts():
            future = self._pool.submit(_work, order)
        self._mouth.close()  # the process has its own; so its end is heard
        return future

    def end(self) -> None:
        """Let it end when it has made what it makes, and hear its last words."""
        self._pool.shutdown(cancel_futures=True)
        self._mouth.close()
        self._listener.join()


def _listen(ear: "Connection", hear: Callable[[_Said], None]) -> None:
    with ear, contextlib.suppress(EOFError, OSError):  # the process has ended, perhaps in the middle of a word
        while True:
            hear(ear.recv())


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C and a polite kill wait until the block ends, lest a process be started by half.

    A process that starts in the block never hears Ctrl-C, which a terminal sends to all: this one tells it to stop.
    """
    came: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _INTERRUPTS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for first in came[:1]:
        signal.raise_signal(first)


class _Relay:
    """A reporter whose words go to the process that started this one."""

    def __init__(self, mouth: "Connection", key: str) -> None:
        self._mouth, self._key = mouth, key

    def note(self, text: str) -> None:
        """One line that stays."""
        self._mouth.send(_Said(self._key, f"{self._key}: {text}", True))

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """Tell each change of the share or the detail; how often numbers alone change is nobody's business there."""
        last = ""

        def tell(done: float, total: float | None, detail: str = "", milestone: bool = False) -> None:
            nonlocal last
            share = f"{100 * done / total:.0f} %" if total else ""
            said = ", ".join(part for part in (share, detail) if part)
            if said != last:
                last = said
                self._mouth.send(_Said(self._key, said, False))

        yield tell


_mouth: Any = None  # of this process, when it is a worker


def _begin(mouth: "Connection") -> None:
    """A worker ends with the process that started it, which alone hears Ctrl-C."""
    global _mouth  # noqa: PLW0603  # the pool has no other way to hand a worker something
    _mouth = mouth
    end_with_parent()


def _work(order: Order) -> Done | Raised:
    try:
        with terminate_as_interrupt():  # outside of it nothing is to be put back, and a polite kill ends the process
            return make_job(order, _Relay(_mouth, order.job.key))
    except Exception as error:
        return Raised.of(error)
    finally:
        _mouth.send(_Said(order.job.key, "", False))
