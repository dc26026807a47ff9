"""A device whose disk is full, or whose memory runs out: for who may mount file systems and make control groups."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DISK_BYTES = 120_000_000
_MEMORY = Path("/sys/fs/cgroup/memory")
_LEAST_BYTES, _MOST_BYTES = 10_000_000, 140_000_000  # an agent has 25 MB, one with a trial of ONNX Runtime 100 MB
_REMOVED_WITHIN_S = 10.0

Limit = Callable[[random.Random], Callable[[], None]]
"""Sets a limit, as large as chance has it, and gives what lifts it again."""


class CannotLimit(Exception):
    """Why not, as a clause."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Limit]:
    """Mount a small file system on the folder; the limit is that it is full."""
    if os.geteuid() != 0:
        raise CannotLimit("only root mounts file systems")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        raise CannotLimit("no file system may be mounted here")

    def fill(_: random.Random) -> Callable[[], None]:
        filler = folder / "filler"
        with suppress(OSError), filler.open("wb") as stream:
            while True:  # until there is no room for a page
                stream.write(bytes(1 << 16))
                stream.flush()
        return lambda: filler.unlink(missing_ok=True)

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def little_memory(pid: int) -> Iterator[Limit]:
    """Put a process and what it starts into a control group; the limit is its memory."""
    group = _MEMORY / f"groupnl-{pid}"
    limit = group / "memory.limit_in_bytes"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise CannotLimit(f"no control group of memory can be made here ({error.strerror})") from error

    def begin(chance: random.Random) -> Callable[[], None]:
        used_bytes = int((group / "memory.usage_in_bytes").read_text())  # files on a disk in memory are part of it
        limit.write_text(str(used_bytes + chance.randint(_LEAST_BYTES, _MOST_BYTES)))

        def lift() -> None:
            limit.write_text("-1")

        return lift

    try:
        yield begin
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """With its processes put back where they came from; one that starts another meanwhile is asked again."""
    end_s = time.monotonic() + _REMOVED_WITHIN_S
    while True:
        for one in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):  # it has ended
                (_MEMORY / "cgroup.procs").write_text(one)
        try:
            group.rmdir()
            return
        except OSError:
            if time.monotonic() > end_s:
                raise
        time.sleep(0.05)
