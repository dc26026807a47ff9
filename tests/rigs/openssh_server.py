"""A real OpenSSH server on loopback ports, and a client that reads a test's files in place of its user's."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

KEYS_ALONE = """\
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
MaxStartups 100:30:200
"""
"""The part that the servers' configurations share: who has a key is let in, wherever its file lies, and often."""

_ISOLATED_CONFIG = """\
Include {home}/.ssh/config
Host *
  UserKnownHostsFile {home}/.ssh/known_hosts
  GlobalKnownHostsFile none
  IdentityFile {home}/.ssh/id_rsa
  IdentityFile {home}/.ssh/id_ecdsa
  IdentityFile {home}/.ssh/id_ed25519
"""


def find_sshd() -> str | None:
    """The server's program, where it and `ssh-keygen` are installed."""
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which("sshd", path=os.pathsep.join(places)) if shutil.which("ssh-keygen") else None


def start_sshd(
    program: str,
    folder: Path,
    config: Callable[[Sequence[int]], str],
    ports: int = 1,
    address: str = "127.0.0.1",
    within: Sequence[str] = (),
) -> tuple["subprocess.Popen[bytes]", list[int]]:
    """A server on so many free ports, with the configuration that `config` makes of them; its log is `sshd.log`.

    `within` is the command that runs it elsewhere, such as in a network namespace, where it has another address.
    """
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd separates its privileges; only root needs it
    for _ in range(5):  # another program may take a free port first
        taken = free_ports(ports)
        (folder / "sshd_config").write_text(config(taken))
        command = [*within, program, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
        child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if all(_listens(child, address, port) for port in taken):
            return child, taken
    raise RuntimeError("sshd does not start:\n" + (folder / "sshd.log").read_text())


def isolate_client(folder: Path, home: Path) -> Path:
    """A folder with an `ssh` that takes the configuration of `home` for its user's.

    OpenSSH's client looks for a home in the list of users, whatever $HOME is.
    """
    (folder / "ssh_config").write_text(_ISOLATED_CONFIG.format(home=home))
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder / "ssh_config"} "$@"\n')
    program.chmod(0o755)
    return program.parent


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has just now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _listens(child: "subprocess.Popen[bytes]", address: str, port: int) -> bool:
    for _ in range(200):
        if child.poll() is not None:
            return False
        try:
            socket.create_connection((address, port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.025)
    child.kill()
    return False
