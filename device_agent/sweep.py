"""What dead pushes left on the device: removed under the device's lock, so that whatever lives is known."""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from device_agent.artifact_id import is_artifact_id
from device_agent.removing import remove_if_possible

_PRESUMED_DEAD_S = 600.0  # a part that nobody wrote to for so long, where the system cannot tell who has it open


def sweep(root: Path, agent: Path, kept_s: float = 86_400.0) -> None:
    """Remove old uploads, parts without a writer, libraries without need, other agents that nobody runs, old results.

    An upload of an artifact stays for `kept_s` after it was last written to, for a push to go on with. The caller holds
    the lock, so no folder in `incoming` belongs to a living push. What cannot be removed stays.
    """
    incoming = root / "incoming"
    for upload in [] if incoming.is_symlink() else _inside(incoming, "*"):  # behind a link lie things of others
        if not _may_be_gone_on_with(upload, kept_s):
            remove_if_possible(upload)
    for part in (file for folder in (root, root / "agents", root / "native") for file in _inside(folder, "*.part")):
        _remove_unless(part, _is_written)
    for folder in ("current", "previous", "accepted", "refused"):  # written under the lock alone
        for part in _inside(root / folder, "*.part"):
            remove_if_possible(part)
    for other in _inside(root / "agents", "groupnl-agent-*.pyz"):
        if other.name != agent.name:
            _remove_unless(other, _is_run)
    if _inside(root / "native", "*"):
        from device_agent.native_store import sweep_libraries  # as the spool below: not every device has one

        sweep_libraries(root, remove_if_possible)
    if _inside(root / "spool", "*"):
        from device_agent.spool import sweep_spool

        sweep_spool(root)


def hold_agent(path: Path) -> int:
    """Mark a bundle as one that runs, for as long as the returned descriptor is open."""
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _may_be_gone_on_with(upload: Path, kept_s: float) -> bool:
    """Whether it is an artifact's, and fresh; a clock that was set meanwhile makes it old, whichever way."""
    if not is_artifact_id(upload.name) or upload.is_symlink() or not upload.is_dir():
        return False
    touched_s = [path.lstat().st_mtime for path in (upload, *upload.iterdir())]
    return abs(time.time() - max(touched_s)) < kept_s


def _inside(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() else []


def _remove_unless(path: Path, is_used: Callable[[int], bool]) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe is not waited for
        try:
            if not is_used(descriptor):
                path.unlink()
        finally:
            os.close(descriptor)


def _is_run(descriptor: int) -> bool:
    """Every agent holds a shared lock on its own bundle; an exclusive one is to be had when none does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_written(descriptor: int) -> bool:
    """Linux grants a read lease on a file only while nobody has it open for writing; elsewhere its age must do."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.EAGAIN:
            return True
        return time.time() - os.fstat(descriptor).st_mtime < _PRESUMED_DEAD_S
    return False
