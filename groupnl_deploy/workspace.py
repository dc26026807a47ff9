"""Folders on the host's disk: whole or not at all, and identified by what they hold.

A checkpoint, an artifact and a run are each one folder. It is written under a temporary name beside its
final one, flushed to the disk and renamed, so that no interruption leaves half of it behind.
"""

import contextlib
import errno
import glob
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import IO

from device_agent.durable import flush
from groupnl_deploy.errors import DiskFull, UsageError

CHECKPOINT_FILE = "checkpoint.json"
RUN_FILE = "run.json"
INCOMPLETE_FILE = "incomplete.json"
POWER_FILE = "power.csv"


def sha256_hex(data: bytes) -> str:
    """Hex SHA-256 of some bytes: the identity of everything the project ships."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_absent(target: Path) -> None:
    """Raise `UsageError` when `target` exists, before any work is spent on filling it."""
    with disk_errors(target):
        exists = os.path.lexists(target)  # also a link to nowhere
    if exists:
        raise UsageError(f"{target} exists already.", "Choose another name with --out, or remove it first.")


def require_writable(folder: Path) -> None:
    """Raise `UsageError` or `DiskFull` where nothing can be put into a folder, which need not be there yet.

    For work that would be lost by it. The folder, and those above it, are as they were afterwards.
    """
    with disk_errors(folder):
        missing = not_there(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        finally:
            remove_empty(missing)


def not_there(folder: Path) -> tuple[Path, ...]:
    """The folder, and those above it, that would have to be made."""
    return tuple(place for place in (folder, *folder.parents) if not place.exists())


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that are there, each within the next, up to one that something is in by now."""
    with contextlib.suppress(OSError):
        for folder in filter(Path.exists, folders):
            folder.rmdir()


def free_name(target: Path, ending: str = "") -> Path:
    """`target` with this ending, and a number between the two where something, be it a dead link, has that name."""
    names = chain([f"{target.name}{ending}"], (f"{target.name}-{number}{ending}" for number in count(2)))
    return next(path for path in map(target.with_name, names) if not os.path.lexists(path))


@contextlib.contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success flush it and rename it to `target`.

    Raises `UsageError` when `target` exists already or cannot be written, and `DiskFull` when the disk has no
    room. On any exception, Ctrl-C included, the temporary folder is removed and `target` is as it was.
    """
    require_absent(target)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.new-", dir=target.parent))
        temporary.chmod(0o755)
        try:
            yield temporary
            _flush(temporary)
            temporary.rename(target)
            flush(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_atomically(path: Path, data: bytes) -> None:
    """`atomic_file` for what is at hand. Raises `UsageError` or `DiskFull` where it cannot be written."""
    with atomic_file(path) as stream, disk_errors(path):
        stream.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a temporary sibling of `path`, open; on success flush it and rename it over `path`.

    Its mode is what the umask leaves. Raises `UsageError` or `DiskFull` where there is no place for it; errors of the
    block are its own. On any exception the temporary file is removed, for a full disk needs the room.
    """
    # Not mkstemp, whose files are their owner's alone.
    temporary = path.with_name(f".{path.name[:100]}.new-{secrets.token_hex(8)}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = temporary.open("xb")
    try:
        try:
            yield stream
            with disk_errors(path):
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            with disk_errors(path):  # closing writes what a full disk has refused, and is refused again
                stream.close()
        with disk_errors(path):
            temporary.replace(path)
            flush(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_unfinished(target: Path) -> None:
    """Remove what `atomic_directory` and `atomic_file` left beside `target` when they were killed.

    For callers that know that nobody writes `target` now.
    """
    for left in target.parent.glob(f".{glob.escape(target.name[:100])}.new-*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write below `path`, or for temporary files, into errors with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(path, error) from error
        culprit = _culprit(path, error)
        raise UsageError(
            f"Cannot {'write' if culprit == path else 'use'} {culprit}: {(error.strerror or str(error)).lower()}.",
            _WAYS_OUT.get(error.errno or 0, "Choose a place that you may write to."),
        ) from error


# Other places do not help where the name or the disk itself is at fault.
_WAYS_OUT = {
    errno.EIO: "The disk fails; choose another place, and see to that disk.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), then run the command again.",
    errno.EROFS: "Choose a place on a disk that is not read-only.",
}


def _culprit(path: Path, error: OSError) -> Path:
    """The file that the error is about: `path`, unless it names one that lies elsewhere."""
    named = error.filename if isinstance(error.filename, str) else ""
    elsewhere = named and not Path(named).absolute().is_relative_to(path.parent.absolute())
    return Path(named) if elsewhere and Path(named).absolute() not in path.absolute().parents else path


def _disk_full(path: Path, error: OSError) -> DiskFull:
    culprit = _culprit(path, error)
    temporary = Path(tempfile.gettempdir())
    if culprit.is_relative_to(temporary) if culprit != path else _is_fuller(temporary, path.parent):
        return DiskFull(
            f"The disk that holds temporary files, {temporary}, is full.",
            "Free some space there, or name a folder with more room in the variable TMPDIR, and run the command again.",
        )
    return DiskFull(
        f"The disk that holds {culprit.parent} is full.",
        "Free some space there, then run the command again; nothing half-written was left behind.",
    )


def _is_fuller(one: Path, other: Path) -> bool:
    """Whether `one` lies on another disk than `other`, with less room. A failed write does not say whose it was."""
    try:
        if one.stat().st_dev == existing(other).stat().st_dev:
            return False
        return shutil.disk_usage(one).free < shutil.disk_usage(existing(other)).free
    except OSError:
        return False


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            flush(path)
    flush(folder)
