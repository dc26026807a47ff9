"""How to reach one device, as plain data."""

from dataclasses import dataclass
from typing import Literal

TransportWord = Literal["auto", "ssh", "openssh"]
"""Of an SSH device: "ssh" is paramiko's, "openssh" the system's own client, "auto" the one that its host asks for."""


@dataclass(frozen=True)
class Device:
    """How to reach one device. What is None is left to `~/.ssh/config` and SSH's defaults.

    Args:
        name: as the user calls it.
        transport: "local" for this machine, else a `TransportWord`.
        host: name, address, or an alias of `~/.ssh/config`.
        user: on the device.
        port: of its SSH server.
        identity: the private key's file.
        python: the command there; relative to the home folder where it has a slash.
        root: the folder that holds all that is ours there; relative to the home folder unless absolute.
        host_key: pinned when the device was added, as known_hosts files write one: "ssh-ed25519 AAAA…". It is the
            only one that is accepted, whatever known_hosts says; None: that decides.
    """

    name: str
    transport: Literal["local"] | TransportWord
    host: str | None = None
    user: str | None = None
    port: int | None = None
    identity: str | None = None
    python: str = "python3"
    root: str = ".groupnl"
    host_key: str | None = None
