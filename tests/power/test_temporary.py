"""Temporary folders: gone with their process, and with the next one where that was killed."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from power.temporary import LockedFolder, remove_abandoned

_HOLD = """
import time
from power.temporary import LockedFolder
held = LockedFolder("held-")
print(held.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_private_and_goes_when_it_is_closed(usual: Path) -> None:
    folder = LockedFolder("held-")
    assert folder.path.parent == usual and folder.path.name.startswith("held-")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "file").write_text("x")
    folder.close()
    folder.close()
    assert list(usual.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(usual: Path) -> None:
    environment = os.environ | {"TMPDIR": str(usual)}
    holder = subprocess.Popen([sys.executable, "-c", _HOLD], stdout=subprocess.PIPE, text=True, env=environment)
    assert holder.stdout is not None
    left = Path(holder.stdout.readline().strip())
    ours = LockedFolder("held-")
    assert left.is_dir()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert left.is_dir()
    LockedFolder("held-").close()
    assert list(usual.iterdir()) == [ours.path]
    ours.close()


def test_where_the_disk_has_no_locks_folders_are_made_and_nobody_removes_anothers(
    usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(descriptor: int, how: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")  # as NFS says of folders

    monkeypatch.setattr("power.temporary.fcntl.flock", none)
    one, other = LockedFolder("held-"), LockedFolder("held-")
    assert sorted(usual.iterdir()) == sorted((one.path, other.path))
    one.close()
    assert list(usual.iterdir()) == [other.path]
    other.close()


def test_what_is_no_folder_of_ours_is_left_alone(usual: Path) -> None:
    (usual / "held-a_file__").write_text("x")
    (usual / "kept").mkdir()
    (usual / "held-a_link__").symlink_to(usual / "kept")
    (usual / "other").mkdir()
    (usual / ".new-held-a_made__").mkdir()
    (usual / "held-my-notes").mkdir()
    there = set(usual.iterdir())
    remove_abandoned("held-")
    assert set(usual.iterdir()) == there


def test_a_folder_whose_maker_died_before_it_was_locked_goes_after_a_minute(
    usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (usual / ".new-held-a_made__").mkdir()
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 61)
    remove_abandoned("held-")
    assert list(usual.iterdir()) == []
