"""How long work tells somebody how far it is: a narrow seam, so that only the CLI prints."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Say = Callable[[str], None]
"""Told a sentence for people; a `Reporter.note` is one."""


class Task(Protocol):
    """One piece of work. `done` of `total` in any unit, None for work without end; `detail` says what happens."""

    def __call__(self, done: float, total: float | None, detail: str = "") -> None: ...


class Reporter(Protocol):
    """Where progress goes."""

    def note(self, text: str) -> None:
        """One line that stays."""

    def task(self, name: str) -> AbstractContextManager[Task]:
        """A bar that moves while the block runs."""


class Silence:
    """A reporter for programs that want none."""

    def note(self, text: str) -> None:
        """Say nothing."""

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """Draw nothing."""
        yield lambda done, total, detail="": None
