"""Whether a network file system was mounted so that its locks hold on one machine only.

Such a lock is granted to everybody, and says nothing.
"""

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
# Options of nfs(5) and of Lustre's mount under which record locks do not leave the machine.
_LOCAL = frozenset({"nolock", "local_lock=all", "local_lock=posix", "localflock"})


def locks_stay_local(path: Path) -> str | None:
    """Why locks on the file are no locks between machines, None where they are or where the system does not tell."""
    try:
        text = _MOUNTS.read_text(encoding="utf-8", errors="replace")
        device = path.stat().st_dev
    except OSError:
        return None
    return local_option(text, f"{os.major(device)}:{os.minor(device)}")


def local_option(mountinfo: str, device: str) -> str | None:
    """What is wrong with the mount of a device, "major:minor", by the text of /proc/self/mountinfo (proc(5))."""
    for line in mountinfo.splitlines():
        mount, _, filesystem = line.partition(" - ")
        fields, tail = mount.split(), filesystem.split()
        if len(fields) < 6 or len(tail) < 3 or fields[2] != device:
            continue
        kind, options = tail[0], {*fields[5].split(","), *tail[2].split(",")}
        if kind.startswith("nfs") or kind == "lustre":
            found = sorted(_LOCAL & options)
            return f"it is mounted with {', '.join(found)}" if found else None
    return None
