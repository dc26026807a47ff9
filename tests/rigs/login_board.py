"""A real OpenSSH server that asks for other things at each of its ports, and a home whose ~/.ssh a test writes."""

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_login import log_in
from groupnl_deploy.remote.ssh_target import find
from tests.rigs.openssh_server import KEYS_ALONE, isolate_client, start_sshd

_SSHD_CONFIG = f"""\
{{ports}}
ListenAddress 127.0.0.1
HostKey {{folder}}/host_ed25519
HostKey {{folder}}/host_rsa
HostCertificate {{folder}}/host_ed25519-cert.pub
PidFile {{folder}}/sshd.pid
AuthorizedKeysFile {{folder}}/authorized_keys
TrustedUserCAKeys {{folder}}/signer.pub
{KEYS_ALONE}PermitRootLogin yes
SetEnv HOME={{folder}}
Match LocalPort {{second}}
  PasswordAuthentication yes
  AuthenticationMethods publickey,password
Match LocalPort {{two_keys}}
  AuthenticationMethods publickey,publickey
Match LocalPort {{passwords}}
  PubkeyAuthentication no
  PasswordAuthentication yes
"""
_PORTS = ("port", "second", "two_keys", "passwords")
_KEYS = ("host_ed25519", "stranger", "signer", "good", "locked", "certified", "confirmed")
_LET_IN = ("good", "locked", "confirmed")
_HOST = "Host board\n  HostName 127.0.0.1\n  Port {port}\n"


@dataclass(frozen=True)
class LoginBoard:
    """The server: its ports by what is asked there, and the folder of all keys.

    It knows `good`, `locked` and `confirmed`, and `certified` by its certificate, which `signer` made; `signer` also
    made a certificate of its Ed25519 host key.
    """

    folder: Path
    ports: dict[str, int]
    words: dict[str, str]
    """What names in braces stand for in `setup`: {port} and the like, {ed25519}, {rsa} and other keys, {folder}."""

    @property
    def ssh_folder(self) -> Path:
        """The client's ~/.ssh."""
        return self.folder / "home" / ".ssh"

    @property
    def user(self) -> str:
        """Who runs the tests, and whom the server lets in."""
        return pwd.getpwuid(os.getuid()).pw_name

    def setup(self, config: str, known_hosts: str = "[127.0.0.1]:{port} {ed25519}") -> None:
        """Write ~/.ssh: what is said of the host `board`, and what is known of it."""
        (self.ssh_folder / "config").write_text((_HOST + config).format(**self.words) + "\n")
        (self.ssh_folder / "known_hosts").write_text(known_hosts.format(**self.words) + "\n")

    def device(self, **changes: Any) -> Device:
        """The host `board`."""
        return Device("board", "ssh", host="board", **changes)

    def refusal(self, device: Device) -> DeviceUnreachable | None:
        """What groupnl says instead of connecting, if so."""
        try:
            log_in(find(device)).close()
        except DeviceUnreachable as error:
            return error
        return None

    def ssh_connects(self, *options: str) -> bool:
        """Whether OpenSSH's client connects to the host `board`."""
        command = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", *options, "board", "true"]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


@contextlib.contextmanager
def a_login_board(folder: Path, program: str, make_key: Callable[..., Path]) -> Iterator[LoginBoard]:
    """The server runs while the block does."""
    keys = _make_keys(folder, make_key)
    (folder / "authorized_keys").write_text("".join(f"{keys[name]}\n" for name in _LET_IN))

    def config(ports: Sequence[int]) -> str:
        lines = "\n".join(f"Port {port}" for port in ports)
        return _SSHD_CONFIG.format(ports=lines, folder=folder, **dict(zip(_PORTS, ports, strict=True)))

    (folder / "home").mkdir()
    isolate_client(folder, folder / "home")
    child, taken = start_sshd(program, folder, config, len(_PORTS))
    ports = dict(zip(_PORTS, taken, strict=True))
    words = {name: str(port) for name, port in ports.items()} | keys | {"folder": str(folder)}
    board = LoginBoard(folder, ports, words)
    try:
        yield board
    finally:
        child.terminate()
        child.wait(10)


@contextlib.contextmanager
def an_agent(folder: Path) -> Iterator[Path]:
    """The socket of an agent without keys, in whose name nobody confirms anything."""
    path = folder / "agent"
    environment = os.environ | {"SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
    child = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, env=environment)
    try:
        while not path.exists():
            time.sleep(0.01)
        yield path
    finally:
        child.terminate()
        child.wait(5)


def add_to_agent(agent: Path, *words: object) -> None:
    """`ssh-add`, with its options and files."""
    command = ["ssh-add", "-q", *map(str, words)]
    subprocess.run(command, check=True, env=os.environ | {"SSH_AUTH_SOCK": str(agent)}, capture_output=True)


def encrypt_key(file: Path) -> None:
    """From now on the file is of no use without an agent."""
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(file)]
    subprocess.run(command, check=True, capture_output=True)


def _make_keys(folder: Path, make_key: Callable[..., Path]) -> dict[str, str]:
    files = [*(make_key(folder / name) for name in _KEYS), make_key(folder / "host_rsa", kind="rsa")]
    public = {file.name.removeprefix("host_"): file.with_name(f"{file.name}.pub").read_text() for file in files}
    for kind, name, who in (("-h", "host_ed25519", "127.0.0.1"), ("", "certified", pwd.getpwuid(os.getuid()).pw_name)):
        sign = ["ssh-keygen", "-q", "-s", str(folder / "signer"), "-I", "test", *kind.split(), "-n", who]
        subprocess.run([*sign, str(folder / f"{name}.pub")], check=True, capture_output=True)
    shutil.copy(folder / "certified", folder / "moved")  # without the certificate beside it
    return {name: " ".join(text.split()[:2]) for name, text in public.items()}
