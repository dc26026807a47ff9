"""The agent on a device: put there if need be, its digest checked before it is ever run, and started."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from device_agent import oom
from device_agent.messages.greeting import Hello
from device_agent.wire import WIRE_VERSION, Request, encode
from groupnl_deploy.errors import DeviceUnreachable, GroupNLError, VerificationFailed
from groupnl_deploy.progress import Say
from groupnl_deploy.remote import boot
from groupnl_deploy.remote.bundle import AgentBundle, build_bundle
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.python import environments_of, no_python
from groupnl_deploy.remote.transport import SILENCE_S, Process, Transport

_LOOK_TIMEOUT_S = 5.0
_MOST_COMMAND_BYTES = 32_000  # Linux gives a whole command line of a shell no more than 128 kB


@contextlib.contextmanager
def open_agent(
    transport: Transport, first: Sequence[Request[Any]] = (), backend: str | None = None
) -> Iterator[AgentClient]:
    """The agent, put there if need be, checked and started. It ends with the block.

    The `first` requests go with the command that starts it, so that their answers cost no round trip; each is then to
    be asked for by `answer_to`, in their order. It runs by the Python that was provisioned for `backend`, where there
    is one.
    """
    bundle, lines = build_bundle(), b"".join(encode(request) + b"\n" for request in first)
    fits = len(lines) <= _MOST_COMMAND_BYTES
    process = transport.spawn(boot.command(transport, bundle, lines if fits else b"", environments_of(backend)))
    try:
        client = AgentClient(process, transport.name)
        greet(client, _boot(client, transport, bundle), bundle.sha256, transport.name)
        if not fits:
            process.send(lines)
        with conversation(client):
            yield client
    finally:
        process.stop()


@contextlib.contextmanager
def reached(device: Device, backend: str | None = None, say: Say = lambda text: None) -> Iterator[AgentClient]:
    """An agent on the device, over a link of its own, by the Python that was provisioned for `backend`."""
    with connect(device, say) as transport, open_agent(transport, backend=backend) as agent:
        yield agent


def greet(client: AgentClient, hello: Hello, sha256: str, device_name: str) -> None:
    """Take in what an agent says of itself. Raises where it is another one than was started."""
    _check_identity(hello, sha256, device_name)
    client.machine, client.python, client.root = hello.machine, hello.python, hello.root


@contextlib.contextmanager
def conversation(client: AgentClient) -> Iterator[None]:
    """The agent hears of us while the block runs, and why, if an error ends it."""
    try:
        with client.heard():
            yield
    except BaseException as error:
        client.end(error)
        raise


def _boot(client: AgentClient, transport: Transport, bundle: AgentBundle) -> Hello:
    """Give the stub what it needs, and hear what the agent says then.

    Something has to come every quarter of a minute: as Python starts, each piece of the bundle arrives, it starts, it
    is ready.
    """
    booted = None
    while True:
        line = client.process.read_line(SILENCE_S)
        if line is None:
            raise client.gone() if booted else ended_early(client, transport)
        answer = boot.read_answer(line, transport)
        if answer is not None:
            booted = answer
            if answer.oom_kills is not None:
                client.oom_kills = answer.oom_kills
                client.ran_out = functools.partial(_ran_out, transport, answer.oom_kills)
            if booted.needs_bundle:
                _send(client.process, bundle.data)
        elif booted is not None and line:
            return client.expect(Hello, client.message(line))


def _send(process: Process, data: bytes) -> None:
    with contextlib.suppress(DeviceUnreachable):  # what has ended has said why, in the lines that are read next
        process.send(data)


def _ran_out(transport: Transport, kills_before: int) -> bool | None:
    """Whether the kernel has killed a process there for want of memory since the agent started."""
    with contextlib.suppress(DeviceUnreachable):
        vmstat = transport.run(["cat", oom.VMSTAT], _LOOK_TIMEOUT_S).stdout
        return oom.more(kills_before, oom.kills_in(vmstat.decode(errors="replace")))
    return None


def ended_early(client: AgentClient, transport: Transport) -> GroupNLError:
    """Why the stub never came to a word: there is no such Python, or none that runs."""
    code = client.process.exit_code(2.0)
    if code is None:
        return client.gone()
    return no_python(transport.name, transport.python, code, client.process.stderr_tail())


def _check_identity(hello: Hello, sha256: str, device_name: str) -> None:
    if hello.wire_version != WIRE_VERSION:
        raise DeviceUnreachable(
            f"The agent on {device_name} speaks wire version {hello.wire_version}, this host {WIRE_VERSION}.",
            "Run the command again: it sends the agent of this installation, which was updated meanwhile.",
        )
    if hello.agent_sha256 != sha256:
        raise VerificationFailed(f"The agent that runs on {device_name} is not the one that was pushed.", "Push again.")
