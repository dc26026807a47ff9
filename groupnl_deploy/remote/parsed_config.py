"""`~/.ssh/config` where no OpenSSH client is installed that could be asked: read by paramiko.

A `Match` that paramiko cannot judge is refused: it would apply the block to every host.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

import paramiko

from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.openssh_config import HostConfig

_INCLUDE_DEPTH = 8
_JUDGED = ("all", "canonical", "final", "host", "localuser", "originalhost", "user")
_WITHOUT_VALUE = ("all", "canonical", "final")
_FILE_LISTS = {"userknownhostsfile", "globalknownhostsfile"}
_KNOWN_HOSTS = (".ssh/known_hosts", ".ssh/known_hosts2")
_IDENTITIES = (".ssh/id_rsa", ".ssh/id_ecdsa", ".ssh/id_ed25519")


def config_file() -> Path:
    """The user's SSH configuration."""
    return Path.home() / ".ssh" / "config"


def parse_config(device: Device) -> HostConfig:
    """What the file says of a device's host, with OpenSSH's defaults where they matter."""
    text = config_text(device)
    for line in text.splitlines():
        _require_judged(line)
    try:
        found = paramiko.SSHConfig.from_text(text).lookup(device.host or "")
    except (paramiko.SSHException, ValueError) as error:
        raise UsageError(f"{config_file()} cannot be used: {error}.", "Repair or simplify it.") from error
    values = {name: tuple(value if isinstance(value, list) else [value]) for name, value in found.items()}
    for name in _FILE_LISTS & values.keys():
        values[name] = tuple(" ".join(shlex.split(value)) for value in values[name])
    # paramiko has replaced the tokens: a percent sign that is left is one.
    plain = {name: tuple(value.replace("%", "%%") for value in given) for name, given in (_defaults() | values).items()}
    return HostConfig(plain)


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


def _defaults() -> dict[str, tuple[str, ...]]:
    home = Path.home()
    return {
        "userknownhostsfile": (" ".join(str(home / name) for name in _KNOWN_HOSTS),),
        "globalknownhostsfile": ("/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",),
        "identityfile": tuple(str(home / name) for name in _IDENTITIES),
    }


def _require_judged(line: str) -> None:
    word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
    if word.lower() != "match":
        return
    words = iter(shlex.split(rest))
    for criterion in words:
        name = criterion.lower().lstrip("!")
        if name not in _JUDGED:
            raise UsageError(
                f"{config_file()} has `{line.strip()}`, which only OpenSSH's client can judge.",
                "Install it on this machine (Debian, Ubuntu: `sudo apt install openssh-client`), or remove that block.",
            )
        if name not in _WITHOUT_VALUE:
            next(words, None)


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
