"""Jobs that write a line into a file: they know no model and no device."""

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from exporters.errors import ParityError
from groupnl_deploy.errors import DiskFull, InvalidSetting, TrainingDiverged
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import file_sha256, write_atomically


@dataclass(frozen=True, kw_only=True)
class Toy(Job):
    """Joins what it reads; every making leaves a line in `log`.

    Args:
        text: what it adds.
        sources: files that it reads.
        log: a file that all makers append to.
        seconds: how long it takes.
        until: a file that it waits for.
        breaks: whether it fails.
        with_error: what is raised then, a key of `ERRORS`; "killed" has the system end the process instead.
    """

    kind: ClassVar[str] = "toy"
    in_worker: ClassVar[bool] = True
    text: str
    log: Path
    sources: tuple[Path, ...] = ()
    seconds: float = 0.0
    until: Path | None = None
    breaks: bool = False
    with_error: str = "toy"
    alone: bool = False

    @property
    def measures(self) -> bool:
        return self.alone

    def reads(self) -> dict[str, Any]:
        return {"text": self.text, "sources": [file_sha256(source) for source in self.sources]}

    def identity(self) -> str:
        return file_sha256(self.product)

    def make(self, reporter: Reporter) -> None:
        self._log("begin")
        with reporter.task(self.name) as tell:
            for part in range(10):
                time.sleep(self.seconds / 10)
                tell(part, 10)
        while self.until is not None and not self.until.exists():
            time.sleep(0.01)
        if self.breaks:
            if self.with_error == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ERRORS[self.with_error](f"{self.name} breaks")
        whole = "".join(source.read_text() for source in self.sources) + self.text
        write_atomically(self.product, whole.encode())
        self._log("end")

    def _log(self, what: str) -> None:
        with self.log.open("a") as log:  # one short write: whole lines, whoever else writes
            log.write(f"{what} {self.name} {os.getpid()}\n")


@dataclass(frozen=True, kw_only=True)
class HereToy(Toy):
    """One that no worker may make."""

    kind: ClassVar[str] = "here"
    in_worker: ClassVar[bool] = False


class ToyError(Exception):
    """Has another constructor than `Exception`, as our errors have."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def _of_no_module(said: str) -> Exception:
    class Local(ValueError):
        """Another process cannot find it."""

    return Local(said)


def _with_a_lock(said: str) -> Exception:
    error = DiskFull(said, "Free some.")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    return error


ERRORS: dict[str, Callable[[str], Exception]] = {
    "toy": lambda said: ToyError(said, "Mend it."),
    "parity": lambda said: ParityError(said, "Export with --optimize none."),
    "disk": lambda said: DiskFull(said, "Free some."),
    "with a lock": _with_a_lock,
    "diverged": lambda said: TrainingDiverged(said, "Train more slowly."),
    "setting": lambda said: InvalidSetting(said, "Raise {threads}.", "threads"),
    "spec": lambda said: InvalidSpec(said, "Give another.", "ratio"),
    "system": lambda said: PermissionError(errno.EACCES, said, "/some/file"),
    "text": lambda said: UnicodeDecodeError("utf-8", b"\xff", 0, 1, said),
    "memory": MemoryError,
    "key": KeyError,
    "of no module": _of_no_module,
}


def chain(folder: Path, *, names: Iterable[str] = "abc", **changes: Any) -> list[Toy]:
    """Jobs of which each reads the one before it."""
    jobs: list[Toy] = []
    for name in names:
        before = jobs[-1:]
        jobs.append(
            Toy(
                name=name,
                text=name,
                product=folder / "products" / name,
                log=folder / "log",
                sources=tuple(job.product for job in before),
                needs=tuple(job.key for job in before),
                **changes,
            )
        )
    return jobs
