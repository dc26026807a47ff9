"""A disk without room, here and on the device: a message, an exit code, and nothing half-written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app


@pytest.fixture
def small_disk(mounted: Callable[[str], Path]) -> Path:
    """A file system of 100 kB: less than any model."""
    return mounted("size=100k")


def groupnl(*arguments: object, **environment: str) -> Result:
    """In this process: PyTorch is imported once for all."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


@pytest.mark.root
def test_export_to_a_full_disk(untrained, small_disk: Path) -> None:
    done = groupnl("export", untrained.checkpoint, "--format", "torch", "--out", small_disk / "artifact")
    assert done.exit_code == 1 and "full" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.root
def test_push_to_a_device_with_a_full_disk(untrained, small_disk: Path) -> None:
    home = {"GROUPNL_HOME": str(small_disk)}
    done = groupnl("push", untrained.torch.directory, "--device", "local", **home)
    assert done.exit_code == 1 and "no space left" in done.stderr and "Traceback" not in done.stderr, done.stderr
    left = [path for path in small_disk.rglob("*") if path.is_file() and "agents" not in path.parts]
    assert left == []
