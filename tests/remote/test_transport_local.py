"""What is peculiar to the device `local`."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from groupnl_deploy.errors import DeviceFault, DeviceUnavailable, DiskFull
from groupnl_deploy.remote import local
from groupnl_deploy.remote.local import LocalTransport

pytestmark = pytest.mark.alone


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[LocalTransport]:
    with LocalTransport(tmp_path / "root", sys.executable) as opened:
        yield opened


def test_a_child_has_a_session_of_its_own(transport: LocalTransport) -> None:
    done = transport.run([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"])
    assert done.stdout == b"True\n"


def test_ctrl_c_reaches_the_host_alone_which_then_stops_the_child(tmp_path: Path) -> None:
    host = (
        "import sys\nfrom pathlib import Path\n"
        "from groupnl_deploy.remote.local import LocalTransport\n"
        f"with LocalTransport(Path({str(tmp_path / 'root')!r}), sys.executable) as transport:\n"
        "    process = transport.spawn([sys.executable, '-c', '''\n"
        "import sys\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
        "open('left-in-order', 'w').close()\n"
        "'''])\n"
        "    print(process.read_line(20).decode(), flush=True)\n"
        "    process.read_line(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", host],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert child.stdout and child.stdout.readline() == b"ready\n"
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    _, stderr = child.communicate(timeout=20)
    assert b"KeyboardInterrupt" in stderr
    assert (tmp_path / "root" / "left-in-order").exists()


def test_ctrl_c_during_a_run_kills_the_child(transport: LocalTransport) -> None:
    main = threading.get_ident()

    def interrupt_once_it_runs() -> None:
        while not transport.read("pid"):
            time.sleep(0.02)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt_once_it_runs, daemon=True).start()
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(300)"
    with pytest.raises(KeyboardInterrupt):
        transport.run([sys.executable, "-c", code])
    with pytest.raises(ProcessLookupError):
        os.kill(int((transport.read("pid") or b"").decode()), 0)


def test_a_full_disk_says_how_much_is_needed_and_free(
    transport: LocalTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    transport.put(b"old", "folder/file")
    monkeypatch.setattr(local.os, "fsync", full)
    with pytest.raises(DiskFull, match=r"12\.0 kB are needed, .* are free"):
        transport.put(bytes(12_000), "folder/file")
    assert [file.name for file in Path(transport.path("folder")).iterdir()] == ["file"]
    assert transport.read("folder/file") == b"old"


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceFault, match="make the folder"):
        LocalTransport(tmp_path / "file" / "root", sys.executable)


def test_a_process_that_does_not_read_its_requests(transport: LocalTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SEND_TIMEOUT_S", 0.3)
    process = transport.spawn([sys.executable, "-c", "import time; time.sleep(300)"])
    started = time.monotonic()
    with pytest.raises(DeviceUnavailable, match="did not read its request"):
        process.send_line(bytes(1_000_000))
    assert time.monotonic() - started < 5
