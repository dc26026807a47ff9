import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from groupnl_deploy.remote.bundle import build_bundle


def test_rebuilding_gives_the_same_bytes_in_another_process_and_time_zone(tmp_path: Path) -> None:
    code = "from groupnl_deploy.remote.bundle import build_bundle; print(build_bundle().sha256)"
    command = [sys.executable, "-c", code]
    own = {"GROUPNL_HOME": os.environ["GROUPNL_HOME"]}  # where a checkout's native libraries lie
    environment = own | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert done.stdout.strip() == build_bundle().sha256


def test_it_holds_the_agent_and_the_models_and_nothing_of_the_host() -> None:
    names = zipfile.ZipFile(io.BytesIO(build_bundle().data)).namelist()
    assert "__main__.py" in names and "device_agent/session.py" in names
    assert "groupnl_deploy/models/registry.py" in names
    prefixes = ("__main__.py", "device_agent/", "groupnl_deploy/__init__.py", "groupnl_deploy/models/")
    assert [name for name in names if not name.startswith(prefixes)] == []
    assert names == sorted(names)
