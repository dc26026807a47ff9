"""What every transport promises, checked against real processes and a real SSH server."""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.interrupt import interrupt_thread, interrupting_threads
from groupnl_deploy.remote import local
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_process import SshProcess
from groupnl_deploy.remote.transport import Process, Transport

pytestmark = pytest.mark.alone

_ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
# Tells its own PID and that of a child it starts.
_IGNORES_STDIN = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
    "print(os.getpid(), child.pid, flush=True)\ntime.sleep(300)"
)


_SSH = [pytest.param(word, marks=pytest.mark.sshd) for word in ("ssh", "openssh")]


@pytest.fixture(params=["local", *_SSH])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    if request.param == "local":
        return Device("local", "local", python=sys.executable, root=str(tmp_path / "device root"))
    sshd = request.getfixturevalue("sshd")
    return sshd.device(transport=request.param, root=str(tmp_path / "device root"))


@pytest.fixture
def transport(device: Device) -> Iterator[Transport]:
    with connect(device) as opened:
        yield opened


@pytest.fixture
def python(transport: Transport) -> Callable[[str], list[str]]:
    return lambda code: [transport.python, "-c", code]


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _ends(pid: int, within_s: float = 60.0) -> bool:
    deadline = time.monotonic() + within_s
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _is_running(pid)


def _read(process: Process) -> bytes:
    line = process.read_line(60)
    assert line is not None, process.stderr_tail()
    return line


def test_exit_code_and_stderr_are_kept(transport: Transport, python: Callable[[str], list[str]]) -> None:
    done = transport.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", "err\n")


def test_a_missing_program_is_127(transport: Transport) -> None:
    done = transport.run(["/no/such/python", "-c", "pass"])
    assert done.exit_code == 127
    assert "/no/such/python: not found" in done.stderr


def test_a_file_that_is_no_program_is_126(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "not-executable").write_bytes(b"data")
    assert transport.run([str(tmp_path / "not-executable")]).exit_code == 126


def test_a_killed_program_is_128_and_the_signal(transport: Transport, python: Callable[[str], list[str]]) -> None:
    assert transport.run(python("import os; os.kill(os.getpid(), 9)")).exit_code == 137


def test_arguments_arrive_literally(transport: Transport, python: Callable[[str], list[str]]) -> None:
    arguments = ["a b", "it's", '"', "$(id)", "`id`", "$HOME", "two\nlines", "*", "", "\\", "-n", "ü", "!x"]
    code = "import sys; sys.stdout.buffer.write('\\0'.join(sys.argv[1:]).encode())"
    done = transport.run([*python(code), *arguments])
    assert done.stdout.decode().split("\0") == arguments


def test_nothing_is_on_the_stdin_of_a_run(transport: Transport, python: Callable[[str], list[str]]) -> None:
    assert transport.run(python("import sys; print(repr(sys.stdin.read()))")).stdout == b"''\n"


def test_much_output_on_both_streams_does_not_lock(transport: Transport, python: Callable[[str], list[str]]) -> None:
    code = "import sys\nfor _ in range(64): sys.stderr.write('e' * 65536); sys.stdout.write('o' * 65536)"
    done = transport.run(python(code))
    assert (len(done.stdout), len(done.stderr)) == (4_194_304, 4_194_304)


def test_a_command_runs_in_the_users_home(transport: Transport, python: Callable[[str], list[str]]) -> None:
    done = transport.run(
        python("import os, pwd; print(os.getcwd() in (pwd.getpwuid(os.getuid())[5], os.environ['HOME']))")
    )
    assert done.stdout == b"True\n"


def test_a_time_out_raises_and_the_process_is_gone(
    transport: Transport, python: Callable[[str], list[str]], tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    for timeout_s in (1.5, 10.0, 60.0):  # until it had begun by then
        with pytest.raises(DeviceUnavailable, match=f"did not finish within {timeout_s:g} s"):
            transport.run(python(code), timeout_s=timeout_s)
        if pid.exists() and pid.read_text():
            break
    assert _ends(int(pid.read_text()))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stopped has a minute to end by itself, as a busy machine may hold it up."""
    monkeypatch.setattr(local, "STOP_GRACE_S", 60.0)
    monkeypatch.setattr(SshProcess.stop, "__defaults__", (60.0,))


@pytest.mark.usefixtures("unhurried")
def test_lines_are_answered(transport: Transport, python: Callable[[str], list[str]]) -> None:
    process = transport.spawn(python(_ECHO))
    for line in (b"short", b"", b"x" * 400_000, b"after"):
        process.send_line(line)
        assert _read(process) == line
    process.stop()
    assert process.exit_code(60) == 0


def test_bytes_arrive_as_they_are(transport: Transport, python: Callable[[str], list[str]]) -> None:
    data = os.urandom(3_000_000) + bytes(range(256)) * 4
    code = (
        "import hashlib, sys\n"
        f"print(hashlib.sha256(sys.stdin.buffer.read({len(data)})).hexdigest(), flush=True)\n"
        "sys.stdin.buffer.readline()\nprint('end', flush=True)"
    )
    process = transport.spawn(python(code))
    for start in range(0, len(data), 700_000):
        process.send(data[start : start + 700_000])
    assert _read(process).decode() == hashlib.sha256(data).hexdigest()
    process.send_line(b"")
    assert _read(process) == b"end"
    process.stop()


def test_bytes_that_are_not_taken_in_time_are_said_so(transport: Transport, python: Callable[[str], list[str]]) -> None:
    process = transport.spawn(python("import time; time.sleep(300)"))
    with pytest.raises(DeviceUnavailable, match=r"did not read its request within 0\.5 s"):
        process.send(bytes(30_000_000), timeout_s=0.5)


@pytest.mark.parametrize("wait", ["send", "read"])
def test_a_thread_that_waits_for_a_process_meets_ctrl_c(
    transport: Transport, python: Callable[[str], list[str]], wait: str
) -> None:
    """As one of several devices' does: long before what it waits for is late."""
    code = "import time; time.sleep(300)" if wait == "send" else "import sys; sys.stdin.read()"
    process, begun, met = transport.spawn(python(code)), threading.Event(), threading.Event()

    def work() -> None:
        try:
            begun.set()
            process.send(bytes(30_000_000), timeout_s=200.0) if wait == "send" else process.read_line(200.0)
        except KeyboardInterrupt:
            met.set()

    thread = threading.Thread(target=work, daemon=True)
    with interrupting_threads():
        thread.start()
        assert begun.wait(60)
        time.sleep(0.3)  # most of the time it waits by now; before that, it meets it all the same
        interrupt_thread(thread)
        assert met.wait(60)


def test_bytes_that_are_not_taken_in_time_are_waited_with_where_that_is_wanted(
    transport: Transport, python: Callable[[str], list[str]], tmp_path: Path
) -> None:
    """Nothing is taken until the host has been asked whether it goes on."""
    size_bytes, asked = 12_000_000, tmp_path / "asked"
    code = (
        "import os, sys, time\nprint('ready', flush=True)\nsys.stdin.buffer.read(1)\n"
        f"while not os.path.exists({str(asked)!r}): time.sleep(0.02)\n"
        f"print(len(sys.stdin.buffer.read({size_bytes - 1})), flush=True)"
    )

    def go_on() -> bool:
        asked.touch()
        return True

    process = transport.spawn(python(code))
    assert _read(process) == b"ready"
    process.send(bytes(size_bytes), timeout_s=0.1, go_on=go_on)
    assert asked.exists() and int(_read(process)) == size_bytes - 1


def test_a_line_that_is_there_is_told_of_and_none_is_waited_for(
    transport: Transport, python: Callable[[str], list[str]]
) -> None:
    process = transport.spawn(python(_ECHO))
    assert not process.has_line()
    process.send(b"half a line")
    time.sleep(0.3)
    assert not process.has_line()
    process.send(b" and the rest\nmore\n")
    while not process.has_line():
        time.sleep(0.01)
    assert process.read_line(0) == b"half a line and the rest"
    assert _read(process) == b"more"
    assert not process.has_line()
    process.stop()
    assert process.has_line() and process.read_line(0) is None


def test_a_silent_process_times_out_and_can_go_on(transport: Transport, python: Callable[[str], list[str]]) -> None:
    process = transport.spawn(python(_ECHO))
    process.send_line(b"ready")
    assert _read(process) == b"ready"
    with pytest.raises(DeviceUnavailable, match=r"sent nothing for 0\.2 s"):
        process.read_line(0.2)
    process.send_line(b"again")
    assert _read(process) == b"again"
    process.stop()


def test_a_process_that_ends(transport: Transport, python: Callable[[str], list[str]]) -> None:
    code = (
        "import sys; print('last'); sys.stdout.write('unfinished'); sys.stderr.write('x' * 20000 + 'why'); sys.exit(4)"
    )
    process = transport.spawn(python(code))
    assert _read(process) == b"last"
    assert process.read_line(60) is None
    assert process.read_line(60) is None
    assert process.exit_code(60) == 4
    assert len(process.stderr_tail()) == 8192
    assert process.stderr_tail().endswith("xwhy")
    with pytest.raises(DeviceUnreachable, match="has ended") as caught:
        for _ in range(100):
            process.send_line(b"more")
            time.sleep(0.02)
    assert not caught.value.transient
    process.stop()


def test_a_spawned_program_that_is_missing(transport: Transport) -> None:
    process = transport.spawn(["/no/such/python"])
    assert process.read_line(60) is None
    assert process.exit_code(60) == 127
    assert "not found" in process.stderr_tail()
    process.stop()


def test_stop_kills_what_ignores_the_end_of_stdin_and_its_children(
    transport: Transport, python: Callable[[str], list[str]]
) -> None:
    process = transport.spawn(python(_IGNORES_STDIN))
    pid, child = map(int, _read(process).split())
    assert process.exit_code(0) is None
    started = time.monotonic()
    process.stop()
    assert time.monotonic() - started < 200, "it waited for the 300 s that this sleeps"
    assert _ends(pid)
    assert _ends(child)
    process.stop()
    assert process.read_line(1) is None
    with pytest.raises(DeviceUnreachable, match="stopped") as caught:
        process.send_line(b"too late")
    assert not caught.value.transient


def test_close_stops_what_was_spawned(device: Device) -> None:
    transport = connect(device)
    process = transport.spawn([transport.python, "-c", _IGNORES_STDIN])
    pid, child = map(int, _read(process).split())
    transport.close()
    assert _ends(pid)
    assert _ends(child)
    transport.close()
    process.stop()


def test_a_clean_close_after_a_failure(device: Device) -> None:
    with pytest.raises(DeviceUnreachable), connect(device) as transport:
        transport.run([transport.python, "-c", "import time; time.sleep(300)"], timeout_s=0.3)
    with connect(device) as transport:
        assert transport.run([transport.python, "-c", "print(1)"]).stdout == b"1\n"


def test_it_says_whose_it_is(transport: Transport, device: Device) -> None:
    assert (transport.name, transport.python, transport.root) == (device.name, sys.executable, device.root)
