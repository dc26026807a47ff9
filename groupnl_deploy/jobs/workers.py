"""Jobs in spawned processes, and what they say of themselves brought back to this one.

Nothing here leaves the machine: the processes are our own, started from the code that runs already.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from groupnl_deploy.jobs.make import Done, Order, make_job
from groupnl_deploy.progress import Reporter


@dataclass(frozen=True)
class _Said:
    """A line that stays, or how far a job is."""

    key: str
    text: str
    stays: bool


@dataclass(frozen=True)
class Raised:
    """An error on its way between two processes: our errors' constructors do not take what `args` holds."""

    kind: type[Exception]
    args: tuple[Any, ...]
    fields: dict[str, Any]

    @classmethod
    def of(cls, error: Exception) -> "Raised":
        """The error as plain data; what cannot be is told as text."""
        plain = (str, int, float, bytes, tuple, type(None))
        if all(isinstance(value, plain) for value in (*error.args, *vars(error).values())):
            return cls(type(error), error.args, vars(error))
        return cls(RuntimeError, (f"{type(error).__name__}: {error}",), {})

    def error(self) -> Exception:
        """The same error again."""
        error = self.kind.__new__(self.kind, *self.args)
        error.args = self.args
        vars(error).update(self.fields)
        return error


class _Relay:
    """A reporter whose words go to the process that started this one."""

    def __init__(self, queue: Any, key: str) -> None:
        self._queue, self._key = queue, key

    def note(self, text: str) -> None:
        """One line that stays."""
        self._queue.put(_Said(self._key, text, True))

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Any]:
        """Tell each change of the detail; how often numbers alone change is nobody's business there."""
        last = ""

        def tell(done: float, total: float | None, detail: str = "") -> None:
            nonlocal last
            share = f"{100 * done / total:.0f} %" if total else ""
            said = ", ".join(part for part in (share, detail) if part)
            if said != last:
                last = said
                self._queue.put(_Said(self._key, said, False))

        yield tell


class Workers:
    """At most `count` jobs at a time, each in a process of its own kind. Use as a context manager."""

    def __init__(self, count: int, reporter: Reporter) -> None:
        context = multiprocessing.get_context("spawn")
        self._queue: Any = context.Queue()
        self._reporter = reporter
        self._doing: dict[str, str] = {}
        self._pool = ProcessPoolExecutor(count, context, _begin, (self._queue,))
        self._ears = threading.Thread(target=self._listen, daemon=True)
        self._ears.start()

    def submit(self, order: Order) -> "Future[Done | Raised]":
        """Have a job made. `result_of` gives what came of it."""
        return self._pool.submit(_work, order)

    def doing(self) -> str:
        """What all of them do now, for a line that changes."""
        return "; ".join(f"{key} {said}" for key, said in sorted(self._doing.items()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the processes end; after an error or Ctrl-C stop them as Ctrl-C would: each puts things back first."""
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        self._pool.shutdown(cancel_futures=True)
        self._queue.put(None)
        self._ears.join(5.0)

    def _listen(self) -> None:
        while (said := self._queue.get()) is not None:
            if said.stays:
                self._reporter.note(said.text)
            elif said.text:
                self._doing[said.key] = said.text
            else:
                self._doing.pop(said.key, None)


def result_of(future: "Future[Done | Raised]") -> Done:
    """What came of a job that a worker made. Raises what its making raised."""
    result = future.result()
    if isinstance(result, Raised):
        raise result.error()
    return result


_queue: Any = None  # of this process, when it is a worker


def _begin(queue: Any) -> None:
    """A worker ends with the process that started it, and leaves Ctrl-C to it."""
    global _queue  # noqa: PLW0603  # the pool has no other way to hand a worker something
    _queue = queue
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.kill(os.getpid(), signal.SIGKILL)  # nobody is left to hear of anything; what was begun is begun again


def _work(order: Order) -> Done | Raised:
    key = order.job.key
    try:
        return make_job(order, _Relay(_queue, key))
    except Exception as error:
        return Raised.of(error)
    finally:
        _queue.put(_Said(key, "", False))
