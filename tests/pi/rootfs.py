"""The emulated Pi's root file system: Debian for 64-bit Arm, made once and kept in the cache. `make pi` runs this.

Debian's debootstrap unpacks it and QEMU runs its programs, so that making it needs root and a mirror of Debian. It is
what a fresh Raspberry Pi OS (64-bit) has that matters here: its Python, OpenSSH and the user `pi`, and neither pip nor
the module that makes virtual environments whole (`python3-venv`).
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from groupnl_deploy.places import cache_dir

SUITES = {"3.11": "bookworm", "3.13": "trixie"}
"""Debian's release with each Python; Raspberry Pi OS 12 is of the first, 13 of the second."""

PYTHON = "3.11"
PACKAGES = "python3,openssh-server,ca-certificates,procps,iproute2,libgomp1"
# Without a password an account is locked, and sshd lets nobody in who has a locked one.
SETUP = """\
useradd --create-home --shell /bin/bash --groups video,dialout pi
usermod --password '*' pi
echo raspberrypi > /etc/hostname
echo '127.0.0.1 localhost raspberrypi' > /etc/hosts
apt-get clean
rm -rf /var/lib/apt/lists/*
"""
_REGISTER = Path("/proc/sys/fs/binfmt_misc/register")
_BINFMT = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
_NEEDED = (
    ("debootstrap", "debootstrap", "debootstrap"),
    ("qemu-aarch64-static", "qemu-user-static", "QEMU for Arm programs"),
    ("ip", "iproute2", "ip"),
    ("unshare", "util-linux", "unshare"),
    ("ssh-keygen", "openssh-client", "OpenSSH's client"),
)


def root_file_system(python: str = PYTHON) -> Path:
    """Where it lies, or would lie: by the digest of what it is made from."""
    recipe = "\n".join((SUITES[python], PACKAGES, SETUP))
    return cache_dir() / "pi" / hashlib.sha256(recipe.encode()).hexdigest()[:16]


def what_is_missing() -> str | None:
    """What keeps this machine from making or booting the emulated Pi, and what mends it; None where nothing does."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return "the emulated Pi needs root on Linux (namespaces and mounts)"
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    absent = [(package, what) for program, package, what in _NEEDED if not shutil.which(program, path=path)]
    if absent:
        names = " ".join(package for package, _ in absent)
        return f"the emulated Pi needs {', '.join(what for _, what in absent)}: apt-get install {names}"
    return None


def register_emulator() -> None:
    """Have the kernel run Arm programs by QEMU, in every namespace and root folder, until this machine is restarted.

    The registration opens QEMU once and for all (flag F), so that a root folder needs no copy of it.
    """
    if not _REGISTER.exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_REGISTER.parent)], check=True)
    if not _REGISTER.with_name("qemu-aarch64").exists():
        _REGISTER.write_text(_BINFMT.read_text())


def make(python: str = PYTHON) -> Path:
    """The root file system, made unless it is there; a build that was stopped leaves none."""
    folder = root_file_system(python)
    if folder.exists():
        return folder
    problem = what_is_missing()
    if problem:
        sys.exit(f"make pi: {problem}")
    register_emulator()
    part = folder.with_suffix(".part")
    _discard(part)
    part.parent.mkdir(parents=True, exist_ok=True)
    options = ("--arch=arm64", "--variant=minbase", f"--include={PACKAGES}")
    if subprocess.run(["debootstrap", *options, SUITES[python], str(part), mirror()], check=False).returncode != 0:
        log = part / "debootstrap/debootstrap.log"
        sys.exit(f"make pi: debootstrap failed, its last lines are above; the whole of it is in {log}")
    subprocess.run(["chroot", str(part), "sh", "-ec", SETUP], check=True)
    part.rename(folder)
    return folder


def _discard(part: Path) -> None:
    """Remove what a build that was stopped has left; debootstrap mounts the kernel's files in it."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in sorted((one for one in mounted if one.startswith(f"{part}/")), reverse=True):
        subprocess.run(["umount", point], check=True)
    shutil.rmtree(part, ignore_errors=True)


def mirror() -> str:
    """The mirror that this machine's own packages come from, else Debian's."""
    sources = [*Path("/etc/apt/sources.list.d").glob("*.sources"), *Path("/etc/apt/sources.list.d").glob("*.list")]
    for file in (Path("/etc/apt/sources.list"), *sorted(sources)):
        found = re.search(r"\bhttps?://\S+/debian/?(?=\s|$)", file.read_text()) if file.exists() else None
        if found:
            return found[0]
    return "http://deb.debian.org/debian"


if __name__ == "__main__":
    sys.stdout.write(f"{make(*sys.argv[1:2])}\n")
