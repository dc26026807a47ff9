"""A backend's package that is there and of no use: named with what is wrong, and never called a mistake of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from device_agent.backend_table import BACKENDS

ROOT = Path(__file__).parents[2]
OPENED = """
import sys
from device_agent.backends import open_backend
from device_agent.errors import BackendFailed, MissingLibrary
try:
    open_backend(sys.argv[1])
except (BackendFailed, MissingLibrary) as error:
    print(error.message, error.remedy)
"""
WITH_PACKAGES = [(name, entry.main) for name, entry in BACKENDS.items() if entry.main is not None]


@pytest.mark.parametrize(("backend", "package"), WITH_PACKAGES)
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "do not load: AttributeError: "),
        ("raise ImportError('libgomp.so.1: cannot open shared object file')", "cannot import “PACKAGE”, which"),
        ("raise ValueError('numpy.dtype size changed')", "do not load: ValueError: numpy.dtype size changed."),
    ],
    ids=["another", "without a library", "for another numpy"],
)
def test_a_package_of_no_use_is_told(backend: str, package: str, source: str, says: str, tmp_path: Path) -> None:
    (tmp_path / f"{package}.py").write_text(source)
    settings = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-P", "-c", OPENED, backend]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    assert done.returncode == 0, done.stderr
    assert says.replace("PACKAGE", package) in done.stdout and f"backend {backend}" in done.stdout
    assert f"groupnl device provision NAME --backend {backend}" in done.stdout
