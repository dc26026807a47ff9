"""What a push would meet on a device, without a change there: nothing is written, sent or kept locked.

One command, as `boot.py` has it: `PYTHON -B -c STUB ROOT SHA256 WANTED REQUESTS BACKEND…`. The stub only reads, and
says in a line of JSON what it found. Where the agent of this version is there already, and whole, that then takes its
place and answers the requests: none of them may be one that writes. Where it is not, the command ends.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from device_agent.backend_table import backends_for, packages_of
from device_agent.manifest import Format
from device_agent.messages.greeting import BOOT_MARK, Hello
from device_agent.messages.ledger import State
from device_agent.messages.push import MARK_BYTES, Held, PushFile
from device_agent.strict import StrictError, from_json, to_dict
from device_agent.wire import Request, encode
from groupnl_deploy.errors import DeviceFault
from groupnl_deploy.remote import boot
from groupnl_deploy.remote.agent import conversation, ended_early, greet
from groupnl_deploy.remote.bundle import AgentBundle, build_bundle
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.transport import SILENCE_S, Transport

_LINE = BOOT_MARK + b"look "

# What an agent would tell is told in its way: `device_agent.{push, parts, environments, verdicts, current}`.
_STUB = f"""{boot.FIND}
import json, stat
from glob import glob
from importlib.machinery import PathFinder
wanted = json.loads(sys.argv[3])
identity = wanted["artifact_sha256"]
def below(*names):
    return os.path.join(root, *names)
place, wrong = root, 0
while not os.path.isdir(place):
    if os.path.lexists(place):
        wrong = errno.ENOTDIR
    place = os.path.dirname(place)
room = os.statvfs(place)
if room.f_flag & os.ST_RDONLY:
    wrong = wrong or errno.EROFS
for folder in (place, below("agents"), below("artifacts"), below("incoming")):
    if os.path.isdir(folder):
        if not os.access(folder, os.W_OK | os.X_OK):
            wrong = wrong or errno.EACCES
    elif os.path.lexists(folder):
        wrong = wrong or errno.ENOTDIR
def beginnings(path, size):
    found, length, digest = [], 0, hashlib.sha256()
    with open(path, "rb") as stream:
        while length < size:
            piece = stream.read(min(1 << 18, size - length))
            if not piece:
                break
            digest.update(piece)
            length += len(piece)
            if length % {MARK_BYTES} == 0 or length == size:
                found.append(dict(bytes=length, sha256=digest.hexdigest()))
                say("reads")
    if length and (not found or found[-1]["bytes"] != length):
        found.append(dict(bytes=length, sha256=digest.hexdigest()))
    return found
def is_right(path, size, sha256):
    if not os.path.isfile(path) or os.path.getsize(path) != size:
        return False
    return size == 0 or beginnings(path, size)[-1]["sha256"] == sha256
def held(folder):
    if os.path.islink(folder):
        return
    for file in wanted["files"]:
        path = os.path.join(folder, file["name"])
        if os.path.lexists(path) and stat.S_ISREG(os.lstat(path).st_mode):
            yield dict(name=file["name"], marks=beginnings(path, file["bytes"]))
def quietly(look, otherwise):
    try:
        return look()
    except OSError:
        return otherwise
final = below("artifacts", identity)
whole = quietly(lambda: all(is_right(os.path.join(final, file["name"]), file["bytes"], file["sha256"])
                            for file in wanted["files"]), False)
def runtime(backend, packages):
    environment = below("environments", backend)
    python = os.path.join(environment, "bin", "python")
    provisioned = os.path.exists(python)
    path = glob(os.path.join(environment, "lib", "python3*", "site-packages")) if provisioned else sys.path
    missing = [name for name in packages if PathFinder.find_spec(name, path) is None]
    return provisioned, dict(backend=backend, python=python if provisioned else sys.executable, missing=missing)
runtimes = [runtime(*one) for one in wanted["backends"].items()]
said = [name for name in ("refused", "accepted") if os.path.exists(below(name, identity + ".json"))]
agent = quietly(is_whole, False)
say("look", json.dumps(dict(
    root=root,
    wrong=wrong,
    free_bytes=room.f_bavail * room.f_frsize,
    free_inodes=room.f_favail if room.f_files else None,
    block_bytes=room.f_frsize,
    has_agent=agent,
    is_there=whole,
    held=[] if whole else quietly(lambda: list(held(below("incoming", identity))), []),
    state=said[0] if said else "pending",
    current=quietly(lambda: os.path.basename(os.readlink(below("current", wanted["format"]))), None),
    **next((one for provisioned, one in runtimes if provisioned or not one["missing"]), runtimes[0][1]))))
if not agent:
    sys.exit(0)
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
{boot.START}"""


@dataclass(frozen=True)
class Wanted:
    """An artifact that is looked for, its files with their digests, and the backends that run it with their packages,
    the usual one first.
    """

    artifact_sha256: str
    format: Format
    files: tuple[PushFile, ...]
    backends: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, artifact_sha256: str, format: Format, files: tuple[PushFile, ...], *, native: bool) -> "Wanted":
        """With the backends of the format, or of native operators in it, and the packages that they need."""
        backends = {name: packages_of(name) for name in backends_for(format, native=native)}
        return cls(artifact_sha256, format, files, backends)


@dataclass(frozen=True)
class Looked:
    """What was found.

    Args:
        root: its absolute path; it need not be there.
        wrong: the `errno` that making a file there would end with; 0 where nothing is known to be in the way.
        free_bytes, free_inodes, block_bytes: of the file system that has the root, or would; inodes are null where
            none are counted.
        has_agent: whether the agent of this version is there, and whole.
        is_there: whether the artifact is, each digest checked.
        held: what an earlier push has brought of it.
        state: what was said of it when it was tried last.
        current: the artifact of this format that is used now.
        backend: by which the device would try it.
        python: what would run it.
        missing: its packages that this Python does not find.
    """

    root: str
    wrong: int
    free_bytes: int
    free_inodes: int | None
    block_bytes: int
    has_agent: bool
    is_there: bool
    held: tuple[Held, ...]
    state: State
    current: str | None
    backend: str
    python: str
    missing: tuple[str, ...]


@contextlib.contextmanager
def look(
    transport: Transport, wanted: Wanted, first: Sequence[Request[Any]]
) -> Iterator[tuple[Looked, AgentClient | None]]:
    """What is there, and the agent to ask more if it is there, too: then the answers to `first` are the next to come.

    Raises what `open_agent` does.
    """
    bundle = build_bundle()
    process = transport.spawn(_command(transport, bundle, wanted, first))
    try:
        client = AgentClient(process, transport.name)
        looked = _found(client, transport)
        if not looked.has_agent:
            yield looked, None
            return
        greet(client, _hello(client), bundle.sha256, transport.name)
        with conversation(client):
            yield looked, client
    finally:
        process.stop()


def _command(transport: Transport, bundle: AgentBundle, wanted: Wanted, first: Sequence[Request[Any]]) -> list[str]:
    requests = "".join(f"{encode(request).decode()}\n" for request in first)
    python = [transport.python, "-B", *boot.program(_STUB)]
    return [*python, transport.root, bundle.sha256, json.dumps(to_dict(wanted)), requests, *wanted.backends]


def _found(client: AgentClient, transport: Transport) -> Looked:
    """What the stub says in the end; meanwhile it says that it reads."""
    while (line := client.process.read_line(SILENCE_S)) is not None:
        if line.startswith(_LINE):
            try:
                return from_json(Looked, line.removeprefix(_LINE))
            except StrictError as error:
                raise DeviceFault(
                    f"What {transport.name} says of itself is not understood: {error}.",
                    "Check that nothing else writes to the login shell's output there.",
                ) from error
        boot.read_answer(line, transport)
    raise ended_early(client, transport)


def _hello(client: AgentClient) -> Hello:
    while (line := client.process.read_line(SILENCE_S)) is not None:
        if line and not line.startswith(BOOT_MARK):
            return client.expect(Hello, client.message(line))
    raise client.gone()
