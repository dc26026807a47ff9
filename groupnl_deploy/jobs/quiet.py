"""Measuring wants a quiet machine: while one runner measures here, no other computes here, and the other way round.

Two `flock`s below the folder of this machine: `work` is shared by all who compute and exclusive to who measures. Who
waits for `work` holds `gate`, which workers share and who wants to measure does not, so that no measurement is kept
waiting by ever new work. A process takes `gate`, then `work`, and no other lock afterwards.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from groupnl_deploy.progress import Say
from groupnl_deploy.workspace import disk_errors

_MOMENT_S = 0.2  # who comes and goes within it is not worth a word


@contextlib.contextmanager
def machine_for(measuring: bool, folder: Path, say: Say) -> Iterator[None]:
    """This machine, alone for a measurement or shared for work, among all runners that name the same folder."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _opened(folder / "gate.lock") as gate, _opened(folder / "work.lock") as work:
        how, what = (fcntl.LOCK_EX, "measuring") if measuring else (fcntl.LOCK_SH, "work")
        whom = "Other runners compute" if measuring else "Another runner measures"
        _take(gate, how, f"Another runner waits to measure on this machine; {what} waits for it.", say)
        _take(work, how, f"{whom} on this machine; {what} waits.", say)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    with disk_errors(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _take(file: int, how: int, whom: str, say: Say) -> None:
    for pause_s in (0.0, _MOMENT_S):
        time.sleep(pause_s)
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(file, how | fcntl.LOCK_NB)
    say(whom)
    fcntl.flock(file, how)
    return None
