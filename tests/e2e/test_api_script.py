"""The page of the Python API as one script, in a file of its own: whoever tests alone imports no PyTorch for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ROOT = Path(__file__).parents[2]


def test_the_script_goes_the_whole_way_and_prints_a_line_for_every_object(tmp_path: Path) -> None:
    environment = os.environ | {"GROUPNL_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, ROOT / "examples/api.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fresh, trained, artifact, pushed, run, *_, recorded, integrated = done.stdout.splitlines()
    assert fresh.endswith("untrained") and " trained to " in trained
    assert artifact.startswith("net-onnx: ") and pushed.startswith("local has ") and " FPS" in run
    assert recorded.startswith("work.csv: ") and recorded.endswith("EMULATED")
    assert re.match(r"5\.\d+ J .* in 2\.000 s, 2\.7\d+ W.*EMULATED", integrated)
