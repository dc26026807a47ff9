"""A board without PyTorch: a virtual environment with numpy and one ONNX runtime alone runs the ONNX path."""

import os
import re
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

from device_agent.messages.bench import BenchRequest
from device_agent.settings import Settings, Workload
from groupnl_deploy.deploy.dry_run import forecast
from groupnl_deploy.deploy.push import push_and_accept, push_artifact
from groupnl_deploy.errors import DeviceFault
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.local import LocalTransport
from tests.device_agent.whole_bench import whole_bench
from tests.rigs.openvino_here import NEEDS_OPENVINO

IMAGES = np.zeros((2, 3, 32, 32), dtype=np.uint8)
SETTINGS = Settings(1, workload=Workload(idle_s=0.0, warmup_s=0.0, min_iterations=3, min_seconds=0.0))


def requirements(name: str) -> set[str]:
    """A distribution and all that it requires, extras aside."""
    found = {name}
    for line in distribution(name).requires or []:
        if "extra ==" not in line and "extra==" not in line:
            found |= requirements(re.split(r"[ <>=!~;\[(]", line, maxsplit=1)[0])
    return found


def install_by_link(python_home: Path, names: set[str]) -> None:
    """Link these distributions' files, and no others, into a virtual environment."""
    site = next(python_home.glob("lib/python*/site-packages"))
    for name in names:
        for file in distribution(name).files or []:
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                os.link(file.locate(), target)


def python_with(folder: Path, runtime: str) -> Path:
    venv.create(folder, with_pip=False)
    try:
        install_by_link(folder, requirements("numpy") | requirements(runtime))
    except OSError as error:
        pytest.skip(f"hard links across file systems are refused here: {error}")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def minimal_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_with(tmp_path_factory.mktemp("minimal"), "onnxruntime")


@pytest.fixture(scope="module")
def empty_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


def bench(python: Path, artifact, backend: str, folder: Path, watch=lambda message: None):
    with LocalTransport(folder, str(python)) as transport:
        pushed = push_artifact(transport, artifact)
        request = BenchRequest(pushed.directory, artifact.sha256, backend, SETTINGS, 2, 0.0)
        with open_agent(transport) as agent:
            return whole_bench(agent, request, IMAGES, watch)


def test_the_environment_really_is_minimal(minimal_python: Path) -> None:
    code = "import importlib.util as u; print([n for n in ('torch','safetensors','psutil') if u.find_spec(n)])"
    done = subprocess.run([minimal_python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert Path(sys.executable) != minimal_python


def test_onnx_runtime_needs_nothing_else(minimal_python: Path, untrained, tmp_path: Path) -> None:
    result = bench(minimal_python, untrained.onnx, "onnxruntime", tmp_path / "board")
    assert len(result.latencies_ns) == 3 and "onnxruntime" in result.versions


@NEEDS_OPENVINO
def test_openvino_needs_nothing_else_and_accepts_where_there_is_no_other(untrained, tmp_path: Path) -> None:
    python, notes = python_with(tmp_path / "minimal", "openvino"), list[str]()
    said = Silence()
    said.note = notes.append  # type: ignore[method-assign]
    with LocalTransport(tmp_path / "board", str(python)) as transport:
        pushed = push_and_accept(transport, untrained.onnx, reporter=said)
        assert (pushed.acceptance.verdict, pushed.acceptance.backend) == ("accepted", "openvino")
        assert not [note for note in notes if "lacks" in note]
        told = forecast(transport, untrained.onnx, Silence())
        assert told.error is None and told.looked is not None and told.looked.backend == "openvino"
    result = bench(python, untrained.onnx, "openvino", tmp_path / "board")
    assert len(result.latencies_ns) == 3 and "openvino" in result.versions


def test_a_missing_library_is_named_with_its_install_line(minimal_python: Path, untrained, tmp_path: Path) -> None:
    phases: list[object] = []
    with pytest.raises(DeviceFault) as caught:
        bench(minimal_python, untrained.torch, "pytorch", tmp_path / "board", phases.append)
    assert phases == [], "it is said before the first idle second"
    assert "torch" in caught.value.message
    assert f"{minimal_python} -m pip install numpy torch==2.6.0 safetensors" in caught.value.remedy


def test_pushing_needs_python_alone_and_benching_says_what_is_missing(
    empty_python: Path, untrained, tmp_path: Path
) -> None:
    with pytest.raises(DeviceFault) as caught:
        bench(empty_python, untrained.onnx, "onnxruntime", tmp_path / "board")
    assert "numpy" in caught.value.message and "pip install" in caught.value.remedy
