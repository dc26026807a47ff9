"""The emulated Pi: to whoever comes by SSH a machine, with an address of its own, a disk that stays and a plug to pull.

It is Debian's 64-bit Arm on QEMU's Cortex-A72, in namespaces of its own: network, mounts, processes, host name. What it
does is what a Pi does; **how fast it does it means nothing.**
"""

import contextlib
import fcntl
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from groupnl_deploy.remote.device import Device
from tests.pi import inside
from tests.pi.board import Board
from tests.pi.rootfs import register_emulator

USER = "pi"
_BOOT_S = 30.0
_MEMORY = Path("/sys/fs/cgroup/memory")
_CABLES = Path("/run/groupnl-pi")
_NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation", "private")
_SSHD_CONFIG = """\
Port 22
ListenAddress 0.0.0.0
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile .ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 100:30:200
SetEnv QEMU_CPU=cortex-a72
Subsystem sftp internal-sftp
"""


class EmulatedPi:
    """One board; `folder` holds its disk, its user's key and its console.

    Raises `CalledProcessError`, `TimeoutError`, and `OSError` where the kernel has no control group for memory (v1).
    """

    def __init__(self, root_file_system: Path, folder: Path) -> None:
        self.folder = folder
        self.board = Board(folder / "board")
        self.identity = folder / "id_ed25519"
        self._lower = root_file_system
        self._child: subprocess.Popen[bytes] | None = None
        for name in ("root", "disk", "work"):
            (folder / name).mkdir()
        self._furnish()
        self._lock, self._number = _take_cable()
        self._name = f"gnlpi{self._number}"
        self._lay_cable()
        self._group = _MEMORY / self._name
        self._group.mkdir(exist_ok=True)

    @property
    def address(self) -> str:
        """Its IPv4 address, which this machine alone reaches."""
        return f"10.77.{self._number}.2"

    @property
    def host_key(self) -> str:
        """Type and public half of its host key."""
        return " ".join((self._lower / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    @property
    def home(self) -> Path:
        """What was written to the home folder of `pi`, as this machine sees it. Look only."""
        return self.folder / "disk/home" / USER

    def device(self, name: str = "pi", **changes: Any) -> Device:
        """The board as a device whose host key is pinned; any field can be given."""
        fields: dict[str, Any] = {"host": self.address, "user": USER, "identity": str(self.identity)}
        return Device(name, "ssh", **(fields | {"host_key": self.host_key} | changes))

    def boot(self) -> None:
        """Plug it in; back once its SSH server greets."""
        first = [sys.executable, inside.__file__, str(self._lower), str(self.folder)]
        # Whoever has the board may be killed; then the kernel ends it, too.
        command = ["ip", "netns", "exec", self._name, "setpriv", "--pdeathsig", "KILL", "unshare", *_NAMESPACES, *first]
        group = ["sh", "-ec", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(self._group)]
        with (self.folder / "console.log").open("ab") as console:
            self._child = subprocess.Popen(
                [*group, *command], stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
        self.join()
        self._await_greeting()

    def cut(self) -> None:
        """Cut its link: what is sent from now on is lost, and neither side is told."""
        _ip("-n", self._name, "link", "set", "eth0", "down")

    def join(self) -> None:
        """Mend its link; what this machine has learned meanwhile, that nobody has the address, is forgotten."""
        _ip("-n", self._name, "link", "set", "eth0", "up")
        _ip("neigh", "flush", "dev", f"{self._name}h")

    def unplug(self) -> None:
        """Pull the plug: every process is gone, and no goodbye leaves the board. What was written stays on the disk."""
        self.cut()
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)  # unshare; the kernel takes the first process and its whole tree
            self._child.wait()
            self._child = None

    def dispose(self) -> None:
        """Unplug it and take its cable away; its folder stays."""
        self.unplug()
        _ip("netns", "delete", self._name)
        with contextlib.suppress(OSError):  # a process of it may be dying still
            self._group.rmdir()
        self._lock.close()

    def limit_memory(self, spare_bytes: int | None) -> None:
        """What its processes may ask for beyond what they have: the kernel kills the largest when they want more.

        None lifts the limit.
        """
        (self._group / "memory.force_empty").write_text("0")  # the pages of files that were read count, too
        used = int((self._group / "memory.usage_in_bytes").read_text())
        limit = "-1" if spare_bytes is None else str(used + spare_bytes)
        (self._group / "memory.limit_in_bytes").write_text(limit)

    def run(self, script: str) -> str:
        """What a shell script of `root` prints there, past SSH: to look at the board or to spoil something."""
        assert self._child is not None
        pid = self._child.pid
        inner = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        enter = ["nsenter", f"--target={inner}", "--mount", "--uts", "--ipc", "--pid", "--net", "--root", "--wd"]
        done = subprocess.run(
            [*enter, "sh", "-ec", script], env=inside.SETTINGS, check=True, capture_output=True, text=True
        )
        return done.stdout

    def _furnish(self) -> None:
        """What the disk has beyond the root file system: the server's settings, `vcgencmd`, and who may log in."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.identity)], check=True)
        disk = self.folder / "disk"
        (disk / "etc/ssh").mkdir(parents=True)
        (disk / "etc/ssh/sshd_pi_config").write_text(_SSHD_CONFIG)
        (disk / "usr/bin").mkdir(parents=True)
        shutil.copy(self.board.folder / "vcgencmd", disk / "usr/bin/vcgencmd")
        keys = self.home / ".ssh"
        keys.mkdir(parents=True)
        shutil.copy(self.identity.with_suffix(".pub"), keys / "authorized_keys")
        owner = (self._lower / "home" / USER).stat()
        for path in (self.home, keys, keys / "authorized_keys"):
            shutil.chown(path, owner.st_uid, owner.st_gid)

    def _lay_cable(self) -> None:
        """A network of its own, joined to this machine's by two ends of one cable."""
        host, board = f"{self._name}h", f"{self._name}b"
        _ip("netns", "add", self._name)
        _ip("link", "add", host, "type", "veth", "peer", "name", board)
        _ip("link", "set", board, "netns", self._name, "name", "eth0")
        _ip("addr", "add", f"10.77.{self._number}.1/24", "dev", host)
        _ip("link", "set", host, "up")
        _ip("-n", self._name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        _ip("-n", self._name, "link", "set", "lo", "up")

    def _await_greeting(self) -> None:
        deadline = time.monotonic() + _BOOT_S
        while time.monotonic() < deadline:
            assert self._child is not None
            if self._child.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((self.address, 22), timeout=1.0) as link:
                if link.recv(4) == b"SSH-":
                    return
            time.sleep(0.05)
        raise TimeoutError(f"the emulated Pi does not greet:\n{(self.folder / 'console.log').read_text()[-2000:]}")


@contextlib.contextmanager
def booted(root_file_system: Path, folder: Path) -> Iterator[EmulatedPi]:
    """A board that runs during the block."""
    register_emulator()
    pi = EmulatedPi(root_file_system, folder)
    try:
        pi.boot()
        yield pi
    finally:
        pi.dispose()


def _take_cable() -> tuple[IO[str], int]:
    """The first number that nobody has; whoever had it and was killed has left its network, which goes."""
    _CABLES.mkdir(exist_ok=True)
    for number in range(1, 250):
        lock = (_CABLES / str(number)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if Path(f"/run/netns/gnlpi{number}").exists():
            _ip("netns", "delete", f"gnlpi{number}")
        return lock, number
    raise TimeoutError("249 emulated Pis run on this machine")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
