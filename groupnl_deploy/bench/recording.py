"""A run's recording before there is a run: on the disk from its first row on, whatever ends the benchmark."""

import contextlib
import os
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import Path

from groupnl_deploy.workspace import disk_errors


@contextlib.contextmanager
def recording_beside(out: Path, note: Callable[[str], None]) -> Iterator[Path]:
    """Where the recording of the run `out` can grow: a free name beside it, `<out>.power.csv`.

    When the block is done the run has its measurements, and the file is removed. When anything else ends the block,
    an error, Ctrl-C or a power cut, it stays; `note` is told where, and the error goes on as it was.
    Raises `UsageError` or `DiskFull` where nothing can be written.
    """
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    recording = _free_name(out)
    try:
        yield recording
    except BaseException:
        if recording.exists():  # the recorder leaves no file without a row
            note(f"The measurements until then are kept in {recording}.")
        raise
    recording.unlink(missing_ok=True)


def _free_name(out: Path) -> Path:
    """One that nothing has, not even a link to nowhere."""
    first = out.with_name(f"{out.name}.power.csv")
    others = (out.with_name(f"{out.name}.power-{number}.csv") for number in count(2))
    return next(name for name in chain([first], others) if not os.path.lexists(name))
