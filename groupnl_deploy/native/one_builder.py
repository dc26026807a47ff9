"""Of several processes that need a library that is not built yet, one builds it, and the others wait for it."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groupnl_deploy.errors import CacheNotWritable, DiskFull, GroupNLError
from groupnl_deploy.progress import Reporter


@contextmanager
def one_builder(folder: Path, reporter: Reporter) -> Iterator[None]:
    """Alone in a folder of the cache, which is made. The kernel ends it with the process, however that ends.

    Raises `CacheNotWritable` or `DiskFull` where the folder cannot keep what is to be built.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / "lock").open("ab")
    except OSError as error:
        raise not_kept(folder, error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reporter.note("Another process builds a library of native operators; waiting for it.")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def not_kept(folder: Path, error: OSError) -> GroupNLError:
    """Why a library cannot be kept, and how to name another place; the variable is the one that decides now."""
    variable = "GROUPNL_HOME" if os.environ.get("GROUPNL_HOME") else "XDG_CACHE_HOME"
    elsewhere = f"name another folder in the variable {variable}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"The disk that holds {folder}, where native libraries are kept, is full.",
            f"Free some space there, or {elsewhere}.",
        )
    return CacheNotWritable(
        f"The library of native operators is built once and kept, and {folder} cannot be written: "
        f"{(error.strerror or str(error)).lower()}.",
        f"Give yourself the permission, or {elsewhere}.",
    )
