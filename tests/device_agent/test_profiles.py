"""The real profilers of the runtimes, on a small network."""

from pathlib import Path

import numpy as np
import pytest

from device_agent import profiling, runner
from device_agent.backends import Subject, open_backend
from device_agent.messages.profile import Profiled
from device_agent.settings import Settings
from device_agent.strict import from_dict
from exporters.artifact import Artifact
from groupnl_deploy.models.layer_roles import layer_roles
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.report.profile import OUTSIDE, Steady, run_profile
from tests.rigs.openvino_here import NEEDS_OPENVINO


def profile_of(backend_name: str, artifact: Artifact) -> Profiled:
    backend, subject = open_backend(backend_name), Subject(artifact.directory, artifact.manifest, Path("none"))
    backend.load(subject, Settings(1))
    image = np.zeros((1, 3, 32, 32), dtype=np.float32)
    return backend.profile(subject, Settings(1), [backend.prepare({artifact.manifest.inputs[0].name: image})])


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "ENOUGH_S", 0.0)


@pytest.mark.parametrize("backend", ["onnxruntime", pytest.param("openvino", marks=NEEDS_OPENVINO), "pytorch"])
def test_every_operator_is_counted_in_every_run_and_has_the_layer_that_it_is_of(backend: str, untrained) -> None:
    found = profile_of(backend, untrained.torch if backend == "pytorch" else untrained.onnx)
    runs = len(found.latencies_ns)
    assert runs == profiling.LEAST_RUNS and found.problem is None
    assert all(one.calls % runs == 0 and one.calls and one.total_ns >= 0 for one in found.operators)
    assert 0 < sum(one.total_ns for one in found.operators) <= sum(found.latencies_ns)
    assert all(place < len(found.operators) for one in found.operators for place in one.after)
    convolutions = [one for one in found.operators if "conv" in one.kind.lower() and one.origins]
    assert len(convolutions) >= 8, "VGG-11 has so many"
    roles = layer_roles(from_dict(ModelSpec, untrained.onnx.manifest.model, "model"))
    layers = run_profile(found, roles, Steady(1.0)).layers
    assert {one.layer for one in layers if one.seeds_ms is not None} == {
        name for name, role in roles.items() if role.seeds
    }
    assert {one.kind for one in layers if one.ms and "conv" in one.layer} <= {"groupnl", "standard"}
    assert sum(one.operators for one in layers if one.layer == OUTSIDE) <= 2  # the classifier's flatten


def test_the_null_backend_has_no_operators(untrained) -> None:
    found = profile_of("null", untrained.onnx)
    assert found.operators == () and len(found.latencies_ns) >= profiling.LEAST_RUNS


def test_a_profiler_that_fails_leaves_the_benchmark_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def profile(self, *_: object) -> Profiled:
            raise OSError(28, "No space left on device")

    found = runner._profiled(runner._Measured(Full(), (), 3), None, Settings(1))  # type: ignore[arg-type]
    assert found == Profiled((), (), "the profiler failed: [Errno 28] No space left on device")


def test_a_slow_network_is_profiled_once_at_least_and_a_fast_one_no_more_than_fits_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(profiling, "MOST_S", 0.0)
    assert len(profiling.timed_runs(str, [1], operators=1)) == 1
    monkeypatch.setattr(profiling, "MOST_S", 5.0)
    monkeypatch.setattr(profiling, "ENOUGH_S", 5.0)
    monkeypatch.setattr(profiling, "MOST_CALLS", 900)
    assert len(profiling.timed_runs(str, [1], operators=30)) == 30
    assert len(profiling.timed_runs(str, [1], operators=10_000)) == profiling.LEAST_RUNS
