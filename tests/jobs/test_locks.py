"""Locks between runners: who holds one, what the death of its holder means, mounts whose locks stay on one machine."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from groupnl_deploy.jobs.quiet import machine_for
from groupnl_deploy.mounts import local_option
from groupnl_deploy.record_lock import Busy, NoLocks, RecordLock

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from groupnl_deploy.record_lock import RecordLock
with RecordLock.take(Path(sys.argv[1])) as lock:
    lock.write(b"me")
    print("held", flush=True)
    time.sleep(60)
"""
MEASURER = """
import sys, time
from pathlib import Path
from groupnl_deploy.jobs.quiet import machine_for
with machine_for(sys.argv[2] == "measures", Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.read()
"""


def start(code: str, *arguments: object) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_lock_says_who_holds_it_and_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "stamps" / "x.json"
    holder = start(HOLDER, path)
    with pytest.raises(Busy) as caught:
        RecordLock.take(path)
    assert caught.value.said == b"me"
    holder.kill()
    holder.wait()
    with RecordLock.take(path) as lock:
        assert lock.read() == b"me"
        lock.write(b"shorter"[:2])
        assert lock.read() == b"sh"


NFS = "36 35 0:52 / /scratch rw,relatime shared:1 - nfs4 server:/scratch rw,vers=4.2,{} ,addr=10.0.0.1"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (NFS.format("local_lock=none"), None),
        (NFS.format("local_lock=all"), "it is mounted with local_lock=all"),
        (NFS.format("local_lock=flock"), None),  # record locks still travel
        (NFS.format("nolock").replace("nfs4", "nfs"), "it is mounted with nolock"),
        ("36 35 0:52 / /lustre rw - lustre mgs:/fs rw,localflock", "it is mounted with localflock"),
        ("36 35 0:52 / / rw,relatime - ext4 /dev/sda1 rw,nolock", None),
        (NFS.format("nolock").replace("0:52", "0:53"), None),
        ("", None),
    ],
)
def test_a_mount_whose_locks_stay_on_one_machine_is_known(line: str, said: str | None) -> None:
    assert local_option(f"22 1 8:1 / / rw - ext4 /dev/sda rw\n{line}\n", "0:52") == said


def test_a_file_that_its_holder_has_just_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lockf, removed = tmp_path / "lock", fcntl.lockf, list[Path]()

    def late(file: int, how: int) -> None:
        if not removed:
            removed.append(path.rename(tmp_path / ".nfs0001"))  # as NFS removes what somebody has open
        lockf(file, how)

    monkeypatch.setattr("groupnl_deploy.record_lock.fcntl.lockf", late)
    with RecordLock.take(path) as lock:
        lock.write(b"me")
        assert path.read_bytes() == b"me" and removed[0].read_bytes() == b""


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_the_server_calls_stale_is_opened_once_more(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lockf, calls = fcntl.lockf, []

    def stale(file: int, how: int) -> None:
        calls.append(file)
        if len(calls) <= times:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        lockf(file, how)

    monkeypatch.setattr(fcntl, "lockf", stale)
    if times == 1:
        RecordLock.take(tmp_path / "lock").close()
    else:
        with pytest.raises(NoLocks, match="Stale file handle"):
            RecordLock.take(tmp_path / "lock")
    assert len(calls) == 2


def test_who_measures_has_the_machine_alone(tmp_path: Path) -> None:
    said: list[str] = []

    def ends(other: "subprocess.Popen[str]") -> Callable[[str], None]:
        """Once it is waited for."""
        return lambda text: (said.append(text), other.stdin.close())[0]

    measurer = start(MEASURER, tmp_path, "measures")
    with machine_for(False, tmp_path, ends(measurer)):
        assert measurer.wait() == 0
    worker = start(MEASURER, tmp_path, "works")
    with machine_for(False, tmp_path, said.append):
        pass  # work is shared
    with machine_for(True, tmp_path, ends(worker)):
        assert worker.wait() == 0
    assert said == [
        "Another runner measures on this machine; work waits.",
        "Other runners compute on this machine; measuring waits.",
    ]


def test_those_who_only_work_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Nor for somebody who holds the gate for work while another measures."""
    measurer = start(MEASURER, tmp_path, "measures")
    code = MEASURER.replace('sys.argv[2] == "measures"', "False").replace("print)", "lambda said: print('waits'))")
    waiting = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=-1, stdout=-1) for _ in "ab"
    ]
    assert [process.stdout.readline() for process in waiting] == [b"waits\n"] * 2
    measurer.stdin.close()
    for process in waiting:
        assert process.communicate()[0] == b"held\n" and process.returncode == 0
