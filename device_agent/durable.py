"""What a power cut must not undo: bytes and names are on the disk before anything is built on them."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, flush it, rename it over `path`."""
    part = path.with_name(f"{path.name}.{os.urandom(6).hex()}.part")
    try:
        part.write_bytes(data)
        flush(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)  # a full disk needs the room
        raise
    flush(path.parent)


def duplicate(path: Path, new: Path) -> None:
    """Give a flushed file a second name, or flushed bytes of its own where the file system has no second names."""
    try:
        os.link(path, new)
    except OSError:
        from shutil import copyfile  # here, as it takes its time to load

        copyfile(path, new)
        flush(new)


def make_folder(path: Path) -> None:
    """Make a folder whose parent is there, unless it is there itself."""
    if not path.is_dir():
        path.mkdir(exist_ok=True)
        flush(path.parent)


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file, which need not exist yet."""
    with path.open("ab") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    flush(path.parent)
