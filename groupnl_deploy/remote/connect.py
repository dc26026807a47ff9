"""From a device to its transport."""

from pathlib import Path

from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.transport import Transport


def connect(device: Device) -> Transport:
    """Open the device's transport. paramiko is imported only when an SSH device asks for it."""
    if device.transport == "local":
        from groupnl_deploy.remote.local import LocalTransport

        return LocalTransport(Path(device.root), device.python, device.name)
    from groupnl_deploy.remote.ssh import SshTransport

    return SshTransport(device)
