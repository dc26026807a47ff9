"""How long work tells somebody how far it is: a narrow seam, so that only the CLI prints."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Say = Callable[[str], None]
"""Told a sentence for people; a `Reporter.note` is one."""


class Task(Protocol):
    """One piece of work. `done` of `total` in any unit, None for work without end; `detail` says what happens.

    One that is a `milestone` is worth a line that stays, where no bar shows how far the work is.
    """

    def __call__(self, done: float, total: float | None, detail: str = "", milestone: bool = False) -> None: ...


class Reporter(Protocol):
    """Where progress goes."""

    def note(self, text: str) -> None:
        """One line that stays."""

    def task(self, name: str) -> AbstractContextManager[Task]:
        """A bar that moves while the block runs."""


class Unrepeated:
    """Another reporter that hears each note once: for what is begun again."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._said = reporter, set[str]()

    def note(self, text: str) -> None:
        """One line that stays, unless it was said already."""
        if text not in self._said:
            self._said.add(text)
            self._reporter.note(text)

    def task(self, name: str) -> AbstractContextManager[Task]:
        """A bar of the other's."""
        return self._reporter.task(name)


class Silence:
    """A reporter for programs that want none."""

    def note(self, text: str) -> None:
        """Say nothing."""

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """Draw nothing."""
        yield lambda done, total, detail="", milestone=False: None
