"""Files go both ways in pieces: the memory of this process does not grow with them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from device_agent.strict import to_json
from groupnl_deploy.remote.device import Device

# Linux keeps a process's highest memory ("VmHWM"); `ru_maxrss` would count the parent's, too.
_BOTH_WAYS = """
import json, sys
from pathlib import Path
from device_agent.strict import from_json
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device

def memory_bytes(word):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(word + ":"))

source, back = Path(sys.argv[2]), Path(sys.argv[3])
with connect(from_json(Device, sys.argv[1])) as transport:
    transport.put(b"warm", "warm")
    before_bytes = memory_bytes("VmRSS")
    sent = transport.put(source, "file")
    fetched = transport.get("file", back)
print(json.dumps({"growth_bytes": memory_bytes("VmHWM") - before_bytes, "sha256": [sent, fetched]}))
"""


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.sshd)])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    if request.param == "local":
        return Device("local", "local", python=sys.executable, root=str(tmp_path / "root"))
    return request.getfixturevalue("sshd").device(root=str(tmp_path / "root"))


@pytest.mark.parametrize(
    ("size_bytes", "limit_bytes"),
    [(64_000_000, 32_000_000), pytest.param(1_000_000_000, 100_000_000, marks=pytest.mark.slow)],
)
def test_memory_stays_small(device: Device, tmp_path: Path, size_bytes: int, limit_bytes: int) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    with source.open("wb") as stream:  # sparse, but for its two ends
        stream.write(b"begin")
        stream.seek(size_bytes - 3)
        stream.write(b"end")
    command = [sys.executable, "-c", _BOTH_WAYS, to_json(device), str(source), str(back)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert told["growth_bytes"] < limit_bytes
    sent, fetched = told["sha256"]
    assert sent == fetched
    with back.open("rb") as stream:
        assert stream.read(5) == b"begin"
        stream.seek(size_bytes - 3)
        assert stream.read() == b"end"
