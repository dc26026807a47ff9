"""From a device to its transport."""

import shutil
from pathlib import Path

from groupnl_deploy.progress import Say
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_process import Link
from groupnl_deploy.remote.ssh_target import SshTarget, find
from groupnl_deploy.remote.transport import Transport


def connect(device: Device, say: Say = lambda sentence: None) -> Transport:
    """Open the device's transport. `say` is told where it is another one than usual.

    paramiko is imported only when a device asks for it. Raises `UsageError` or `DeviceUnreachable`.
    """
    if device.transport == "local":
        from groupnl_deploy.remote.local import LocalTransport

        return LocalTransport(Path(device.root), device.python, device.name)
    from groupnl_deploy.remote.ssh_transport import SshTransport

    target = find(device)
    return SshTransport(device, _link(device, target, say))


def _link(device: Device, target: SshTarget, say: Say) -> Link:
    if device.transport == "openssh" or (device.transport == "auto" and _is_asked_for(device, target, say)):
        from groupnl_deploy.remote.openssh import ClientLink

        return ClientLink(target)
    from groupnl_deploy.remote.ssh import ParamikoLink

    return ParamikoLink(target)


def _is_asked_for(device: Device, target: SshTarget, say: Say) -> bool:
    """Whether the host's configuration wants what paramiko lacks."""
    from groupnl_deploy.remote.lacking import lacking_for

    lacking = lacking_for(target)
    if lacking and shutil.which("ssh"):
        say(f"{device.name} is reached by OpenSSH's client, as its configuration asks for {', '.join(lacking)}.")
    return bool(lacking)
