"""The backend openvino: precision, types and shapes as asked, refusals with a remedy, and nothing sent or left."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from device_agent import probe, trial
from device_agent.acceptance import require_golden
from device_agent.backends import Subject, open_backend
from device_agent.doctor import try_package
from device_agent.errors import BackendFailed, FewerThreads
from device_agent.manifest import DTYPES
from device_agent.probe import usable_cores
from device_agent.settings import Settings
from exporters.artifact import Artifact
from groupnl_deploy.cli.main import app
from tests.device_agent.graph_artifacts import (
    AS_THEY_ARE,
    box_samples,
    channels_last,
    graph,
    graph_artifact,
    masked_text,
    text_samples,
    two_outputs,
)
from tests.rigs.native_graphs import native_artifact
from tests.rigs.openvino_here import NEEDS_OPENVINO

pytestmark = NEEDS_OPENVINO
ROOT = Path(__file__).parents[2]


def loaded(artifact: Artifact, threads: int = 1) -> Any:
    backend = open_backend("openvino")
    backend.load(Subject(artifact.directory, artifact.manifest, Path("none")), Settings(threads))
    return backend


def test_it_computes_in_single_precision_on_the_threads_that_were_asked_for(untrained: Any) -> None:
    for threads in {1, usable_cores()}:
        backend = loaded(untrained.onnx, threads)
        told = backend._request.get_compiled_model().get_property
        assert told("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
        assert told("EXECUTION_MODE_HINT").name == "ACCURACY" and told("DYNAMIC_QUANTIZATION_GROUP_SIZE") == 0
        assert (told("INFERENCE_NUM_THREADS"), told("NUM_STREAMS")) == (threads, 1)
        assert backend.versions["openvino"] == version("openvino") and backend.providers == ("CPU",)
        require_golden(backend, untrained.onnx.directory, untrained.onnx.manifest)


def test_fewer_threads_than_were_asked_for_are_refused_and_tried_with_one(
    untrained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = usable_cores()
    with pytest.raises(FewerThreads, match=rf"on {cores} of the {cores + 1} threads") as refused:
        loaded(untrained.onnx, cores + 1)
    assert f"--threads {cores}" in refused.value.remedy
    monkeypatch.setattr(probe, "usable_cores", lambda: cores + 1)
    backend: Any = open_backend("openvino")
    trial._load(backend, Subject(untrained.onnx.directory, untrained.onnx.manifest, Path("none")))
    assert backend._request.get_compiled_model().get_property("INFERENCE_NUM_THREADS") == 1


@pytest.mark.parametrize(
    ("make", "samples", "preprocessing"),
    [(masked_text, text_samples(), None), (channels_last, None, AS_THEY_ARE), (two_outputs, box_samples(), None)],
    ids=["ids and mask", "uint8 NHWC", "two outputs"],
)
def test_it_gives_the_golden_answers_of_any_graph(make: Any, samples: Any, preprocessing: Any, tmp_path: Path) -> None:
    artifact = graph_artifact(tmp_path / "mine", make(), samples, preprocessing)
    require_golden(loaded(artifact), artifact.directory, artifact.manifest)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_type_goes_in_and_comes_out(dtype: str, tmp_path: Path) -> None:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    twice = [helper.make_node("Concat", ["x", "x"], ["z"], axis=1)]
    made = graph(twice, {"x": (element, [1, 3])}, {"z": (element, [1, 6])})
    artifact = graph_artifact(tmp_path / "mine", made, {"x": np.array([[[1, 0, 2]]]).astype(dtype)})
    require_golden(loaded(artifact), artifact.directory, artifact.manifest)


def test_a_single_number_has_no_axis(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)]
    made = graph(nodes, {"x": (TensorProto.FLOAT, [1, 2])}, {"y": (TensorProto.FLOAT, [])})
    artifact = graph_artifact(tmp_path / "mine", made, {"x": np.array([[[1.5, 2]]], np.float32)})
    backend = loaded(artifact)
    require_golden(backend, artifact.directory, artifact.manifest)
    assert list(backend.prepare({"x": np.array(1.5, np.float32)})["x"].shape) == []


def test_answers_stay_when_the_next_are_computed_and_inputs_may_lie_in_any_order(untrained: Any) -> None:
    backend, images = loaded(untrained.onnx), np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    fed = [{"input": image.transpose(2, 0, 1)[None]} for image in images]
    first, second = (backend.outputs(backend.run(backend.prepare(one)))["logits"] for one in fed)
    again = backend.outputs(backend.run(backend.prepare({"input": np.ascontiguousarray(fed[0]["input"])})))["logits"]
    assert np.array_equal(first, again) and not np.array_equal(first, second)


def test_a_graph_of_a_dynamic_batch_answers_any_number_of_images(tmp_path: Path) -> None:
    artifact = graph_artifact(tmp_path / "mine", two_outputs(), box_samples())
    path = artifact.path("model")
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, path)
    backend = loaded(artifact)
    for count in (1, 5, 2):
        x = np.random.default_rng(count).standard_normal((count, 4, 6)).astype(np.float32)
        found = backend.outputs(backend.run(backend.prepare({"x": x})))
        np.testing.assert_allclose(found["boxes"], 1 / (1 + np.exp(-x)), atol=1e-6)
        assert np.array_equal(found["largest"], x.argmax(2)) and found["largest"].dtype == np.int64


def test_an_operator_that_it_lacks_is_named_with_a_backend_that_has_it(tmp_path: Path) -> None:
    node = helper.make_node("Det", ["x"], ["y"])
    made = graph([node], {"x": (TensorProto.FLOAT, [1, 2, 2])}, {"y": (TensorProto.FLOAT, [1])})
    artifact = graph_artifact(tmp_path / "mine", made, {"x": np.eye(2, dtype=np.float32)[None, None]})
    says = r"^OpenVINO [0-9.]+ cannot load the model: [^\n]*operations: Det-17\.$"
    with pytest.raises(BackendFailed, match=says) as no:
        loaded(artifact)
    assert "Use the backend onnxruntime" in no.value.remedy
    require_golden(_by_onnxruntime(artifact), artifact.directory, artifact.manifest)


def _by_onnxruntime(artifact: Artifact) -> Any:
    backend = open_backend("onnxruntime")
    backend.load(Subject(artifact.directory, artifact.manifest, Path("none")), Settings(1))
    return backend


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 0.5, -1])
def test_a_file_cut_short_is_a_failure_of_the_backend(untrained_copy: Any, keep: float) -> None:
    path = untrained_copy.onnx.path("model")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(BackendFailed, match=r"cannot load the model: [^\n]+\.$"):
        loaded(untrained_copy.onnx)


_ALTERED = """
import random, sys
from pathlib import Path
from types import SimpleNamespace
from device_agent.backends import open_backend
from device_agent.errors import BackendFailed
from device_agent.settings import Settings
from tests.device_agent.graph_artifacts import channels_last, masked_text, two_outputs

folder, count, drawn = Path.cwd(), int(sys.argv[1]), random.Random(0)
manifest = SimpleNamespace(file=lambda role: SimpleNamespace(name="model.onnx"), outputs=[])
wholes = [make().SerializeToString() for make in (masked_text, two_outputs, channels_last)]
backend, refused = open_backend("openvino"), 0
for _ in range(count):
    data = bytearray(drawn.choice(wholes))
    if drawn.random() < 0.3:
        del data[drawn.randrange(len(data)) :]
    else:
        for _ in range(drawn.choice([1, 2, 5, 20])):
            data[drawn.randrange(drawn.choice([50, len(data)]))] = drawn.randrange(256)
    (folder / "model.onnx").write_bytes(data)
    try:
        backend.load(SimpleNamespace(directory=folder, manifest=manifest), Settings(1))
    except BackendFailed:
        refused += 1
print(refused)
"""


@pytest.mark.slow
def test_altered_files_end_in_a_failure_and_in_no_crash_and_no_hang(tmp_path: Path) -> None:
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", _ALTERED, "2000"]
    # It repeats bytes of the files on standard error.
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, env=settings, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:].decode(errors="replace")
    assert 1000 < int(done.stdout) < 2000


@pytest.mark.usefixtures("native_cache")
def test_native_operators_are_refused_by_folder_and_by_id(tmp_path: Path, native_library: Any) -> None:
    artifact = native_artifact(tmp_path / "mine")

    def groupnl(*words: object) -> Any:
        return CliRunner().invoke(app, [*map(str, words), "--device", "local"])

    assert groupnl("push", tmp_path / "mine").exit_code == 0
    for named in (tmp_path / "mine", artifact.sha256[:12]):
        done = groupnl("bench", named, "--backend", "openvino", "--out", tmp_path / "run")
        said = " ".join(done.stderr.split())
        assert done.exit_code == 2 and "which the backend openvino does not run" in said, done.output
        assert "Use the backend onnxruntime; or export with --optimize full" in said


_OPENED = """
import sys
from device_agent.backends import open_backend
open_backend("openvino")
print(sorted(name for name in sys.modules if name.split(".")[0] == "openvino_telemetry" and sys.modules[name]))
"""


def test_nobody_is_told_of_it_and_nothing_is_left_or_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported by itself it leaves a number in the home folder by which its maker counts this machine's imports."""
    monkeypatch.setenv("HOME", str(tmp_path))
    command = [sys.executable, "-P", "-c", _OPENED]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=settings)
    assert done.stdout == "[]\n"
    tried = try_package(tmp_path, "openvino", "openvino", 60.0)
    assert tried.exit_code == 0 and str(tried.version).startswith(version("openvino"))
    assert list(tmp_path.iterdir()) == []


def test_it_is_benchmarked_profiled_and_compared_with_the_other_runtime(tmp_path: Path) -> None:
    graph_artifact(tmp_path / "mine", masked_text(), text_samples())
    short = ("--idle", "0", "--warmup", "0", "--seconds", "0", "--iterations", "3", "--threads", "1")
    rows, said = [], []
    for backend in ("openvino", "onnxruntime"):
        out = str(tmp_path / backend)
        words = ["bench", str(tmp_path / "mine"), "--device", "local", "--backend", backend, "--out", out, "--profile"]
        done = CliRunner().invoke(app, [*words, *short])
        assert done.exit_code == 6, done.output  # three inferences are no measurement
        said.append(" ".join(done.output.split()))
        rows += json.loads(CliRunner().invoke(app, ["report", out, "--json"]).stdout)["rows"]
    ours, other = rows
    assert (ours["backend"], other["backend"]) == ("openvino", "onnxruntime")
    assert f"openvino {version('openvino')}" in ours["versions"] and ours["spinning"] is None
    assert "OpenVINO counts each call" in said[0] and "ONNX Runtime counts each call" in said[1]
    told = CliRunner().invoke(app, ["compare", str(tmp_path / "onnxruntime"), str(tmp_path / "openvino")])
    assert "Compared: Backend: A onnxruntime, B openvino" in " ".join(told.output.split()), told.output


def test_another_answer_than_the_golden_one_names_the_backend_that_may_give_it(tmp_path: Path) -> None:
    """It leaves out a rounding to bfloat16 that the file asks for."""
    nodes = [
        helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["y"], ["z"], to=TensorProto.FLOAT),
    ]
    made = graph(nodes, {"x": (TensorProto.FLOAT, [1, 2])}, {"z": (TensorProto.FLOAT, [1, 2])})
    artifact = graph_artifact(tmp_path / "mine", made, {"x": np.array([[[1.00390625, 3.01]]], np.float32)})
    with pytest.raises(BackendFailed, match=r"another answer .*: max \|Δ\| of z") as no:
        require_golden(loaded(artifact), artifact.directory, artifact.manifest)
    assert "the other backend of onnxruntime and openvino" in no.value.remedy
    require_golden(_by_onnxruntime(artifact), artifact.directory, artifact.manifest)
