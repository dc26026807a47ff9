"""What every transport promises, checked against real processes, real files and a real SSH server."""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from groupnl_deploy.errors import DeviceFault, DeviceUnavailable, DeviceUnreachable, UsageError, VerificationFailed
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.transfer import Part
from groupnl_deploy.remote.transport import READ_LIMIT_BYTES, Process, Transport

pytestmark = pytest.mark.alone

_ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
# Tells its own PID and that of a child it starts.
_IGNORES_STDIN = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
    "print(os.getpid(), child.pid, flush=True)\ntime.sleep(300)"
)


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.sshd)])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    if request.param == "local":
        return Device("local", "local", python=sys.executable, root=str(tmp_path / "device root"))
    sshd = request.getfixturevalue("sshd")
    return sshd.device(root=str(tmp_path / "device root"))


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


def _ends(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _is_running(pid)


def _names(folder: str) -> list[str]:
    return sorted(file.name for file in Path(folder).iterdir())


def _read(process: Process) -> bytes:
    line = process.read_line(20)
    assert line is not None, process.stderr_tail()
    return line


@pytest.fixture(params=[0, 1, 5_000_000])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file on this machine: empty, of one byte, of many pieces."""
    path = tmp_path / "host" / "model.bin"
    path.parent.mkdir()
    path.write_bytes(os.urandom(request.param))
    return path


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_comes_back_as_it_went(transport: Transport, file: Path, tmp_path: Path) -> None:
    sent: list[int] = []
    fetched: list[int] = []
    data, back = file.read_bytes(), tmp_path / "fetched" / "model.bin"
    assert transport.put(file, "artifacts/a b/model.bin", sent.append) == _sha256(data)
    assert Path(transport.path("artifacts/a b/model.bin")).read_bytes() == data
    assert transport.get("artifacts/a b/model.bin", back, fetched.append) == _sha256(data)
    assert back.read_bytes() == data
    assert _names(str(back.parent)) == ["model.bin"]
    for told in (sent, fetched):
        assert told == sorted(set(told))
        assert told[-1:] == ([len(data)] if data else [])
    if len(data) > 1:
        assert len(sent) > 10 and len(fetched) > 10


def test_bytes_in_memory_are_put_and_read(transport: Transport, file: Path) -> None:
    data = file.read_bytes()
    assert transport.put(data, "folder/file") == _sha256(data)
    assert transport.read("folder/file") == data
    assert transport.size_bytes("folder/file") == len(data)


def test_what_is_no_file_has_no_bytes(transport: Transport, tmp_path: Path) -> None:
    transport.put(b"data", "folder/file")
    for missing in ("nowhere/file", "folder", "folder/file/below-a-file"):
        assert transport.size_bytes(missing) is None
        assert transport.read(missing) is None
        assert transport.get(missing, tmp_path / "fetched") is None
    assert not (tmp_path / "fetched").exists()


def test_a_large_file_is_not_read_into_memory(transport: Transport) -> None:
    transport.put(b"", "large")
    os.truncate(transport.path("large"), READ_LIMIT_BYTES + 1)
    with pytest.raises(DeviceFault, match=r"16\.0 MB are read"):
        transport.read("large")


def test_an_upload_goes_on_where_it_was_interrupted(transport: Transport, tmp_path: Path) -> None:
    data, source = os.urandom(5_000_000), tmp_path / "model.bin"
    source.write_bytes(data)

    def interrupt(across_bytes: int) -> None:
        if across_bytes > 3_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transport.put(source, "final/model.bin", interrupt, Part("parts/model.bin"))
    assert transport.size_bytes("final/model.bin") is None
    offset_bytes = transport.size_bytes("parts/model.bin")
    assert offset_bytes is not None and 0 < offset_bytes < len(data)
    assert Path(transport.path("parts/model.bin")).read_bytes()[:offset_bytes] == data[:offset_bytes]

    told: list[int] = []
    sha256 = transport.put(source, "final/model.bin", told.append, Part("parts/model.bin", offset_bytes))
    assert sha256 == _sha256(data)
    assert transport.read("final/model.bin") == data
    assert told == sorted(set(told)) and told[0] > offset_bytes and told[-1] == len(data)
    assert _names(transport.path("parts")) == []


def test_what_lies_behind_the_offset_of_a_part_is_cut_off(transport: Transport) -> None:
    transport.put(b"0123 and more than the file has", "part")
    assert transport.put(b"0123456789", "file", part=Part("part", 4)) == _sha256(b"0123456789")
    assert transport.read("file") == b"0123456789"


def test_a_part_of_a_file_that_changed_meanwhile_is_refused_and_stays(transport: Transport) -> None:
    transport.put(b"0123", "part")
    with pytest.raises(VerificationFailed, match="does not begin as the data does") as caught:
        transport.put(b"0124 6789", "file", part=Part("part", 4))
    assert not caught.value.transient
    assert transport.read("file") is None and transport.read("part") == b"0123"
    assert transport.put(b"0124 6789", "file", part=Part("part")) == _sha256(b"0124 6789")  # as the remedy says


def test_a_part_shorter_than_its_offset_is_refused_and_stays(transport: Transport) -> None:
    transport.put(b"0123", "part")
    with pytest.raises(DeviceFault, match="its part has 4 bytes, too few to go on from 5"):
        transport.put(b"0123456789", "file", part=Part("part", 5))
    with pytest.raises(DeviceFault, match="write"):
        transport.put(b"0123456789", "file", part=Part("missing", 5))
    with pytest.raises(VerificationFailed, match="shorter than the 5 bytes that were sent of it"):
        transport.put(b"0123", "file", part=Part("part", 5))
    assert transport.read("part") == b"0123"
    assert _names(str(Path(transport.path("part")).parent)) == ["part"]


def test_a_source_that_cannot_be_read_is_the_users_mistake(transport: Transport, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing cannot be read: no such file"):
        transport.put(tmp_path / "missing", "file")
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        transport.put(tmp_path, "file")
    assert transport.size_bytes("file") is None


def test_a_get_that_fails_half_way_leaves_the_target_as_it_was(transport: Transport, tmp_path: Path) -> None:
    def interrupt(across_bytes: int) -> None:
        raise KeyboardInterrupt

    transport.put(bytes(2_000_000), "file")
    target = tmp_path / "fetched" / "file"
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        transport.get("file", target, interrupt)
    assert target.read_bytes() == b"old"
    assert _names(str(target.parent)) == ["file"]
    assert transport.get("file", target) == _sha256(bytes(2_000_000))


def test_a_target_that_cannot_be_written_is_said_so(transport: Transport, tmp_path: Path) -> None:
    transport.put(b"data", "file")
    (tmp_path / "a file").write_bytes(b"")
    with pytest.raises(UsageError, match="a file"):
        transport.get("file", tmp_path / "a file" / "below it")
    assert transport.read("file") == b"data"


def test_put_replaces_the_file_and_leaves_nothing_beside_it(transport: Transport) -> None:
    transport.put(b"old", "folder/file")
    transport.put(b"new", "folder/file")
    assert transport.read("folder/file") == b"new"
    assert _names(transport.path("folder")) == ["file"]


def test_the_root_is_closed_to_other_users(transport: Transport) -> None:
    transport.put(b"", "file")
    assert Path(transport.path("file")).parent.stat().st_mode & 0o777 == 0o700


def test_a_put_that_fails_half_way_leaves_no_file(transport: Transport) -> None:
    def interrupt(sent: int) -> None:
        raise KeyboardInterrupt

    transport.put(b"old", "folder/file")
    with pytest.raises(KeyboardInterrupt):
        transport.put(bytes(2_000_000), "folder/file", interrupt)
    assert _names(transport.path("folder")) == ["file"]
    assert transport.read("folder/file") == b"old"


def test_a_put_that_is_refused_says_so(transport: Transport) -> None:
    transport.put(b"", "folder/file")
    with pytest.raises(DeviceFault, match="write") as caught:
        transport.put(b"data", "folder/file/below-a-file")
    assert not caught.value.transient
    with pytest.raises(DeviceFault, match="write"):
        transport.put(b"data", "folder")
    assert _names(transport.path("folder")) == ["file"]
    assert _names(str(Path(transport.path("folder")).parent)) == ["folder"]


@pytest.mark.parametrize("relative", ["", ".", "/etc/passwd", "../other", "a/../../b"])
def test_no_path_leaves_the_root(transport: Transport, relative: str) -> None:
    with pytest.raises(ValueError, match="below the device's root"):
        transport.put(b"", relative)


def test_exit_code_and_stderr_are_kept(transport: Transport, python: Callable[[str], list[str]]) -> None:
    done = transport.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", "err\n")


def test_a_missing_program_is_127(transport: Transport) -> None:
    done = transport.run(["/no/such/python", "-c", "pass"])
    assert done.exit_code == 127
    assert "/no/such/python: not found" in done.stderr


def test_a_file_that_is_no_program_is_126(transport: Transport) -> None:
    transport.put(b"data", "not-executable")
    assert transport.run([transport.path("not-executable")]).exit_code == 126


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


def test_a_time_out_raises_and_the_process_is_gone(transport: Transport, python: Callable[[str], list[str]]) -> None:
    code = f"import os, time; open({transport.path('pid')!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    transport.put(b"", "pid")
    with pytest.raises(DeviceUnavailable, match=r"did not finish within 1\.5 s"):
        transport.run(python(code), timeout_s=1.5)
    assert _ends(int((transport.read("pid") or b"").decode()))


def test_lines_are_answered(transport: Transport, python: Callable[[str], list[str]]) -> None:
    process = transport.spawn(python(_ECHO))
    for line in (b"short", b"", b"x" * 400_000, b"after"):
        process.send_line(line)
        assert _read(process) == line
    process.stop()
    assert process.exit_code(0) == 0


def test_a_silent_process_times_out_and_can_go_on(transport: Transport, python: Callable[[str], list[str]]) -> None:
    process = transport.spawn(python(_ECHO))
    process.send_line(b"ready")
    assert _read(process) == b"ready"
    started = time.monotonic()
    with pytest.raises(DeviceUnavailable, match=r"sent nothing for 0\.2 s"):
        process.read_line(0.2)
    assert time.monotonic() - started < 2
    process.send_line(b"again")
    assert _read(process) == b"again"
    process.stop()


def test_a_process_that_ends(transport: Transport, python: Callable[[str], list[str]]) -> None:
    code = (
        "import sys; print('last'); sys.stdout.write('unfinished'); sys.stderr.write('x' * 20000 + 'why'); sys.exit(4)"
    )
    process = transport.spawn(python(code))
    assert _read(process) == b"last"
    assert process.read_line(20) is None
    assert process.read_line(20) is None
    assert process.exit_code(5) == 4
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
    assert process.read_line(20) is None
    assert process.exit_code(5) == 127
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
    assert time.monotonic() - started < 5
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
    assert (transport.name, transport.python) == (device.name, sys.executable)
    assert transport.path("a/b").endswith("/device root/a/b")
