"""Where an SSH device is and how to knock there: what the user's SSH configuration says, joined with the device.

Imports no SSH library.
"""

import getpass
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.known_hosts import KnownKeys, known_name, read_known_keys
from groupnl_deploy.remote.openssh_config import HostConfig, Tokens, ask_client
from groupnl_deploy.remote.public_key import PublicKey

_NO_BRACKETS = str.maketrans("", "", "[]")  # around an IPv6 address in a ProxyJump


@dataclass(frozen=True)
class SshTarget:
    """Everything needed to connect, with the device's own settings put before those of the configuration.

    Args:
        device_name: as the user calls it.
        alias: what the user calls the host.
        host: its name or address.
        port: of its SSH server.
        user: on the device.
        known_as: its name in known_hosts files, without a port.
        key_alias: whether that is a HostKeyAlias, which stands for host and port.
        pinned: the one host key that it may show, where it was pinned when the device was added.
        identity: the private key (or its public half) that the device names.
        config_identities: those that the configuration names, or OpenSSH's default ones: those that are there.
        certificates: of the user, that the configuration names.
        identities_only: whether no other keys of the agent are shown.
        agent: the agent's socket; empty: $SSH_AUTH_SOCK names it; None: there shall be none.
        known_hosts: the files that are there.
        proxy: the command that reaches the host, for the user's shell.
        config: all else that the configuration says.
    """

    device_name: str
    alias: str
    host: str
    port: int
    user: str
    known_as: str
    key_alias: bool = False
    pinned: PublicKey | None = None
    identity: Path | None = None
    config_identities: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: str | None = ""
    known_hosts: tuple[Path, ...] = ()
    proxy: str | None = None
    config: HostConfig = field(default_factory=HostConfig)

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
        return self.known_as if self.key_alias else known_name(self.known_as, self.port)

    def known_keys(self) -> KnownKeys:
        """The host keys that it may show: the pinned one alone, else what the known_hosts files say now."""
        if self.pinned:
            return KnownKeys(trusted=(self.pinned,))
        without_port = None if self.key_alias or self.port == 22 else self.known_as
        return read_known_keys(self.known_hosts, self.known_name, without_port)


def find(device: Device) -> SshTarget:
    """Where a device is, by the user's SSH configuration. Raises `UsageError` where that cannot be used."""
    if client := shutil.which("ssh"):
        return resolve(device, ask_client(client, device))
    from groupnl_deploy.remote.parsed_config import parse_config  # with paramiko, which takes a moment

    return resolve(device, parse_config(device))


def resolve(device: Device, config: HostConfig) -> SshTarget:
    """Join a device with what the configuration says of its host."""
    tokens = _tokens(device, config)
    identity = Path(device.identity).expanduser() if device.identity else None
    configured = [tokens.path(name) for name in config.values("identityfile")]
    return SshTarget(
        device_name=device.name,
        alias=tokens.alias,
        host=tokens.host,
        port=tokens.port,
        user=tokens.user,
        known_as=tokens.known_as,
        key_alias=bool(config.value("hostkeyalias")),
        pinned=_pinned(device),
        identity=identity,
        config_identities=tuple(path for path in configured if path != identity and _is_there(path)),
        certificates=tuple(path for name in config.values("certificatefile") if (path := tokens.path(name)).is_file()),
        identities_only=config.says_yes("identitiesonly"),
        agent=_agent(config, tokens),
        known_hosts=tuple(
            path for option in ("userknownhostsfile", "globalknownhostsfile") for path in _files(config, option, tokens)
        ),
        proxy=_proxy(config, tokens),
        config=config,
    )


def _tokens(device: Device, config: HostConfig) -> Tokens:
    alias = device.host or ""
    host = config.value("hostname", alias)
    port = config.value("port", "22")
    if not port.isdecimal():
        raise UsageError(f"The SSH configuration gives {port!r} as a port.", "Write a number from 1 to 65535 there.")
    return Tokens(
        alias=alias,
        host=host,
        port=int(port),
        user=config.value("user") or getpass.getuser(),
        known_as=config.value("hostkeyalias", host).lower(),
        jump=config.value("proxyjump"),
    )


def _pinned(device: Device) -> PublicKey | None:
    if device.host_key is None:
        return None
    try:
        return PublicKey.parse(device.host_key)
    except ValueError as error:
        raise UsageError(
            f"The host key that is pinned for the device “{device.name}” is damaged.",
            f"Add it again: `groupnl device remove {device.name}`, then `groupnl device add {device.name} …`.",
        ) from error


def _is_there(identity: Path) -> bool:
    """Like OpenSSH, pass over configured identities that are not there; of one in an agent the public half will do."""
    return identity.is_file() or identity.with_name(f"{identity.name}.pub").is_file()


def _agent(config: HostConfig, tokens: Tokens) -> str | None:
    """IdentityAgent: a socket's path, an environment variable (`$NAME`), `SSH_AUTH_SOCK`, or `none`."""
    given = next(iter(config.options.get("identityagent", ())), "")
    if given.lower() == "none":
        return None
    if given in ("", "SSH_AUTH_SOCK"):
        return ""
    if re.fullmatch(r"\$\w+", given):
        given = "${" + given[1:] + "}"
    return str(tokens.path(given))


def _files(config: HostConfig, option: str, tokens: Tokens) -> list[Path]:
    """The files of a list that are there. `ssh -G` quotes no blank, so of several words the longest file is meant."""
    words, found = config.value(option).split(" "), []
    while words:
        readings = [(tokens.path(" ".join(words[:count])), count) for count in range(len(words), 0, -1)]
        path, count = next((reading for reading in readings if reading[0].is_file()), (None, 1))
        if path:
            found.append(path)
        del words[:count]
    return found


def _proxy(config: HostConfig, tokens: Tokens) -> str | None:
    """The command that reaches the host: ProxyCommand as it stands, ProxyJump by way of `ssh -W`."""
    if command := config.value("proxycommand"):
        return tokens.expand(command)
    if not (jump := config.value("proxyjump")):
        return None
    *before, last = re.split(r"\s*,\s*", jump)
    name, _, jump_port = last.rpartition(":") if re.search(r":\d+$", last) else (last, "", "")
    through = ["-J", ",".join(before)] if before else []
    at = ["-p", jump_port] if jump_port else []
    to = f"[{tokens.host}]:{tokens.port}"
    return shlex.join(["ssh", "-o", "BatchMode=yes", *through, *at, "-W", to, "--", name.translate(_NO_BRACKETS)])
