"""Output that cannot be written, and whose disk is full: each an error of two sentences that names the culprit."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from groupnl_deploy import workspace
from groupnl_deploy.errors import DiskFull, GroupNLError, UsageError
from groupnl_deploy.workspace import disk_errors

GROUPNL = Path(sys.executable).with_name("groupnl")


@pytest.mark.parametrize(
    ("arguments", "redirection", "code", "words"),
    [
        ("device list", ">&-", 1, "Standard output is closed"),
        pytest.param("device list", ">/dev/full", 1, "full", marks=pytest.mark.slow),
        ("device list", "2>&- <&-", 0, ""),
        pytest.param("power mark x", "COLUMNS=0", 2, "No recording", marks=pytest.mark.slow),
        ("--version", ">/dev/full", 1, "full"),  # not a command: another place tells it
    ],
)
def test_streams_that_are_closed_or_full(arguments: str, redirection: str, code: int, words: str) -> None:
    line = f"{redirection} {GROUPNL} {arguments}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert (not code) == bool(done.stdout)
    if code:
        assert done.stderr.startswith("Error: ") and "\nTry:   " in done.stderr
        assert words in done.stderr or "no space left" in done.stderr


def refusal(path: Path, error: OSError) -> GroupNLError:
    with pytest.raises(GroupNLError) as caught, disk_errors(path):
        raise error
    return caught.value


def test_a_full_folder_of_temporary_files_is_not_the_outputs_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, temporary = tmp_path / "out" / "net", tmp_path / "tmp"
    monkeypatch.setattr(workspace.tempfile, "gettempdir", lambda: str(temporary))
    full = OSError(errno.ENOSPC, "No space left on device")
    for fuller in (True, False):
        monkeypatch.setattr(workspace, "_is_fuller", lambda one, other, fuller=fuller: fuller)
        said = refusal(out, full)
        assert isinstance(said, DiskFull)
        assert (str(temporary) in said.message and "TMPDIR" in said.remedy) is fuller
        assert (str(out.parent) in said.message) is not fuller
    named = OSError(errno.ENOSPC, "No space left on device", str(temporary / "raw.onnx"))
    assert "temporary files" in refusal(out, named).message


def test_what_is_refused_elsewhere_is_called_by_its_own_name(tmp_path: Path) -> None:
    other = PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")
    said = refusal(tmp_path / "net", other)
    assert isinstance(said, UsageError) and said.message == "Cannot use /etc/shadow: permission denied."
    own = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "net"))
    assert refusal(tmp_path / "net", own).message == f"Cannot write {tmp_path / 'net'}: permission denied."
    assert (
        refusal(tmp_path / "net", OSError(errno.ENAMETOOLONG, "File name too long")).remedy == "Choose a shorter name."
    )
