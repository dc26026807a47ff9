"""Settings: what no benchmark can have, what a backend does not read, and that what it reads is applied."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import onnxruntime
import pytest

from device_agent import wire
from device_agent.backend_table import BACKENDS, require_read, unread_settings
from device_agent.backends import Subject, open_backend
from device_agent.messages.bench import BenchRequest
from device_agent.settings import GraphLevel, SettingError, Settings, Workload
from device_agent.strict import StrictError
from groupnl_deploy.errors import option_name


@pytest.mark.parametrize(
    "changes",
    [
        {"idle_s": -1.0},
        {"idle_s": float("inf")},
        {"min_seconds": float("nan")},
        {"warmup_s": 1e300},
        {"min_iterations": 0},
        {"images": -1},
    ],
)
def test_a_workload_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingError) as refused:
        Workload(**changes)
    assert refused.value.fields == tuple(changes) and "{" not in str(refused.value)


@pytest.mark.parametrize("changes", [{"threads": -1}, {"threads": 1025}, {"graph_level": "al"}])
def test_settings_that_are_none_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingError) as refused:
        Settings(**changes)
    (field,) = changes
    problem, _ = refused.value.worded(option_name)
    assert problem.startswith(option_name(field)) and refused.value.problem.startswith(field)


def test_a_request_with_such_settings_is_no_message() -> None:
    line = json.loads(wire.encode(BenchRequest("/x", "a" * 64, "null", Settings(), 1, 0.0)))
    line["settings"]["workload"]["idle_s"] = -1.0
    with pytest.raises(StrictError, match=r"settings\.workload: idle_s is -1 s"):
        wire.decode(json.dumps(line).encode())


def test_a_backend_refuses_what_it_would_not_read() -> None:
    tuned = Settings(threads=2, spinning=False, arena=False, graph_level="basic")
    assert unread_settings("onnxruntime", tuned) == ()
    assert unread_settings("pytorch", tuned) == ("spinning", "arena", "graph_level")
    assert unread_settings("pytorch", Settings(threads=2, workload=Workload(images=1))) == ()
    for backend in ("pytorch", "openvino"):
        with pytest.raises(SettingError, match=f"the backend {backend} does not read it"):
            require_read(backend, tuned)


def test_every_backend_names_settings_that_there_are() -> None:
    assert all(entry.settings <= set(Settings.__dataclass_fields__) for entry in BACKENDS.values())


@pytest.mark.parametrize("level", get_args(GraphLevel))
def test_onnxruntime_runs_under_the_settings_it_was_given(untrained, level: GraphLevel) -> None:
    """Read back from the session, which has what it was made with."""
    settings = Settings(2, spinning=level == "all", arena=level == "all", graph_level=level)
    backend: Any = open_backend("onnxruntime")
    backend.load(Subject(untrained.onnx.directory, untrained.onnx.manifest, Path("none")), settings)
    applied = backend._session.get_session_options()
    assert applied.intra_op_num_threads == 2
    assert applied.get_session_config_entry("session.intra_op.allow_spinning") == ("1" if level == "all" else "0")
    assert applied.enable_cpu_mem_arena == applied.enable_mem_pattern == settings.arena
    names = {"none": "DISABLE_ALL", "basic": "ENABLE_BASIC", "extended": "ENABLE_EXTENDED", "all": "ENABLE_ALL"}
    wanted = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{names[level]}")
    assert applied.graph_optimization_level == wanted


def test_the_threads_of_pytorch_are_those_it_was_given(untrained) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            settings = replace(Settings(), threads=threads)
            subject = Subject(untrained.torch.directory, untrained.torch.manifest, Path("none"))
            open_backend("pytorch").load(subject, settings)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
