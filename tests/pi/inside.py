"""The emulated Pi's first process: it mounts what a board has and becomes its SSH server.

`tests.pi.machine` starts it in namespaces of its own with the folders of the root file system and of the board; what it
mounts is gone when it ends, as is every process there.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

SETTINGS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "QEMU_CPU": "cortex-a72"}
NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def main(lower: Path, folder: Path) -> None:
    """Never returns."""
    root, board = folder / "root", folder / "board"
    layers = f"lowerdir={lower},upperdir={folder / 'disk'},workdir={folder / 'work'}"
    mount("-t", "overlay", "-o", layers, "overlay", root)
    mount("-t", "proc", "proc", root / "proc")
    for name in ("cpuinfo", "meminfo"):
        mount("--bind", board / name, root / "proc" / name)
    mount("--bind", board / "sys", root / "sys")
    for name in ("tmp", "run"):
        mount("-t", "tmpfs", "-o", "mode=1777" if name == "tmp" else "mode=755", "tmpfs", root / name)
    (root / "run/sshd").mkdir()
    devices(root / "dev")
    socket.sethostname("raspberrypi")
    os.chroot(root)
    os.chdir("/")
    os.execve("/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_pi_config"], SETTINGS)


def devices(dev: Path) -> None:
    """A `/dev` of its own: no disk and no terminal of the host is in it."""
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    for name, (major, minor) in NODES.items():
        os.mknod(dev / name, 0o020666, os.makedev(major, minor))
        (dev / name).chmod(0o666)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", dev / "pts")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", dev / "shm")
    (dev / "ptmx").symlink_to("pts/ptmx")
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (dev / name).symlink_to(f"/proc/self/fd{target}")


def mount(*words: str | Path) -> None:
    """Raises `CalledProcessError`."""
    subprocess.run(["mount", *map(str, words)], check=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
