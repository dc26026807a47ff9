"""The disk below the root: what is free there, and why it refuses, with the remedy for each reason.

A full disk and one without inodes give the same error, and a card that a power cut has damaged is mounted read-only
without a word: so each refusal looks at the file system itself and names it.
"""

import errno
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from device_agent.errors import AgentError
from device_agent.messages.doctor import Room
from device_agent.messages.greeting import PRUNE_COMMAND
from device_agent.sizes import MARGIN_INODES, needed_bytes, size_text

_MOUNTS = Path("/proc/self/mounts")


class DiskRefused(AgentError):
    """A file system cannot take what it should. The code says why: disk_full, no_inodes, read_only, storage."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.code = code


def room_at(path: Path) -> Room:
    """Of the file system that a path is on, or would be."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    facts = os.statvfs(place)
    mount, kind = mount_of(place.resolve(), _mounts())
    return Room(
        mount,
        kind,
        facts.f_bavail * facts.f_frsize,
        facts.f_favail if facts.f_files else None,
        facts.f_frsize,
        bool(facts.f_flag & os.ST_RDONLY),
    )


def mount_of(path: Path, mounts: Iterable[str]) -> tuple[str, str | None]:
    """The mount point that a path is below, and the kind of its file system, by lines as `/proc/self/mounts` has."""
    found, kind = "", None
    for line in mounts:
        _, point, this, *_ = *line.split(), "", ""
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)
        if len(point) >= len(found) and path.is_relative_to(point or "-"):  # what was mounted last is on top
            found, kind = point, this
    return found or str(path), kind


def require_room(folder: Path, missing: Iterable[int]) -> None:
    """Raise `DiskRefused` unless the file system below a folder takes files of so many bytes more each."""
    room, sizes = room_at(folder), list(missing)
    if room.read_only:
        raise _read_only(room)
    needed = needed_bytes(sizes, room.block_bytes)
    if needed > room.free_bytes:
        raise _full(room, f"{size_text(needed)} more are needed below {folder}, ")
    if room.free_inodes is not None and len(sizes) + MARGIN_INODES > room.free_inodes:
        raise _no_inodes(room)


def refusal(error: OSError, root: Path) -> DiskRefused:
    """What a file system meant by an error; never raises."""
    with suppress(OSError, ValueError):
        room = room_at(Path(str(error.filename)) if error.filename else root)
        if error.errno == errno.EROFS:
            return _read_only(room)
        if error.errno == errno.ENOSPC and room.free_inodes == 0:
            return _no_inodes(room)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _full(room, f"{error}; ")
    remedy = "See to that file or folder there, then try again."
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = "Check there who owns that file or folder: it has to be the user's own."
    elif error.errno == errno.EXDEV:
        remedy = "Link the whole folder there to the other disk, not one of those in it."
    return DiskRefused("storage", f"The disk there refused: {error}.", remedy)


def _full(room: Room, what: str) -> DiskRefused:
    return DiskRefused(
        "disk_full",
        f"The disk there is full: {what}{size_text(room.free_bytes)} are free on {room}.",
        f"Free some space there: `{PRUNE_COMMAND}` removes artifacts that are no longer used, `sudo apt "
        "clean` downloaded packages. Then try again: what has arrived is not sent again.",
    )


def _no_inodes(room: Room) -> DiskRefused:
    return DiskRefused(
        "no_inodes",
        f"The file system there has no inodes left for more files, whatever space it has: "
        f"{room.free_inodes} are free on {room}.",
        "Remove files there that nobody needs: `df -i` shows how many there may be, and "
        f"`sudo du --inodes -xd2 {room.mount} | sort -n | tail` where most of them are.",
    )


def _read_only(room: Room) -> DiskRefused:
    return DiskRefused(
        "read_only",
        f"The file system there is mounted read-only: {room}.",
        f"`sudo mount -o remount,rw {room.mount}` makes it writable, unless the card is damaged: `sudo dmesg` tells. "
        "Or add the device again with --root and a folder on another disk.",
    )


def _mounts() -> list[str]:
    with suppress(OSError):
        return _MOUNTS.read_text(errors="surrogateescape").splitlines()
    return []
