"""What the user's SSH configuration says of a host: asked of the OpenSSH client itself (`ssh -G`).

So `Match`, `Include`, /etc/ssh/ssh_config and canonical names mean what they mean to `ssh`. Where there is no client,
`parsed_config` reads `~/.ssh/config` as well as it can. Imports no SSH library.
"""

import getpass
import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device

_TIMEOUT_S = 20.0  # a `Match exec` runs a command


@dataclass(frozen=True)
class HostConfig:
    """Options by their names in small letters, each with its values in the order in which they were given."""

    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def values(self, option: str) -> tuple[str, ...]:
        """All values of an option that may be given several times; `none` stands for none."""
        return tuple(value for value in self.options.get(option, ()) if value.lower() != "none")

    def value(self, option: str, default: str = "") -> str:
        """The one value of any other option."""
        return next(iter(self.values(option)), default)

    def says_yes(self, option: str) -> bool:
        """Whether an option of yes and no is on."""
        return self.value(option).lower() in ("yes", "true")


def ask_client(client: str, device: Device) -> HostConfig:
    """What the client (`ssh`, with its path) says of a device's host, user and port.

    Raises `UsageError` where it refuses the configuration.
    """
    try:
        answer = subprocess.run(
            [client, "-G", *device_options(device.user, device.port, device.identity), "--", device.host or ""],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"`ssh -G {device.host}` did not end within {_TIMEOUT_S:g} s.",
            "Look for a `Match exec` in ~/.ssh/config whose command hangs.",
        ) from error
    if answer.returncode:
        raise _refused(device, os.fsdecode(answer.stderr))
    return parse_answer(os.fsdecode(answer.stdout))


def parse_answer(text: str) -> HostConfig:
    """What `ssh -G` printed: an option and its value a line."""
    options: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        options.setdefault(name.lower(), []).append(value)
    return HostConfig({name: tuple(values) for name, values in options.items()})


def user_home() -> Path:
    """The folder that `~` means to OpenSSH: what the list of users says, whatever $HOME is."""
    try:
        import pwd
    except ImportError:  # Windows
        return Path.home()
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.home()


@dataclass(frozen=True)
class Tokens:
    """What `%h` and its like stand for in a value (ssh_config(5), TOKENS)."""

    alias: str
    host: str
    port: int
    user: str
    known_as: str
    jump: str = ""

    def expand(self, text: str) -> str:
        """The value with its tokens replaced; one that is not known stays."""
        meanings = self._meanings()
        return re.sub("%(.)", lambda found: meanings.get(found[1], found[0]), text)

    def path(self, text: str) -> Path:
        """A file's name, with `~` and environment variables replaced as well."""
        named = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], found[0]), text)
        if named == "~" or named.startswith("~/"):
            named = str(user_home()) + named[1:]
        return Path(self.expand(named)).expanduser()

    def _meanings(self) -> dict[str, str]:
        machine = socket.gethostname()
        together = f"{machine}{self.host}{self.port}{self.user}{self.jump}"
        return {
            "%": "%",
            "C": hashlib.sha1(together.encode()).hexdigest(),
            "d": str(user_home()),
            "h": self.host,
            "i": str(getattr(os, "getuid", int)()),
            "j": self.jump,
            "k": self.known_as,
            "L": machine.split(".", maxsplit=1)[0],
            "l": machine,
            "n": self.alias,
            "p": str(self.port),
            "r": self.user,
            "u": getpass.getuser(),
        }


def device_options(user: str | None, port: int | None, identity: str | Path | None) -> list[str]:
    """What a device itself says, as options of the client: they count before any file."""
    given = (("-l", user), ("-p", port), ("-i", identity and Path(identity).expanduser()))
    return [word for option, value in given if value for word in (option, str(value))]


def _refused(device: Device, said: str) -> UsageError:
    lines = [line.strip() for line in said.replace(str(user_home()), "~").splitlines() if line.strip()]
    return UsageError(
        f"OpenSSH refuses its configuration for {device.host}: {lines[0] if lines else 'it does not say why'}.",
        f"Repair what it names until `ssh -G {device.host}` prints the configuration.",
    )
