"""What is peculiar to the device `local`."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    left = tmp_path / "left-in-order"
    left_in_order = f"import sys\nprint('ready', flush=True)\nsys.stdin.read()\nopen({str(left)!r}, 'w').close()\n"
    host = (
        "import sys\nfrom pathlib import Path\n"
        "from groupnl_deploy.remote import local\n"
        "from groupnl_deploy.remote.local import LocalTransport\n"
        "local.STOP_GRACE_S = 60.0  # a busy machine may hold the child up\n"
        f"with LocalTransport(Path({str(tmp_path / 'root')!r}), sys.executable) as transport:\n"
        f"    process = transport.spawn([sys.executable, '-c', {left_in_order!r}])\n"
        "    print(process.read_line(60).decode(), flush=True)\n"
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
    _, stderr = child.communicate(timeout=300)
    assert b"KeyboardInterrupt" in stderr
    assert left.exists()


def test_ctrl_c_during_a_run_kills_the_child(transport: LocalTransport, tmp_path: Path) -> None:
    pid, main = tmp_path / "pid", threading.get_ident()

    def interrupt_once_it_runs() -> None:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.02)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt_once_it_runs, daemon=True).start()
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    with pytest.raises(KeyboardInterrupt):
        transport.run([sys.executable, "-c", code])
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
