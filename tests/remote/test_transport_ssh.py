"""What is peculiar to SSH once it is connected: links that die, sessions that are taken."""

import contextlib
import logging
import os
import pwd
import re
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import psutil
import pytest

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.remote import ssh_process
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.ssh import ParamikoLink
from groupnl_deploy.remote.ssh_target import find
from groupnl_deploy.remote.ssh_transport import SshTransport

pytestmark = pytest.mark.sshd

_ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"


def test_the_socket_sends_at_once_and_notices_a_dead_link(sshd: Any) -> None:
    with contextlib.closing(ParamikoLink(find(sshd.device()))) as link:
        sock = link._transport.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000


def test_request_latency(sshd: Any, record_testsuite_property: Callable[[str, object], None]) -> None:
    """Measured and recorded, not judged: the machine that runs the tests may be busy."""
    with connect(sshd.device()) as transport:
        process = transport.spawn([sys.executable, "-c", _ECHO])
        for size_bytes in (100, 60_000):
            line, times_ms = b"x" * size_bytes, []
            for _ in range(100):
                started = time.perf_counter()
                process.send_line(line)
                assert process.read_line(60) == line
                times_ms.append((time.perf_counter() - started) * 1000)
            record_testsuite_property(f"p50_{size_bytes}_bytes_ms", statistics.median(times_ms))
            logging.getLogger(__name__).info("%d B: p50 %.3f ms", size_bytes, statistics.median(times_ms))


def _sessions(sshd: Any) -> set[int]:
    """The server's own processes, not the commands they run."""
    found = set()
    for child in psutil.Process(sshd.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # one of a test before may just be ending
            if child.name().startswith("sshd"):
                found.add(child.pid)
    return found


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # one may have ended with the other
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("verb", ["read_line", "run"])
def test_a_server_that_dies_is_noticed_at_once(sshd: Any, verb: str) -> None:
    before = _sessions(sshd)
    transport = connect(sshd.device())
    process = transport.spawn([sys.executable, "-c", _ECHO])
    process.send_line(b"ready")
    assert process.read_line(60) == b"ready"
    threading.Timer(0.3, _kill, (_sessions(sshd) - before,)).start()
    started = time.monotonic()
    with pytest.raises(DeviceUnreachable, match="was lost"):
        process.read_line(60) if verb == "read_line" else transport.run(["sleep", "60"])
    assert time.monotonic() - started < 20
    for use in (
        lambda: process.send_line(b"more"),
        lambda: transport.run(["true"]),
    ):
        with pytest.raises(DeviceUnreachable, match="was lost"):
            use()
    transport.close()


def test_a_server_whose_sessions_are_all_taken(sshd: Any) -> None:
    link = ParamikoLink(find(sshd.device()))
    with SshTransport(sshd.device(), link) as transport:
        taken = []
        for _ in range(3):
            with contextlib.suppress(paramiko.ChannelException):
                while True:
                    taken.append(link._transport.open_session())
            time.sleep(0.1)
        assert len(taken) == 50  # MaxSessions
        for use in (lambda: transport.run(["true"]), lambda: transport.spawn(["true"])):
            with pytest.raises(DeviceUnavailable, match="does not open another session") as caught:
                use()
            assert caught.value.transient
        for one in taken:
            one.close()
        assert transport.run(["echo", "again"]).stdout == b"again\n"


@pytest.fixture
def bashrc(sshd: Any) -> Iterator[Path]:
    """The start-up file of the board's login shell, to change."""
    if not pwd.getpwuid(os.getuid()).pw_shell.endswith("bash"):
        pytest.skip("the login shell of this user reads no .bashrc")
    file: Path = sshd.board_home / ".bashrc"
    kept = file.read_text()
    yield file
    file.write_text(kept)


def test_a_login_shell_that_runs_nothing(sshd: Any, bashrc: Path) -> None:
    bashrc.write_text("echo This account is not available.\nexit 1\n")
    refused = pytest.raises(DeviceUnreachable, match="ran no command and said: This account")
    with connect(sshd.device()) as transport, refused as caught:
        transport.run(["true"])
    assert not caught.value.transient


@pytest.mark.parametrize(
    "line",
    [
        "exec sh",
        *(
            pytest.param(line, marks=pytest.mark.slow)
            for line in ("read answer", "while :; do echo busy; sleep 0.2; done")
        ),
    ],
)
def test_a_start_up_file_that_keeps_the_command_from_starting(
    sshd: Any, bashrc: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shell is there for people, and reads what we send as commands."""
    bashrc.write_text(f"{line}\n")
    with monkeypatch.context() as patch:
        patch.setattr(ssh_process, "_START_TIMEOUT_S", 0.8)
        refused = pytest.raises(DeviceUnreachable, match="your login shell's start-up file keeps the command from")
        with connect(sshd.device()) as transport, refused as caught:
            transport.run(["true"])
    assert not caught.value.transient
    remedy = re.search("`(case .* esac)`", caught.value.remedy)
    assert remedy is not None
    bashrc.write_text(f"{remedy[1]}\n{line}\n")
    with connect(sshd.device()) as transport:
        assert transport.run(["true"]).exit_code == 0
