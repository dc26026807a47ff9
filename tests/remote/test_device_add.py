"""`groupnl device add` against a real OpenSSH server: what is asked, pinned, kept, and what nothing is kept of."""

import json
import os
import pty
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy.devices_file import devices_file
from groupnl_deploy.deploy.inventory import facts_of, get_device, load_groups
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.public_key import PublicKey

pytestmark = pytest.mark.sshd


def groupnl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def options(sshd, tmp_path: Path) -> list[object]:
    where = ("--host", f"{sshd.user}@{sshd.host}:{sshd.port}", "--identity", sshd.identity)
    return ["device", "add", "pi", *where, "--python", sys.executable, "--root", tmp_path / "root"]


@pytest.fixture
def host_key(sshd) -> PublicKey:
    return PublicKey.parse(sshd.host_key_line)


def test_a_key_that_known_hosts_has_is_taken_and_the_board_is_asked_what_it_is(sshd, tmp_path: Path) -> None:
    done = groupnl(*options(sshd, tmp_path), "--group", "lab", "--json")
    assert done.exit_code == 0, done.stderr
    assert "its host key is in known_hosts" in done.stderr and "groupnl device doctor pi" in done.stderr
    device, facts = get_device("pi"), facts_of("pi")
    assert (device.host, device.user, device.port) == (sshd.host, sshd.user, sshd.port)
    assert (device.transport, device.host_key, device.root) == ("auto", None, str(tmp_path / "root"))
    assert facts is not None and facts.bits == 64 and facts.disk_free_bytes and load_groups() == {"lab": ("pi",)}
    assert json.loads(done.stdout)["facts"]["python"] == facts.python
    listed = json.loads(groupnl("device", "list", "--json").stdout)
    assert listed["groups"] == {"lab": ["pi"]} and listed["devices"][1]["facts"]["machine"] == facts.machine
    shown = groupnl("device", "show", "pi").stdout
    assert facts.system in shown and "lab" in shown and sys.executable in shown


def test_an_unknown_key_needs_its_fingerprint_where_nobody_can_be_asked(sshd, tmp_path: Path, host_key) -> None:
    sshd.known_hosts.unlink()
    refused = groupnl(*options(sshd, tmp_path))
    assert refused.exit_code == 3 and f"--fingerprint {host_key.fingerprint}" in refused.stderr
    wrong = groupnl(*options(sshd, tmp_path), "--fingerprint", "SHA256:" + "A" * 43)
    assert wrong.exit_code == 3 and host_key.fingerprint in wrong.stderr
    assert not devices_file().exists() and not (tmp_path / "root").exists()
    done = groupnl(*options(sshd, tmp_path), "--fingerprint", host_key.fingerprint)
    assert done.exit_code == 0 and f"pinned ssh-ed25519 {host_key.fingerprint}" in done.stderr
    assert get_device("pi").host_key == str(host_key) and not sshd.known_hosts.exists()
    with connect(get_device("pi")) as transport:  # the pinned key is enough from here on
        assert transport.run(["true"]).exit_code == 0
    assert host_key.fingerprint in groupnl("device", "show", "pi").stdout


def test_on_a_terminal_the_key_is_shown_and_asked_about(sshd, tmp_path: Path, host_key) -> None:
    sshd.known_hosts.unlink()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "groupnl_deploy.cli.entry", *map(str, options(sshd, tmp_path))]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs, cwd=Path(__file__).parents[2]
    )
    os.close(theirs)
    os.write(ours, b"y\n")
    said = b"".join(iter(partial(_read, ours), b""))
    os.close(ours)
    assert child.wait() == 0, said
    text = " ".join(said.decode().split())
    assert host_key.fingerprint in text and "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in text
    assert get_device("pi").host_key == str(host_key)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # its other end is closed
        return b""


def test_a_board_that_is_off_is_added_only_unseen_and_that_is_said(sshd, tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound and not listening: it refuses, and nobody else takes it
        closed.bind(("127.0.0.1", 0))
        where = ["device", "add", "pi", "--host", "127.0.0.1", "--port", closed.getsockname()[1]]
        refused = groupnl(*where)
        assert refused.exit_code == 3 and "“pi” was not added. With --no-probe it is" in refused.stderr
        assert not devices_file().exists()
        done = groupnl(*where, "--no-probe")
    assert done.exit_code == 0 and "no host key was pinned" in done.stderr
    assert (get_device("pi").host_key, facts_of("pi")) == (None, None)
    both = groupnl("device", "add", "pi2", "--host", "h", "--no-probe", "--fingerprint", "SHA256:" + "A" * 43)
    assert both.exit_code == 2 and "--fingerprint would do nothing" in both.stderr


def test_a_board_without_the_python_that_was_named_is_not_added(sshd, tmp_path: Path) -> None:
    done = groupnl(*options(sshd, tmp_path), "--python", tmp_path / "none")
    assert done.exit_code == 3 and "There is no Python at" in done.stderr
    assert not devices_file().exists()


def test_groups_by_the_command_line(sshd) -> None:
    for name in ("pi", "pi2"):
        assert groupnl("device", "add", name, "--host", "h", "--no-probe").exit_code == 0
    assert "In lab: pi, pi2." in groupnl("device", "group", "lab", "pi", "pi2").stderr
    assert "In lab: pi." in groupnl("device", "group", "lab", "pi2", "--remove").stderr
    assert json.loads(groupnl("device", "group", "lab", "--remove", "--json").stdout)["devices"] == []
    assert load_groups() == {}
    assert groupnl("device", "group", "lab").exit_code == 2
    assert groupnl("device", "group", "lab", "pie").exit_code == 2
