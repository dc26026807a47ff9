"""Data sets that this process has read already, for as long as their files stay as they are."""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from groupnl_deploy.progress import Reporter, Silence, Task

Read = TypeVar("Read")

_Stamps = tuple[tuple[str, int, int], ...]
_kept: dict[tuple[str, ...], tuple[_Stamps, object, list[str]]] = {}


def kept(key: tuple[str, ...], read: Callable[[Reporter], tuple[Read, Iterable[Path]]], reporter: Reporter) -> Read:
    """What `read` gave before under this key, else now.

    Args:
        key: what is read, and where.
        read: gives it, and the files and folders that it was made of.
        reporter: told once what `read` notes, also where nobody listened when it did.
    """
    stamps, found, untold = _kept.get(key, ((), None, []))
    if found is None or stamps != _stamps(path for path, _, _ in stamps):
        noting = _Noting(reporter)
        found, watched = read(noting)
        untold = noting.notes
        _kept[key] = _stamps(map(str, watched)), found, untold
    if not isinstance(reporter, Silence):
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


def _stamps(paths: Iterable[str]) -> _Stamps:
    """Of each: when it last changed in any way, and its size; -1 where it is gone."""
    return tuple((path, *_stamp(path)) for path in paths)


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - as in folder.py
    except OSError:
        return -1, -1
    return found.st_ctime_ns, found.st_size
