"""Data sets that this process has read already, for as long as their files stay as they are."""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from groupnl_deploy.progress import Reporter, Silence, Task

Read = TypeVar("Read")

Watch = Callable[[Iterable[str | Path]], None]
"""Told which files and folders something is made of, best before they are read."""

_Stamps = dict[str, tuple[int, int]]
_kept: dict[tuple[str, ...], tuple[_Stamps, object, list[str]]] = {}


def kept(key: tuple[str, ...], read: Callable[[Reporter, Watch], Read], reporter: Reporter) -> Read:
    """What `read` gave before under this key, while nothing that it named has changed; else what it gives now.

    Args:
        key: what is read, and where.
        read: gives it, and names what it is made of.
        reporter: told once what `read` notes, also where nobody listened when it did.
    """
    stamps, found, untold = _kept.get(key, ({}, None, []))
    if found is None or stamps != _stamps(stamps):
        noting, watched = _Noting(reporter), _Stamps()
        found = read(noting, lambda paths: watched.update(_stamps(paths)))
        untold = noting.notes
        _kept[key] = watched, found, untold
    if type(reporter) is not Silence:
        for note in untold:
            reporter.note(note)
        untold.clear()
    return found  # type: ignore[return-value]  # a key is always read by the same function


class _Noting:
    """Another reporter, whose notes are kept for later."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self.notes = reporter, list[str]()

    def note(self, text: str) -> None:
        """One line that is told later."""
        self.notes.append(text)

    def task(self, name: str) -> AbstractContextManager[Task]:
        """A bar of the other's."""
        return self._reporter.task(name)


def _stamps(paths: Iterable[str | Path]) -> _Stamps:
    """Of each: when it last changed in any way, and its size; -1 where it is gone."""
    return {str(path): _stamp(path) for path in paths}


def _stamp(path: str | Path) -> tuple[int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - of a Path it takes four times as long, for each of many files
    except OSError:
        return -1, -1
    return found.st_ctime_ns, found.st_size
