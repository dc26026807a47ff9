"""By which backend a device tries an artifact: the usual one, unless only another has what it needs there."""

import sys
import venv
from pathlib import Path

import pytest

from device_agent.environments import serving


def provisioned(root: Path, backend: str) -> None:
    venv.create(root / "environments" / backend, with_pip=False)


def test_the_usual_one_serves_where_its_packages_are_and_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioned(tmp_path, "openvino")
    assert serving(tmp_path, "onnx", native=False) == "onnxruntime"
    monkeypatch.setattr(sys, "path", [])
    assert serving(tmp_path / "other", "onnx", native=False) == "onnxruntime"
    assert serving(tmp_path / "other", "torch", native=False) == "pytorch"


def test_another_one_serves_where_it_alone_was_provisioned_but_not_for_native_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    provisioned(tmp_path, "openvino")
    assert serving(tmp_path, "onnx", native=False) == "openvino"
    assert serving(tmp_path, "onnx", native=True) == "onnxruntime"
    provisioned(tmp_path, "onnxruntime")
    assert serving(tmp_path, "onnx", native=False) == "onnxruntime"
