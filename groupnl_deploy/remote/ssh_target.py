"""Where an SSH device is and how to knock: `~/.ssh/config` applied to a device, and a socket to it.

Pure of any SSH library: `ssh_login` parses the configuration, and it and `ssh` speak the protocol.
"""

import errno
import getpass
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable, UsageError
from groupnl_deploy.remote.device import Device

CONNECT_TIMEOUT_S = 8.0
"""For each address the name resolves to."""

USER_TIMEOUT_MS = 10_000
"""A link that acknowledges nothing for this long is dead. Without it a cut cable hangs an upload for ever."""

# What the kernel says while a board, a switch or this machine's own link is down.
_NETWORK_DOWN = (errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ECONNRESET)
_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_INCLUDE_DEPTH = 8


@dataclass(frozen=True)
class SshTarget:
    """Everything needed to connect, with the device's own settings put before those of `~/.ssh/config`."""

    device_name: str
    alias: str
    host: str
    port: int
    user: str
    known_as: str
    identity: Path | None
    config_identities: tuple[str, ...]
    identities_only: bool
    known_hosts: tuple[Path, ...]
    proxy: str | None

    def __str__(self) -> str:
        return f"“{self.device_name}” ({self.user}@{self.host}, port {self.port})"

    @property
    def ssh_command(self) -> str:
        """What a person types to reach the same machine."""
        identity = f"-i {shlex.quote(str(self.identity))} " if self.identity else ""
        return f"ssh {identity}-p {self.port} {self.user}@{self.alias}"

    @property
    def known_name(self) -> str:
        """The name that known_hosts files use for this host and port."""
        return self.known_as if self.port == 22 else f"[{self.known_as}]:{self.port}"


def config_file() -> Path:
    """The user's SSH configuration."""
    return Path.home() / ".ssh" / "config"


def config_text(device: Device) -> str:
    """The user's SSH configuration with its `Include`d files put in, after what the device itself says.

    The first value of an option counts, also where a ProxyCommand has %p or %r.
    """
    file = config_file()
    lines = [f"Port {device.port}"] * bool(device.port) + [f"User {device.user}"] * bool(device.user)
    try:
        if file.is_file():
            lines += ["Host *", *_expanded(file, _INCLUDE_DEPTH)]
        return "\n".join(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", "Repair it or make it readable.") from error


def resolve(device: Device, options: Mapping[str, Any]) -> SshTarget:
    """Join a device with the options that its `config_text` gives for its host."""
    alias = device.host or ""
    host = str(options.get("hostname", alias))
    port = _port(options.get("port", "22"))
    return SshTarget(
        device_name=device.name,
        alias=alias,
        host=host,
        port=port,
        user=str(options.get("user") or getpass.getuser()),
        known_as=str(options.get("hostkeyalias", host)).lower(),
        identity=Path(device.identity).expanduser() if device.identity else None,
        config_identities=_existing(options.get("identityfile", [])),
        identities_only=str(options.get("identitiesonly", "no")).lower() == "yes",
        known_hosts=_known_hosts(options),
        proxy=_proxy(options, host, port),
    )


def open_socket(target: SshTarget) -> socket.socket:
    """A connected socket that sends at once and notices a dead link. Every failure is a `DeviceUnreachable`."""
    if target.proxy:
        return _through(target.proxy)
    try:
        opened = socket.create_connection((target.host, target.port), timeout=CONNECT_TIMEOUT_S)
    except (OSError, UnicodeError) as error:
        raise _no_connection(target, error) from error
    # Nagle's algorithm holds a request back until the last packet is acknowledged: 44 ms instead of 0.5.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    return opened


def _expanded(file: Path, depth: int) -> Iterator[str]:
    block = "Host *"
    for line in file.read_text(encoding="utf-8").splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() == "include" and depth:
            for pattern in shlex.split(rest):
                for included in _matches(pattern):
                    yield from _expanded(included, depth - 1)
            yield block  # what follows belongs to the block that the Include stood in
            continue
        if word.lower() in ("host", "match"):
            block = line
        yield line


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    folder = Path(path.anchor) if path.is_absolute() else config_file().parent
    return sorted(found for found in folder.glob(str(path.relative_to(path.anchor))) if found.is_file())


def _port(text: Any) -> int:
    if not str(text).isdecimal():
        raise UsageError(f"{config_file()} gives {text!r} as a port.", "Write a number from 1 to 65535 there.")
    return int(text)


def _existing(names: Any) -> tuple[str, ...]:
    """Like OpenSSH, pass over configured identities that are not there."""
    paths = [Path(str(name)).expanduser() for name in names]
    return tuple(str(path) for path in paths if path.is_file())


def _known_hosts(options: Mapping[str, Any]) -> tuple[Path, ...]:
    names = [
        *shlex.split(str(options.get("userknownhostsfile", _USER_KNOWN_HOSTS))),
        *shlex.split(str(options.get("globalknownhostsfile", _SYSTEM_KNOWN_HOSTS))),
    ]
    paths = [Path(name).expanduser() for name in names]
    return tuple(path for path in paths if path.is_file())


def _proxy(options: Mapping[str, Any], host: str, port: int) -> str | None:
    """The command that reaches the host: ProxyCommand as it stands, ProxyJump by way of `ssh -W`."""
    if options.get("proxycommand"):
        return str(options["proxycommand"])
    jump = options.get("proxyjump")
    if not jump or str(jump).lower() == "none":
        return None
    *before, last = re.split(r"\s*,\s*", str(jump))
    name, _, jump_port = last.rpartition(":") if re.search(r":\d+$", last) else (last, "", "")
    through = ["-J", ",".join(before)] if before else []
    at = ["-p", jump_port] if jump_port else []
    return shlex.join(["ssh", "-o", "BatchMode=yes", *through, *at, "-W", f"[{host}]:{port}", name])


def _through(command: str) -> socket.socket:
    """One end of a socket pair whose other end is the command's stdin and stdout: end of file is then seen.

    The command has a session of its own, so that the terminal's Ctrl-C does not cut the link before we stop
    what runs at its far end; it leaves when our end is closed.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            start_new_session=True,
        )
    threading.Thread(target=child.wait, daemon=True).start()  # reaps it
    return ours


def _no_connection(target: SshTarget, error: Exception) -> DeviceUnreachable:
    """A board that restarts answers no name and no call, then refuses the port until its SSH server runs."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return _no_name(target, error)
    if isinstance(error, ConnectionRefusedError):
        return DeviceUnavailable(
            f"{target.host} refuses connections on port {target.port}: no SSH server listens there.",
            "Enable SSH on the board (`sudo raspi-config`, Interface Options) and check the port.",
        )
    if isinstance(error, TimeoutError):
        return DeviceUnavailable(
            f"{target.host}, port {target.port}, did not answer within {CONNECT_TIMEOUT_S:g} s.",
            "Check that the board has power and network, and that no firewall is in the way.",
        )
    kind = DeviceUnavailable if getattr(error, "errno", None) in _NETWORK_DOWN else DeviceUnreachable
    reason = getattr(error, "strerror", None) or str(error)
    return kind(
        f"There is no way to {target.host}, port {target.port}: {reason}.",
        "Check the address and this machine's network.",
    )


def _no_name(target: SshTarget, error: Exception) -> DeviceUnreachable:
    """A board answers its own `.local` name, so while it is off nobody does. Other names are on a server, or wrong."""
    asked_later = target.host.endswith(".local") or getattr(error, "errno", None) == socket.EAI_AGAIN
    kind = DeviceUnavailable if asked_later and not isinstance(error, UnicodeError) else DeviceUnreachable
    return kind(
        f"The host name {target.host} of the device “{target.device_name}” cannot be resolved.",
        "Check its spelling and that the board is on this network, or give its IP address instead.",
    )
