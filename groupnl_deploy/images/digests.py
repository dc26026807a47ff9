"""What files hold, by SHA-256, and remembered, so that only new and changed files are read again."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.places import cache_dir
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import file_sha256, sha256_hex, write_atomically

_SCHEMA_VERSION = 1
_AT_ONCE = 64  # files; Ctrl-C waits for no more
_THREADS = 4  # hashing and the disk let other threads go on
_JUST_NOW_NS = 2 * 10**9  # a file may change twice within one tick of its file system's clock

_Stamp = list[int]
"""Size, time of change of content and of record in ns, and inode: what a file cannot change and keep."""


def file_digests(root: Path, names: Sequence[str], reporter: Reporter) -> tuple[str, ...]:
    """The hex SHA-256 of each file below a root.

    Raises `OSError` for a file that cannot be read. What cannot be remembered is noted and read again next time.
    """
    place = _place(root)
    known = _remembered(place)
    stamps = {name: _stamp(root / name) for name in names}
    digests = {name: known[name][1] for name in names if name in known and known[name][0] == stamps[name]}
    new = [name for name in names if name not in digests]
    if new:
        try:
            for found in _read(root, new, reporter):
                digests |= found
        finally:  # Ctrl-C keeps what was read
            _remember(place, {name: (stamps[name], digest) for name, digest in digests.items()}, reporter)
    return tuple(digests[name] for name in names)


def _read(root: Path, names: list[str], reporter: Reporter) -> Iterator[dict[str, str]]:
    with (
        reporter.task(f"read {len(names)} files of {root.resolve().name}") as task,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            yield dict(zip(some, pool.map(file_sha256, (root / name for name in some)), strict=True))
            task(start + len(some), len(names), f"{start + len(some)} of {len(names)}")


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _place(root: Path) -> Path:
    return cache_dir() / "digests" / f"{sha256_hex(os.fsencode(root.resolve()))[:32]}.json"


def _remembered(place: Path) -> dict[str, tuple[_Stamp, str]]:
    """What is known of the files; nothing where that is damaged or of another version."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        record = json.loads(place.read_bytes())
        if record["schema_version"] == _SCHEMA_VERSION:
            return {name: (stamp, digest) for name, (stamp, digest) in record["files"].items()}
    return {}


def _remember(place: Path, found: dict[str, tuple[_Stamp, str]], reporter: Reporter) -> None:
    settled = time.time_ns() - _JUST_NOW_NS
    files = {name: entry for name, entry in found.items() if max(entry[0][1:3]) < settled}
    try:
        write_atomically(place, json.dumps({"schema_version": _SCHEMA_VERSION, "files": files}).encode())
    except GroupNLError as error:
        reporter.note(f"{error.message} The files will be read again next time.")
