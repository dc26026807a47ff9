"""How an agent comes to run on a device that may not have it: one command, no round trip but its answer.

The command is `PYTHON -c STUB ROOT SHA256 SIZE REQUESTS BACKEND…`. The stub looks for the bundle with that digest below
the root and says in a line whether it has or needs it; what it needs it reads from its stdin, verifies and puts there.
Then the agent takes its place in the same process, by the Python that was provisioned for the first backend that has
one, says that it starts, and answers the requests first. They are part of the command, as nothing may be on stdin
before that is known to run: a start-up file that begins another shell would have it carry them out.
"""

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from device_agent.messages.greeting import BOOT_MARK, REQUESTS
from device_agent.sizes import size_text
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, DiskFull, GroupNLError, VerificationFailed
from groupnl_deploy.remote.bundle import AgentBundle
from groupnl_deploy.remote.python import naming_python
from groupnl_deploy.remote.transport import Transport

OLDEST_PYTHON = (3, 11)

_OWNER = "Check there that it is the user's own, or add the device again with another --root."
_NO_FOLDER = "It has to be a folder: see there what lies in its place, such as a link to nowhere."
_REMEDIES = {
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EROFS: "`findmnt -T FOLDER` shows there what is mounted so; `sudo mount -o remount,rw` makes it writable, "
    "unless the card is damaged. Or add the device again with a --root on another disk.",
}

# Python 2.7 has to get as far as telling its version. The lock on the bundle is what `device_agent.sweep` asks for, so
# that no other version's push removes it between the look and the start: the agent inherits it. Two pushes at once put
# the same there, each its own file: the one that was looked at has to be the one that is locked and started.
FIND = f"""
import sys
sys.path[:1] = []
import os
def say(*words):
    os.write(1, ("\\n{BOOT_MARK.decode()}%s\\n" % " ".join(words)).encode())
if sys.version_info < {OLDEST_PYTHON}:
    say("python", "%d.%d" % sys.version_info[:2])
    sys.exit(1)
import errno, fcntl, hashlib
root = os.path.join(os.path.expanduser("~"), os.path.expanduser(sys.argv[1]))
agents = os.path.join(root, "agents")
bundle = os.path.join(agents, "groupnl-agent-%s.pyz" % sys.argv[2])
def is_whole():
    while True:
        try:
            held = os.open(bundle, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_SH)
            with open(held, "rb", closefd=False) as stream:
                whole = hashlib.sha256(stream.read()).hexdigest() == sys.argv[2]
            if os.path.samestat(os.fstat(held), os.stat(bundle)):
                os.set_inheritable(held, True)
                return whole
            os.close(held)
        except FileNotFoundError:
            return False
"""
START = f"""
program = sys.executable
for backend in reversed(sys.argv[5:]):
    provisioned = os.path.join(root, "environments", backend, "bin", "python")
    if os.path.exists(provisioned):
        program = provisioned
os.environ["{REQUESTS}"] = sys.argv[4]
os.execv(program, [program, bundle])
"""
_STUB = f"""{FIND}
def flush(path):
    held = os.open(path, os.O_RDONLY)
    os.fsync(held)
    os.close(held)
def take():
    part, left, digest = "%s.%s.part" % (bundle, os.urandom(6).hex()), int(sys.argv[3]), hashlib.sha256()
    try:
        with open(part, "wb") as stream:
            while left:
                piece = os.read(0, min(left, 1 << 18))
                if not piece:
                    sys.exit(1)
                stream.write(piece)
                digest.update(piece)
                left -= len(piece)
                say("taken")
        flush(part)
        if digest.hexdigest() == sys.argv[2]:
            os.replace(part, bundle)
            flush(agents)
    finally:
        if os.path.exists(part):
            os.unlink(part)
try:
    for folder in (root, agents):
        os.makedirs(folder, 0o700, exist_ok=True)
    if is_whole():
        say("have")
    else:
        say("need")
        take()
        if not is_whole():
            say("damaged")
            sys.exit(1)
except OSError as error:
    place = root
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    room = os.statvfs(place)
    inodes = room.f_favail if room.f_files else -1
    say("disk", str(error.errno or 0), str(room.f_bavail * room.f_frsize), str(inodes))
    sys.exit(1)
{START}"""


@dataclass(frozen=True)
class Booted:
    """What the stub said in one of its lines, as words."""

    words: tuple[str, ...]

    @property
    def needs_bundle(self) -> bool:
        """Whether it waits for the bundle."""
        return self.words == ("need",)

    @property
    def oom_kills(self) -> int | None:
        """How many the kernel had killed there for want of memory when the agent started, where it tells."""
        kind, *told = self.words
        return int(told[0]) if kind == "starting" and told and told[0].isdecimal() else None


def command(transport: Transport, bundle: AgentBundle, first: bytes = b"", backends: Sequence[str] = ()) -> list[str]:
    """The command line that becomes the agent and has it answer the lines of `first`.

    The stub is one line of it, as not every login shell quotes several. It needs no packages, so none are looked for.
    """
    size = str(len(bundle.data))
    return [transport.python, "-S", *program(_STUB), transport.root, bundle.sha256, size, first.decode(), *backends]


def program(stub: str) -> tuple[str, str]:
    """The words of a command line that have Python run a stub: one line of it."""
    return "-c", f"exec({json.dumps(stub)})"


def read_answer(line: bytes, transport: Transport) -> Booted | None:
    """What a line of the process says if it is the stub's, else None. Raises the host's error for what it refuses."""
    if not line.startswith(BOOT_MARK):
        return None
    kind, *words = line.removeprefix(BOOT_MARK).decode(errors="replace").split()
    if kind == "python":
        raise _too_old(transport.name, transport.python, words[0])
    if kind == "disk":
        number, free_bytes, free_inodes = map(int, words)
        raise disk_refused(transport, number, free_bytes, free_inodes)
    if kind == "damaged":
        raise VerificationFailed(
            f"The agent arrived damaged on {transport.name}.", "Push again; check the device's disk if it persists."
        )
    return Booted((kind, *words))


def _too_old(device: str, python: str, version: str) -> DeviceUnreachable:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return DeviceUnreachable(
        f"{python} on {device} is Python {version}; the agent needs {oldest} or newer.",
        f"Raspberry Pi OS 12 and Debian 12 bring Python 3.11; else install one there. {naming_python(device)}",
    )


def disk_refused(
    transport: Transport, number: int, free_bytes: int, free_inodes: int, taken: str = "the agent"
) -> GroupNLError:
    """Why nothing of ours can be put below the root: an `errno`, and what is free there (inodes: -1 if not counted)."""
    what = f"The folder {transport.root} on {transport.name} cannot take {taken}: {os.strerror(number).lower()}"
    if number in (errno.ENOSPC, errno.EDQUOT):
        free = "no inodes" if free_inodes == 0 else size_text(free_bytes)
        return DiskFull(
            f"{what}; {free} are free.",
            f"Free some there, then try again: `df {'-i' if free_inodes == 0 else '-h'}` shows what each disk has.",
        )
    return DeviceFault(f"{what}.", _REMEDIES.get(number, _OWNER))
