"""The agent on a device: put there if need be, its digest checked before it is ever run, and started."""

import contextlib
from collections.abc import Iterator

from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, GroupNLError, VerificationFailed
from groupnl_deploy.remote.bundle import AgentBundle, build_bundle
from groupnl_deploy.remote.client import AgentClient, start_agent
from groupnl_deploy.remote.python import MARK, ask_python, naming_python
from groupnl_deploy.remote.transport import Transport

_OLDEST_PYTHON = (3, 11)
# A push by another version of groupnl sweeps, twice, agents that nobody runs: also one that is just about to.
_TRIES = 4
# Prints Python's version and the digest of one file.
_LOOK = (
    "import hashlib,os,sys;p=sys.argv[1];"
    f"print('{MARK}',*sys.version_info[:2],"
    "hashlib.sha256(open(p,'rb').read()).hexdigest() if os.path.exists(p) else 'missing')"
)


def ensure_agent(transport: Transport) -> AgentBundle:
    """Put the agent's bundle on the device unless it is there, and check its digest before it is ever run."""
    bundle = build_bundle()
    if _look(transport, bundle) == bundle.sha256:
        return bundle
    for left in reversed(range(_TRIES)):
        refused = None
        try:
            transport.put(bundle.data, bundle.remote_path)
        except DeviceFault as error:  # perhaps only for a part that was swept before its renaming
            refused = error
        found = _look(transport, bundle)
        if found == bundle.sha256:
            return bundle
        if refused and not left:
            raise refused
        if not refused and found != "missing":
            break
    raise VerificationFailed(
        f"The agent arrived damaged on {transport.name}, or was removed there at once.",
        "Push again; check the device's disk if it persists.",
    )


@contextlib.contextmanager
def open_agent(transport: Transport) -> Iterator[AgentClient]:
    """The agent, put there if need be, checked and started. It ends with the block."""
    with contextlib.ExitStack() as running:
        yield _start(transport, running)


def _start(transport: Transport, running: contextlib.ExitStack) -> AgentClient:
    left = _TRIES
    while True:
        left -= 1
        bundle = ensure_agent(transport)
        try:
            return running.enter_context(start_agent(transport, bundle.remote_path, bundle.sha256))
        except GroupNLError:
            if not left or _look(transport, bundle) == bundle.sha256:
                raise


def _look(transport: Transport, bundle: AgentBundle) -> str:
    """Digest of the bundle as it lies on the device, "missing" where it does not. Checks Python on the way."""
    major, minor, digest = ask_python(transport, _LOOK, transport.path(bundle.remote_path))
    if (int(major), int(minor)) < _OLDEST_PYTHON:
        raise DeviceUnreachable(
            f"{transport.python} on {transport.name} is Python {major}.{minor}; the agent needs 3.11 or newer.",
            f"Install a newer Python there. {naming_python(transport.name)}",
        )
    return digest
