"""The operators in the real ONNX Runtime: right, the same for any number of threads; no lie of a graph gets through.

All of it runs in processes of their own, which a crash would end with a number below zero.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from groupnl_deploy.native.libraries import LibraryFile

ROOT = Path(__file__).parents[2]


def _run(library: LibraryFile, instructions: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tests/native/run_in_runtime.py", str(library.path), "--each", *options]
    environment = {**os.environ, "GROUPNL_NATIVE_ISA": instructions, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "instructions", ["avx512", *(pytest.param(name, marks=pytest.mark.slow) for name in ("avx2", "portable"))]
)
def test_operators_are_right_and_refuse_what_lies(native_library: LibraryFile, instructions: str) -> None:
    done = _run(native_library, instructions)  # a name that this processor has not stands for its best
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok    lie: ") > 100
    assert "ok    threads register and run together" in done.stdout


@pytest.mark.slow
def test_a_thousand_sessions_leave_nothing_behind(native_library: LibraryFile) -> None:
    done = _run(native_library, "", "--sessions", "1000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    sessions leave nothing behind" in done.stdout
