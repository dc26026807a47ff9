"""A folder among the system's temporary files that goes with its process, or with the next one that makes its like.

Its maker keeps it locked (`flock`), which the kernel undoes however a process ends. So a folder that nobody has locked
is what a killed process left. `tempfile.TemporaryDirectory` leaves it for ever. Where the file system has no such
locks, as NFS has none of folders, nobody removes another's.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_UNLOCKED = ".new-"  # before the name of a folder that its maker has not locked yet
_RANDOM = "[a-z0-9_]" * 8  # what `mkdtemp` puts behind a prefix; a folder of another name was made by no program
_JUST_MADE_S = 60.0  # for which such a one is left alone


class LockedFolder:
    """An empty folder whose name begins with `prefix`, ours alone, at `path` until `close`.

    It lies `among` the usual temporary files, unless another place is named. Folders of that prefix whose makers are
    dead are removed first.
    """

    def __init__(self, prefix: str, among: str | None = None) -> None:
        remove_abandoned(prefix, among)
        made = Path(tempfile.mkdtemp(prefix=f"{_UNLOCKED}{prefix}", dir=among))
        self._lock = _opened(made)
        with suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = made.rename(made.with_name(made.name.removeprefix(_UNLOCKED)))

    def close(self) -> None:
        """Remove it; harmless when called again."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_abandoned(prefix: str, among: str | None = None) -> None:
    """Remove this user's folders of a prefix that no living process has; those that cannot be removed stay."""
    place = Path(among or tempfile.gettempdir())
    half_made = (path for path in place.glob(f"{_UNLOCKED}{prefix}{_RANDOM}") if _is_old(path))
    for folder in (*place.glob(f"{prefix}{_RANDOM}"), *half_made):
        with suppress(OSError):  # it has gone meanwhile, or somebody has it
            _remove_unless_held(folder)


def _is_old(folder: Path) -> bool:
    with suppress(OSError):
        return time.time() - folder.lstat().st_ctime > _JUST_MADE_S
    return False


def _remove_unless_held(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    lock = _opened(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
