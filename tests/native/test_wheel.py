"""The wheel that `make wheel` builds carries a library for every target, is small, and works where it is installed."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

_LOOK = """
import ctypes
from groupnl_deploy.native.libraries import host_library, libraries
from groupnl_deploy.progress import Silence
print(*sorted(f"{one.record.system}-{one.record.machine}" for one in libraries() if one.is_whole))
library = host_library(Silence())
print(library.path, ctypes.CDLL(str(library.path)).groupnl_native_version() == library.record.version)
"""


@pytest.mark.slow
def test_the_wheel_brings_its_libraries(copies: Callable[[str], Path], tmp_path: Path) -> None:
    checkout, environment = copies("checkout"), Path(sys.prefix)
    make = ["make", "wheel", f"VENV={environment}", "-o", f"{environment}/.installed"]
    done = subprocess.run(make, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (checkout / "dist").glob("*.whl")
    assert wheel.stat().st_size < 3 * 2**20
    carried = {name.split("/")[-1] for name in zipfile.ZipFile(wheel).namelist() if "/libraries/" in name}
    assert len(carried) == 6 and not (checkout / "groupnl_deploy" / "native" / "libraries").exists()
    installed = tmp_path / "installed"
    subprocess.run([sys.executable, "-m", "venv", installed], check=True)
    subprocess.run([installed / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    done = subprocess.run(
        [installed / "bin" / "python", "-c", _LOOK], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    has, own = done.stdout.splitlines()
    assert has == "linux-aarch64 linux-x86_64 macos-arm64"
    assert own.startswith(str(installed)) and own.endswith(" True")
