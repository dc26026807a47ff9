"""The kernels of this processor: random layers between guard pages, and the functions' errors."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def checked() -> subprocess.CompletedProcess[str]:
    """All checks, in the cache of the person who runs the tests: their programs are built once for the same sources."""
    command = [sys.executable, "native/checks.py"]  # 300 layers of each kind
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_random_layers_are_right_and_stay_within_their_tensors(checked: subprocess.CompletedProcess[str]) -> None:
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert " portable plain: " in checked.stdout


@pytest.mark.slow
def test_functions_are_as_exact_as_promised_and_keep_nan(checked: subprocess.CompletedProcess[str]) -> None:
    assert "WRONG" not in checked.stdout
    assert checked.stdout.count("sine: at most 1") >= 1
