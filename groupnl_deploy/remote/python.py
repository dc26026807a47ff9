"""The device's Python: whose environment may serve, and what is said where there is none that does."""

from device_agent.backend_table import BACKENDS
from groupnl_deploy.errors import DeviceUnreachable


def environments_of(backend: str | None) -> tuple[str, ...]:
    """Whose environment may run a backend: its own, or for one that computes nothing itself, any."""
    if backend is None:
        return ()
    return (backend,) if BACKENDS[backend].computes else tuple(BACKENDS)


def naming_python(device: str) -> str:
    """The sentence on how a device is told of another Python."""
    return (
        f"Then name it with --python: `groupnl device add {device} …`, after `groupnl device remove {device}` where it "
        "was added before."
    )


def no_python(device: str, python: str, exit_code: int, stderr: str) -> DeviceUnreachable:
    """There is no such Python on the device, or it ended by itself with this code."""
    if exit_code in (126, 127):
        return DeviceUnreachable(
            f"There is no Python at “{python}” on {device}.",
            "`command -v python3` there tells where one lies, and on Debian `sudo apt install python3` brings one. "
            f"{naming_python(device)}",
        )
    last = stderr.strip().splitlines()[-1] if stderr.strip() else "it said nothing"
    return DeviceUnreachable(
        f"“{python}” on {device} ended with code {exit_code}: {last}", "Run it there by hand to see why."
    )
