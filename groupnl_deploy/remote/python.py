"""The device's own Python, asked by a few lines of code: what it prints behind a mark is the answer.

A login may print a banner before it, and packages may warn; neither has the mark.
"""

from device_agent.backend_table import BACKENDS
from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.remote.transport import Transport

ENVIRONMENTS = "environments"
"""The folder below a device's root that has a Python for each backend that was provisioned there."""

MARK = "groupnl-answer"
_TIMEOUT_S = 60.0


def ask_python(transport: Transport, code: str, *arguments: str, python: str | None = None) -> list[str]:
    """The words that `code` prints behind `MARK`; the arguments arrive as its `sys.argv[1:]`.

    `python` is another than the device's usual one.
    Raises `DeviceUnreachable` where there is no Python, or where it ends otherwise than well.
    """
    done = transport.run([python or transport.python, "-c", code, *arguments], timeout_s=_TIMEOUT_S)
    marked = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith(f"{MARK} ")]
    if done.exit_code != 0 or not marked:
        raise no_python(transport.name, transport.python, done.exit_code, done.stderr)
    return marked[-1].split()[1:]


def environments_of(backend: str | None) -> tuple[str, ...]:
    """Whose environment may run a backend: its own, or for one that computes nothing itself, any."""
    if backend is None:
        return ()
    return (backend,) if BACKENDS[backend].computes else tuple(BACKENDS)


def python_for(transport: Transport, root: str, backend: str) -> str:
    """The Python there that runs a backend: that of its environment below `root`, else the device's usual one.

    Raises `DeviceUnreachable`.
    """
    for name in environments_of(backend):
        python = f"{root}/{ENVIRONMENTS}/{name}/bin/python"
        if transport.run([python, "-c", ""], timeout_s=_TIMEOUT_S).exit_code == 0:
            return python
    return transport.python


def naming_python(device: str) -> str:
    """The sentence on how a device is told of another Python."""
    return (
        f"Then name it: groupnl device remove {device}, and groupnl device add {device} --host HOST "
        "--python .groupnl-venv/bin/python, or where it lies."
    )


def no_python(device: str, python: str, exit_code: int, stderr: str) -> DeviceUnreachable:
    """There is no such Python on the device, or it ended by itself with this code."""
    if exit_code in (126, 127):
        return DeviceUnreachable(
            f"There is no Python at “{python}” on {device}.",
            f"Make a virtual environment there (README, “On your own board”). {naming_python(device)}",
        )
    last = stderr.strip().splitlines()[-1] if stderr.strip() else "it said nothing"
    return DeviceUnreachable(
        f"“{python}” on {device} ended with code {exit_code}: {last}", "Run it there by hand to see why."
    )
