"""`push`, `device artifacts`, `rollback` and `prune` on this machine, by a real agent: what is used and what is not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from exporters.artifact import Artifact
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.own_program import own_program
from groupnl_deploy.deploy.push import push_and_accept, push_artifact
from groupnl_deploy.remote.connect import connect
from tests.device_agent.graph_artifacts import graph_artifact, masked_text, text_samples
from tests.device_agent.made_up_runtime import remove_runtime, runtime_that

ROOT = Path(__file__).parents[2]
SHORT = ("--idle", "0", "--warmup", "0", "--seconds", "0", "--iterations", "3", "--threads", "1", "--images", "2")


def groupnl(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def root() -> Path:
    return Path(local_device().root)


def current() -> str:
    return (root() / "current" / "onnx").resolve().name


@pytest.fixture
def old(tmp_path: Path) -> Artifact:
    """One that is current already."""
    artifact = graph_artifact(tmp_path / "old", masked_text(), text_samples(), label="old")
    with connect(local_device()) as transport:
        assert push_and_accept(transport, artifact).acceptance.current == artifact.sha256
    return artifact


def listed() -> dict[str, dict[str, Any]]:
    artifacts = json.loads(groupnl("device", "artifacts", "local", "--json").stdout)["artifacts"]
    return {one["artifact_sha256"]: one for one in artifacts}


def test_a_push_is_tried_and_used_and_a_rollback_uses_what_was_before(untrained, old: Artifact) -> None:
    new = untrained.onnx.sha256
    done = groupnl("push", untrained.onnx.directory, "--device", "local", "--json")
    assert done.exit_code == 0, done.output
    acceptance = json.loads(done.stdout)["acceptance"]
    assert (acceptance["verdict"], acceptance["current"], acceptance["previous"]) == ("accepted", new, old.sha256)
    again = groupnl("push", untrained.onnx.directory, "--device", "local")
    assert "accepted, and current/onnx there" in again.stdout and current() == new
    shown = groupnl("device", "artifacts", "local").stdout
    assert all(word in shown for word in (new[:12], old.sha256[:12], "accepted", "current", "previous", "onnx"))
    back = groupnl("device", "rollback", "local")
    assert back.exit_code == 0 and f"uses old, onnx, {old.sha256[:12]} again" in back.stdout
    assert current() == old.sha256
    assert groupnl("device", "rollback", "local", "--format", "onnx").exit_code == 0 and current() == new


def test_the_ten_lines_of_the_docs_run_what_is_current(old: Artifact, tmp_path: Path) -> None:
    """Word for word, but for whose device it is."""
    section = (ROOT / "docs" / "deployment.md").read_text().split("## In a program of your own\n")[1]
    lines = section.split("```python\n")[1].split("```")[0].replace("/home/pi/.groupnl", str(root()))
    assert len([line for line in lines.splitlines() if line]) == 10
    assert lines == own_program(f"{root()}/current/onnx", "model.onnx")
    command = [sys.executable, "-I", "-c", lines]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "[(1, 3)]\n", done.stderr


@pytest.mark.slow
def test_a_missing_runtime_leaves_what_is_current_and_a_benchmark_accepts_it_later(
    untrained, old: Artifact, tmp_path: Path
) -> None:
    new = untrained.onnx.sha256
    runtime_that(root(), "")
    done = groupnl("push", untrained.onnx.directory, "--device", "local", "--json")
    assert done.exit_code == 3 and json.loads(done.stdout)["acceptance"]["verdict"] == "not_accepted"
    assert "not accepted yet" in done.stderr and f"{old.sha256[:12]} stays current" in done.stderr
    assert f"{sys.executable} -m pip install numpy onnxruntime" in done.stderr
    assert listed()[new]["state"] == "pending" and current() == old.sha256
    remove_runtime(root())
    bench = groupnl("bench", "--device", "local", "--backend", "onnxruntime", "--out", tmp_path / "run", *SHORT)
    assert bench.exit_code in (0, 6), bench.output
    assert "accepted, and current/onnx there" in bench.stderr and current() == new


@pytest.mark.slow
def test_a_runtime_that_dies_is_exit_code_4(untrained, old: Artifact) -> None:
    runtime_that(root(), "import os; os.kill(os.getpid(), 4)")
    done = groupnl("push", untrained.onnx.directory, "--device", "local")
    assert done.exit_code == 4 and "an instruction that its processor does not have" in done.stderr
    assert f"{sys.executable} -m pip install --force-reinstall numpy onnxruntime" in done.stderr
    assert listed()[untrained.onnx.sha256]["state"] == "refused" and current() == old.sha256


@pytest.mark.slow
def test_a_prune_keeps_what_is_used_and_takes_what_was_left(untrained, old: Artifact, tmp_path: Path) -> None:
    assert groupnl("device", "rollback", "local").exit_code == 2, "there is nothing to go back to"
    with connect(local_device()) as transport:
        for artifact in (untrained.torch, untrained.onnx):
            push_artifact(transport, artifact)
    left = root() / "incoming" / untrained.torch.sha256
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"a part")
    kept = groupnl("device", "prune", "local", "--keep", "1", "--json")
    said, size = json.loads(kept.stdout), sum(path.stat().st_size for path in untrained.torch.files)
    assert said["removed"] == [untrained.torch.sha256]
    assert said["leftovers"] == [f"incoming/{untrained.torch.sha256}"] and said["freed_bytes"] >= size + len(b"a part")
    assert set(listed()) == {old.sha256, untrained.onnx.sha256} and not left.exists()
    told = groupnl("device", "prune", "local", "--keep", "0").stdout
    assert "Removed 1 artifact from local" in told and f"artifacts/{untrained.onnx.sha256[:12]}\n" in told
    assert "Removed 0 artifacts from local and 0 leftovers: 0 B" in groupnl("device", "prune", "local").stdout
    assert {path.name for path in (root() / "artifacts").iterdir()} == set(listed()) == {old.sha256}
