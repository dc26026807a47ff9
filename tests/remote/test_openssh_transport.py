"""The transport `openssh`: what is peculiar to OpenSSH's own client. What it shares stands in the contract's tests."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable, UsageError
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.public_key import PublicKey
from tests.rigs.login_board import LoginBoard as Board
from tests.rigs.openssh_server import free_ports

pytestmark = pytest.mark.sshd

_KEY = "  IdentityFile {folder}/good\n  IdentitiesOnly yes\n"
_AUTHORITY = "@cert-authority [127.0.0.1]:* {signer}"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client's private folders are made; nothing may be left in it."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(folder))
    return folder


def _device(word: str = "openssh", **changes: Any) -> Device:
    return Device("board", word, host="board", **changes)  # type: ignore[arg-type]


def _refusal(device: Device) -> DeviceUnreachable:
    with pytest.raises(DeviceUnreachable) as caught:
        connect(device).close()
    return caught.value


@pytest.mark.parametrize(
    ("known_hosts", "words"),
    [
        ("", "in no known_hosts file: ssh-ed25519 SHA256:"),
        ("[127.0.0.1]:{port} {stranger}", "HAS CHANGED: known_hosts has ssh-ed25519 SHA256:"),
        ("@revoked * {ed25519}\n[127.0.0.1]:{port} {ed25519}", "IS REVOKED"),
    ],
)
def test_a_host_key_that_is_not_the_known_one_is_refused(
    board: Board, known_hosts: str, words: str, temporary: Path
) -> None:
    board.setup(_KEY, known_hosts)
    error = _refusal(_device())
    assert words in error.message and not error.transient
    assert PublicKey.parse(board.words["ed25519"]).fingerprint in error.message
    assert not list(temporary.iterdir())


def test_a_pinned_key_is_the_only_one(board: Board) -> None:
    board.setup(_KEY, "")
    with connect(_device(host_key=board.words["ed25519"])) as transport:
        assert transport.run(["echo", "in"]).stdout == b"in\n"
    board.setup(_KEY)  # known_hosts has it, and that is not asked
    error = _refusal(_device(host_key=board.words["stranger"]))
    assert "HAS CHANGED: pinned is" in error.message and "groupnl device remove" in error.remedy


@pytest.mark.parametrize(
    ("config", "port", "words"),
    [
        ("  IdentityFile {folder}/stranger\n  IdentitiesOnly yes", "port", "accepts none of the keys tried"),
        (_KEY, "second", "accepts your key and then still wants a password"),
        (_KEY, "passwords", "lets nobody in by a key"),
    ],
)
def test_who_is_not_let_in_is_told_why(board: Board, config: str, port: str, words: str) -> None:
    board.setup(config, f"* {board.words['ed25519']}")
    error = _refusal(_device(port=board.ports[port]))
    assert words in error.message and not error.transient


def test_too_many_keys(board: Board, full_agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(full_agent))
    board.setup("")
    assert "too many keys were offered" in _refusal(_device()).message


def test_a_key_that_is_not_there(board: Board) -> None:
    board.setup("")
    assert "does not exist" in _refusal(_device(identity="/no/such/key")).message


def test_nobody_listens(board: Board) -> None:
    board.setup(_KEY)
    error = _refusal(_device(port=free_ports(1)[0]))
    assert "no SSH server listens there" in error.message and error.transient


def test_a_name_that_nobody_knows(board: Board) -> None:
    board.setup(_KEY)
    error = _refusal(Device("board", "openssh", host="no-such-host.invalid"))
    assert "cannot be resolved" in error.message


def test_a_proxy_that_fails_is_told_in_its_words(board: Board) -> None:
    board.setup(f"{_KEY}  ProxyCommand sh -c 'echo the tunnel is closed >&2; exit 1'")
    error = _refusal(_device())
    assert "OpenSSH's client does not connect" in error.message and "`ssh " in error.remedy


def test_it_is_taken_by_itself_where_paramiko_lacks_something(board: Board) -> None:
    board.setup(_KEY, _AUTHORITY)
    said: list[str] = []
    with connect(_device("auto"), said.append) as transport:
        assert transport.run(["echo", "in"]).stdout == b"in\n"
    assert said == [
        "board is reached by OpenSSH's client, as its configuration asks for a certificate authority in known_hosts "
        "(@cert-authority)."
    ]


def test_it_is_not_taken_where_paramiko_will_do(board: Board) -> None:
    board.setup(_KEY)
    said: list[str] = []
    with connect(_device("auto"), said.append) as transport:
        assert transport.run(["echo", "in"]).stdout == b"in\n"
    assert not said


def test_without_a_client_it_says_which_package_to_install(
    board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no OpenSSH client") as caught:
        connect(Device("board", "openssh", host="127.0.0.1", port=board.ports["port"]))
    assert "sudo apt install openssh-client" in caught.value.remedy


def test_a_server_that_gives_no_more_sessions(board: Board) -> None:
    board.setup(_KEY)
    with connect(_device()) as transport:
        for _ in range(10):  # MaxSessions
            transport.spawn(["cat"])
        with pytest.raises(DeviceUnavailable, match="does not open another session") as caught:
            transport.run(["true"])
        assert caught.value.transient


@pytest.mark.parametrize("verb", ["read_line", pytest.param("run", marks=pytest.mark.slow)])
def test_a_client_that_dies_is_noticed_at_once(sshd: Any, verb: str, temporary: Path) -> None:
    with connect(sshd.device(transport="openssh")) as transport:
        process = transport.spawn(["cat"])
        process.send_line(b"ready")
        assert process.read_line(10) == b"ready"
        for client in _clients(os.getpid()):
            client.kill()
        with pytest.raises(DeviceUnreachable, match="was lost"):
            process.read_line(30) if verb == "read_line" else transport.run(["sleep", "6"])
        with pytest.raises(DeviceUnreachable, match="was lost"):
            transport.run(["true"])
    assert not list(temporary.iterdir())


def test_a_command_that_ends_with_255_is_no_lost_link(sshd: Any) -> None:
    with connect(sshd.device(transport="openssh")) as transport:
        assert transport.run(["sh", "-c", "exit 255"]).exit_code == 255
        assert transport.run(["echo", "on"]).stdout == b"on\n"


_HOLD = """
import sys
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
host, port, user, identity = sys.argv[1:]
transport = connect(Device("board", "openssh", host=host, port=int(port), user=user, identity=identity))
process = transport.spawn(["sh", "-c", "echo $$; cat"])
print(process.read_line(20).decode(), flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_when_the_host_is_killed(sshd: Any) -> None:
    device = sshd.device()
    words = [sys.executable, "-c", _HOLD, device.host, str(device.port), device.user, device.identity]
    host = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert host.stdin and host.stdout
    command = int(host.stdout.readline())
    clients = _clients(host.pid)
    assert clients and psutil.pid_exists(command)
    words = clients[0].cmdline()
    folder = Path(words[words.index("-S") + 1]).parent
    assert folder.is_dir()
    host.send_signal(signal.SIGKILL)
    host.wait()
    deadline = time.monotonic() + 60
    while (psutil.pid_exists(command) or any(one.is_running() for one in clients)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(command)
    assert not [one for one in clients if one.is_running()]
    host.stdin.close()
    host.stdout.close()
    connect(sshd.device(transport="openssh")).close()
    assert not folder.exists(), "the next connection removes what a killed process left"


def _clients(pid: int) -> list[psutil.Process]:
    return [one for one in psutil.Process(pid).children(recursive=True) if one.name() == "ssh"]
