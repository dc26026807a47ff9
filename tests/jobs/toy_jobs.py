"""Jobs that write a line into a file: they know no model and no device."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from groupnl_deploy.jobs.job import Job
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
        breaks: whether it fails.
    """

    kind: ClassVar[str] = "toy"
    in_worker: ClassVar[bool] = True
    text: str
    log: Path
    sources: tuple[Path, ...] = ()
    seconds: float = 0.0
    breaks: bool = False
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
        if self.breaks:
            raise ToyError(f"{self.name} breaks", "Mend it.")
        whole = "".join(source.read_text() for source in self.sources) + self.text
        write_atomically(self.product, whole.encode())
        self._log("end")

    def _log(self, what: str) -> None:
        with self.log.open("a") as log:  # one short write: whole lines, whoever else writes
            log.write(f"{what} {self.name} {os.getpid()}\n")


class ToyError(Exception):
    """Has another constructor than `Exception`, as our errors have."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def chain(folder: Path, *, names: str = "abc", **changes: Any) -> list[Toy]:
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
