"""Measuring wants a quiet machine: while one runner measures here, no other computes here, and the other way round.

Two `flock`s below the folder of this machine: `work` is shared by all who compute and exclusive to who measures;
`gate` is held by who waits for `work`, so that a measurement is not kept waiting by ever new work.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from groupnl_deploy.progress import Say


@contextlib.contextmanager
def machine_for(measuring: bool, folder: Path, say: Say) -> Iterator[None]:
    """This machine, alone for a measurement or shared for work, among all runners that name the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(folder / "gate.lock") as gate, _opened(folder / "work.lock") as work:
        what = "measuring" if measuring else "work"
        _take(gate, fcntl.LOCK_EX, f"Another runner waits to measure on this machine; {what} waits for it.", say)
        _take(
            work,
            fcntl.LOCK_EX if measuring else fcntl.LOCK_SH,
            "Other runners compute on this machine; measuring waits for them."
            if measuring
            else "Another runner measures on this machine; work waits for it.",
            say,
        )
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


def is_measuring(folder: Path) -> bool:
    """Whether a runner measures on this machine now."""
    if not (folder / "work.lock").exists():
        return False
    with _opened(folder / "work.lock") as work:
        try:
            fcntl.flock(work, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _take(file: int, how: int, whom: str, say: Say) -> None:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        say(whom)
        fcntl.flock(file, how)
