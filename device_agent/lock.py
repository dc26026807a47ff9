"""One benchmark at a time: two on one board would measure each other, and nothing in the numbers would say so."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_agent.errors import DeviceBusy


@contextmanager
def sole_benchmark(folder: Path) -> Iterator[None]:
    """Hold the lock in `folder` while the block runs; the kernel drops it when the process ends, however it ends."""
    with (folder / "bench.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeviceBusy(
                "Another benchmark is running on this device; both would be wrong.", "Wait until it has ended."
            ) from error
        yield
