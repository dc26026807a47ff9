"""What runs or lies on the device of pushes and benchmarks that are over, or that others are at."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from device_agent.messages.doctor import LeftBehind, Leftovers, OtherAgent
from device_agent.native_store import folder_of

_START_COLUMN = 19  # of /proc/<pid>/stat behind the command's name (proc_pid_stat(5)): ticks from boot to its start


def leftovers(root: Path, proc: Path = Path("/proc")) -> Leftovers:
    """Other agents of this root, and every upload and part that lies below it. Where there is no /proc: no agents."""
    return Leftovers(tuple(_agents(root, proc)), tuple(_parts(root)))


def _agents(root: Path, proc: Path) -> Iterator[OtherAgent]:
    folder = (root / "agents").resolve()
    for process in sorted(int(path.name) for path in proc.glob("[0-9]*")):
        if process == os.getpid():
            continue
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile, or is another user's
            words = (proc / str(process) / "cmdline").read_bytes().split(b"\0")
            if any(_is_agent(Path(os.fsdecode(word)), folder) for word in words[1:]):
                yield OtherAgent(process, _age_s(proc, process))


def _is_agent(path: Path, folder: Path) -> bool:
    return path.name.startswith("groupnl-agent-") and path.suffix == ".pyz" and path.parent.resolve() == folder


def _age_s(proc: Path, process: int) -> float:
    # The command's name, in brackets, may hold spaces and brackets.
    columns = (proc / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    up_s = float((proc / "uptime").read_text().split()[0])
    return max(0.0, up_s - int(columns[_START_COLUMN]) / os.sysconf("SC_CLK_TCK"))


def _parts(root: Path) -> Iterator[LeftBehind]:
    now_s = time.time()
    for upload in _inside(root / "incoming", "*"):
        yield LeftBehind("upload", *_size_and_age(upload, now_s))
    for folder in (root, root / "agents", folder_of(root)):
        for part in _inside(folder, "*.part"):
            yield LeftBehind("part", *_size_and_age(part, now_s))


def _inside(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() and not folder.is_symlink() else []


def size_bytes(path: Path) -> int:
    """Of all the files in it; no link is followed."""
    return _size_and_age(path, 0.0)[0]


def _size_and_age(path: Path, now_s: float) -> tuple[int, float]:
    """Bytes in all its files, and seconds since the newest of them changed."""
    total_bytes, newest_s = 0, 0.0
    for one in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
        with suppress(OSError):  # removed meanwhile
            status = one.lstat()
            total_bytes += 0 if one.is_dir() else status.st_size
            newest_s = max(newest_s, status.st_mtime)
    return total_bytes, max(0.0, now_s - newest_s)
