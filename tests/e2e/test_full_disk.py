"""A disk without room, here and on the device: a message, an exit code, and nothing half-written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

GROUPNL = Path(sys.executable).with_name("groupnl")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 kB: less than any model."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("needs to be allowed to mount a small file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def groupnl(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [str(GROUPNL), *map(str, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.mark.root
def test_export_to_a_full_disk(untrained, small_disk: Path) -> None:
    done = groupnl("export", untrained.checkpoint, "--format", "torch", "--out", small_disk / "artifact")
    assert done.returncode == 1 and "full" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.root
def test_push_to_a_device_with_a_full_disk(untrained, small_disk: Path) -> None:
    home = {"GROUPNL_HOME": str(small_disk)}
    done = groupnl("push", untrained.torch.directory, "--device", "local", **home)
    assert done.returncode == 1 and "full" in done.stderr and "Traceback" not in done.stderr, done.stderr
    left = [path for path in small_disk.rglob("*") if path.is_file() and "agents" not in path.parts]
    assert left == []
