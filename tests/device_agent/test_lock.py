"""The device's one lock, held by real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from device_agent.errors import DeviceBusy
from device_agent.lock import DeviceLock
from device_agent.messages.lock import Waiting

_HOLD = (
    "import sys, time; from pathlib import Path; from device_agent.lock import DeviceLock;"
    "lock = DeviceLock(Path(sys.argv[1])); lock.take(sys.argv[2], 0); print('held', flush=True); time.sleep(60)"
)


def holder(path: Path, purpose: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(path), purpose], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"held\n"
    return process


def test_what_cannot_be_had_names_its_holder_and_frees_itself_when_that_dies(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holder(path, "a push of net from laptop")
    met: list[Waiting] = []
    mine = DeviceLock(path)
    with pytest.raises(DeviceBusy, match=r"busy with a push of net from laptop, for \d+ s already; nothing was waited"):
        mine.take("x", 0)
    with pytest.raises(DeviceBusy, match=r"0\.3 s were waited"):
        mine.take("x", 0.3, met.append)
    assert [waiting.holder for waiting in met] == ["a push of net from laptop"]
    assert not mine.held
    os.kill(other.pid, signal.SIGKILL)
    mine.take("a benchmark", 10)
    assert mine.held and DeviceLock(path).holder().holder == "a benchmark"
    other.wait()


def test_who_waits_gets_it_and_is_told_of_each_holder_once(tmp_path: Path) -> None:
    first, second, third = (DeviceLock(tmp_path / "lock") for _ in range(3))
    first.take("one", 0)
    met: list[str] = []

    def wait(waiting: Waiting) -> None:
        met.append(waiting.holder)
        if waiting.holder == "one":
            first.release()
            second.take("two", 0)
            threading.Timer(0.6, second.release).start()

    third.take("three", 20, wait)
    assert met == ["one", "two"]


def test_taking_it_twice_changes_what_others_are_told(tmp_path: Path) -> None:
    lock = DeviceLock(tmp_path / "lock")
    lock.take("one", 0)
    lock.take("another purpose", 0)
    assert DeviceLock(tmp_path / "lock").holder().holder == "another purpose"
    lock.release()
    lock.release()
    assert not lock.held


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"", "another command of groupnl"),
        (b"\xff\xfe", "��"),
        (b"\x1b[31mred\x07\nnext", "[31mrednext"),
        (b"x" * 100_000, "x" * 200),
    ],
)
def test_what_a_stranger_wrote_cannot_play_with_a_terminal(tmp_path: Path, written: bytes, shown: str) -> None:
    (tmp_path / "lock").write_bytes(written)
    assert DeviceLock(tmp_path / "lock").holder().holder == shown


def test_how_long_it_is_held_is_told(tmp_path: Path) -> None:
    lock = DeviceLock(tmp_path / "lock")
    lock.take("x", 0)
    os.utime(tmp_path / "lock", (time.time() - 90, time.time() - 90))
    assert 89 < lock.holder().since_s < 95
    os.utime(tmp_path / "lock", (time.time() + 90, time.time() + 90))  # a board's clock that was set back
    assert lock.holder().since_s == 0
    os.utime(tmp_path / "lock", (0, 0))  # or was set right, by decades
    assert lock.holder().since_s <= time.monotonic()


def test_a_full_disk_and_odd_letters_hinder_nobody(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    lock = DeviceLock(tmp_path / "full")
    lock.take("x", 0)
    assert lock.held
    lock.release()
    lock = DeviceLock(tmp_path / "lock")
    lock.take("a push of \udcff\x1b net", 0)
    assert lock.holder().holder == "a push of ? net"
