"""Data sets that this process has read already, for as long as their files stay as they are."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

Read = TypeVar("Read")

_Stamps = tuple[tuple[str, int, int], ...]
_kept: dict[tuple[str, ...], tuple[_Stamps, object]] = {}


def kept(key: tuple[str, ...], read: Callable[[], tuple[Read, Iterable[Path]]]) -> Read:
    """What `read` gave before under this key, else now.

    Args:
        key: what is read, and where.
        read: gives it, and the files and folders that it was made of.
    """
    stamps, found = _kept.get(key, ((), None))
    if found is None or stamps != _stamps(path for path, _, _ in stamps):
        found, watched = read()
        _kept[key] = _stamps(map(str, watched)), found
    return found  # type: ignore[return-value]  # a key is always read by the same function


def _stamps(paths: Iterable[str]) -> _Stamps:
    """Of each: when it last changed in any way, and its size; -1 where it is gone."""
    return tuple((path, *_stamp(path)) for path in paths)


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - as in folder.py
    except OSError:
        return -1, -1
    return found.st_ctime_ns, found.st_size
