"""What is peculiar to SSH once it is connected: links that die, sessions that are taken, disks that are full."""

import contextlib
import logging
import os
import pwd
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import psutil
import pytest

from groupnl_deploy.errors import DeviceFault, DeviceUnavailable, DeviceUnreachable, DiskFull
from groupnl_deploy.remote import ssh_process
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.ssh import SshTransport
from groupnl_deploy.remote.transfer import Part
from groupnl_deploy.workspace import file_sha256

pytestmark = pytest.mark.sshd

_ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"


def test_a_relative_root_is_below_the_users_home(sshd: Any) -> None:
    for root in (".groupnl", "~/.groupnl"):
        with connect(sshd.device(root=root)) as transport:
            assert transport.path("a") == f"{sshd.board_home}/.groupnl/a"


def test_the_socket_sends_at_once_and_notices_a_dead_link(sshd: Any) -> None:
    with SshTransport(sshd.device()) as transport:
        sock = transport._link.transport.sock
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
                assert process.read_line(10) == line
                times_ms.append((time.perf_counter() - started) * 1000)
            record_testsuite_property(f"p50_{size_bytes}_bytes_ms", statistics.median(times_ms))
            logging.getLogger(__name__).info("%d B: p50 %.3f ms", size_bytes, statistics.median(times_ms))


def _sessions(sshd: Any) -> set[int]:
    """The server's own processes, not the commands they run."""
    children = psutil.Process(sshd.pid).children(recursive=True)
    return {child.pid for child in children if child.name().startswith("sshd")}


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
    assert process.read_line(10) == b"ready"
    threading.Timer(0.3, _kill, (_sessions(sshd) - before,)).start()
    started = time.monotonic()
    with pytest.raises(DeviceUnreachable, match="was lost"):
        process.read_line(30) if verb == "read_line" else transport.run(["sleep", "6"])
    assert time.monotonic() - started < 3
    for use in (
        lambda: process.send_line(b"more"),
        lambda: transport.put(b"data", "file"),
        lambda: transport.read("file"),
        lambda: transport.run(["true"]),
    ):
        with pytest.raises(DeviceUnreachable, match="was lost"):
            use()
    transport.close()


def test_an_upload_outlives_the_server_that_died_in_it(sshd: Any, tmp_path: Path) -> None:
    device, source, before = sshd.device(), tmp_path / "model.bin", _sessions(sshd)
    source.write_bytes(os.urandom(20_000_000))
    with connect(device) as transport:

        def die(across_bytes: int) -> None:
            if across_bytes > 5_000_000:
                _kill(_sessions(sshd) - before)

        with pytest.raises(DeviceUnavailable, match="was lost") as caught:
            transport.put(source, "model.bin", die, Part("part"))
        assert caught.value.transient
    with connect(device) as transport:
        offset_bytes = transport.size_bytes("part")
        assert offset_bytes is not None and 0 < offset_bytes < 20_000_000
        sha256 = transport.put(source, "model.bin", part=Part("part", offset_bytes))
        assert Path(transport.path("model.bin")).read_bytes() == source.read_bytes()
        assert sha256 == file_sha256(source)


def test_a_download_from_a_server_that_dies_leaves_nothing(sshd: Any, tmp_path: Path) -> None:
    before = _sessions(sshd)
    with connect(sshd.device()) as transport:
        transport.put(bytes(20_000_000), "model.bin")
        with pytest.raises(DeviceUnavailable, match="was lost"):
            transport.get("model.bin", tmp_path / "back" / "model.bin", lambda _: _kill(_sessions(sshd) - before))
    assert list((tmp_path / "back").iterdir()) == []


def test_a_file_that_becomes_shorter_while_it_is_read(sshd: Any, tmp_path: Path) -> None:
    with connect(sshd.device()) as transport:
        transport.put(bytes(20_000_000), "file")

        def shorten(across_bytes: int) -> None:
            os.truncate(transport.path("file"), 5_000_000)

        with pytest.raises(DeviceFault, match=r"read .*it became shorter"):
            transport.get("file", tmp_path / "file", shorten)
        assert not (tmp_path / "file").exists()
        assert transport.size_bytes("file") == 5_000_000


def test_a_server_whose_sessions_are_all_taken(sshd: Any) -> None:
    with SshTransport(sshd.device()) as transport:
        transport._drop_sftp()  # its own session is taken, too, once the server has closed it
        taken = []
        for _ in range(3):
            with contextlib.suppress(paramiko.ChannelException):
                while True:
                    taken.append(transport._link.transport.open_session())
            time.sleep(0.1)
        assert len(taken) == 50  # MaxSessions
        for use in (lambda: transport.run(["true"]), lambda: transport.size_bytes("file")):
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


@pytest.mark.parametrize("line", ["exec sh", "read answer", "while :; do echo busy; sleep 0.2; done"])
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this root may not mount: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
def test_a_full_disk_says_how_much_is_needed_and_free(sshd: Any, small_disk: Path) -> None:
    with connect(sshd.device(root=str(small_disk / "root"))) as transport:
        transport.put(bytes(300_000), "fits")
        with pytest.raises(DiskFull, match=r"2\.0 MB are needed .* kB are free") as caught:
            transport.put(bytes(2_000_000), "folder/file")
        assert not caught.value.transient
        assert transport.read("folder/file") is None
        assert list((small_disk / "root" / "folder").iterdir()) == []
        transport.put(bytes(300_000), "fits-again")
        with pytest.raises(DiskFull, match="are needed"):
            transport.put(bytes(2_000_000), "folder/file", part=Part("a part"))
        assert transport.size_bytes("folder/file") is None
        assert transport.size_bytes("a part")
