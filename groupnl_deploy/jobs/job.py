"""What a job is: what it reads, what it makes, and what that is identified by."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from groupnl_deploy.progress import Reporter


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """One product and how it is made. Plain data, so that a spawned process can have it.

    Args:
        name: says which one among those of its kind, such as "groupnl-onnx".
        product: the file or folder that it makes; it appears whole or not at all.
        needs: keys of the jobs whose products it reads. It is left out where one of them failed.
        after: keys of jobs that must have ended before, whether they failed or not.
    """

    name: str
    product: Path
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    kind: ClassVar[str]
    """One word for its stage, such as "train"."""

    in_worker: ClassVar[bool] = False
    """Whether a process of its own may make it, beside others."""

    @property
    def does(self) -> str:
        """One word for what it does: its stage's, unless it does something else in its place."""
        return self.kind

    @property
    def key(self) -> str:
        """Its name among all jobs, which people type."""
        return f"{self.does}-{self.name}"

    @property
    def title(self) -> str:
        """What people read."""
        return f"{self.does} {self.name}"

    @property
    def stamp_name(self) -> str:
        """Names its stamp, whatever the job does: folders of older versions are read by it."""
        return f"{self.kind}-{self.name}"

    @property
    def measures(self) -> bool:
        """Whether this machine must do nothing else meanwhile."""
        return False

    @property
    def expected_s(self) -> float | None:
        """About how long it takes; None where only experience tells."""
        return None

    @abstractmethod
    def reads(self) -> dict[str, Any]:
        """Settings and digests of all that the product depends on, as plain data. Raises where something is missing."""

    @abstractmethod
    def identity(self) -> str:
        """The product's digest, after it was found whole. Raises for a damaged product."""

    @abstractmethod
    def make(self, reporter: Reporter) -> None:
        """Make the product, whose place is free."""

    def may_still_come(self) -> bool:
        """Whether the product of a making that failed may be whole elsewhere, from where somebody may bring it."""
        return False
