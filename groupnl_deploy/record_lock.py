"""One maker for each product, and one training for each place, also where several machines share the folder.

The lock is a POSIX record lock (`fcntl.lockf`). Over NFS the server keeps it for all clients. The kernel frees it when
its holder dies, however it dies, and an NFS server does so when a dead client's lease ends. A lock file that is
created and removed would outlive a killed runner, and one that expires is lost by a runner that was only suspended.

What the holder writes, and what the last one left, stands in the locked file itself: taking a lock makes an NFS client
read the file anew, which no other file's cache is promised.
"""

import contextlib
import errno
import fcntl
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from groupnl_deploy.errors import UsageError
from groupnl_deploy.mounts import locks_stay_local
from groupnl_deploy.workspace import disk_errors


class Busy(Exception):
    """Another runner holds the lock; `said` is what stands in its file."""

    def __init__(self, said: bytes) -> None:
        super().__init__(said)
        self.said = said


class NoLocks(UsageError):
    """A file system has no locks, or none that other machines know of."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path.parent} lies on a file system without locks between machines: {why}.",
            "Choose another folder as out, or have that file system mounted with locks "
            "(NFS without nolock and local_lock, Lustre with flock).",
        )


class RecordLock:
    """A file that this process alone may write, until it is closed. Not to be opened a second time meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    @classmethod
    def take(cls, path: Path, again: bool = True) -> "RecordLock":
        """Take the lock at once. Raises `Busy`, and `NoLocks` where the file system has no such locks.

        Over NFS a file that was removed between being opened and being locked is said to be stale: it is opened
        `again`, once.
        """
        lock = cls(path)
        try:
            fcntl.lockf(lock._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            with contextlib.closing(lock):
                if error.errno == errno.ESTALE and again:
                    return cls.take(path, again=False)
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise Busy(lock.read()) from None
            raise NoLocks(path, error.strerror or str(error)) from error
        if (why := locks_stay_local(path)) is not None:
            lock.close()
            raise NoLocks(path, why)
        if lock._is_removed():
            lock.close()
            return cls.take(path)
        return lock

    def _is_removed(self) -> bool:
        """Whether who held it has just removed it, so that another may have made it anew; NFS leaves it some name."""
        try:
            return not os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return True

    def read(self) -> bytes:
        """The file's content."""
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    def write(self, content: bytes) -> None:
        """Put this in the place of the content. A power cut in between leaves a file that reads as damaged.

        Nothing is cut off before the new is there: on a full disk the old content stays, whose room the new one takes.
        """
        with disk_errors(self._path):
            os.pwrite(self._file, content, 0)
            os.ftruncate(self._file, len(content))
            os.fsync(self._file)

    def close(self) -> None:
        """Give the lock back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def this_runner() -> str:
    """Who we are, for those who wait for us."""
    return f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC).isoformat(timespec='seconds')}"
