"""What is wrong with the packages ncnn and pnnx here: each thing has its own message, and nothing is left."""

import sys
from collections.abc import Iterator
from pathlib import Path

import ncnn
import onnx
import pnnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from device_agent.manifest import TensorInfo
from exporters.errors import ExportFailed
from exporters.ncnn import packages
from exporters.ncnn.convert import converted
from groupnl_deploy.cli.main import app

INPUT = TensorInfo("x", (1, 3, 8, 8))
DIES = "import os, signal; os.kill(os.getpid(), signal.{})"


def relu() -> onnx.ModelProto:
    given, wanted = (helper.make_tensor_value_info(name, TensorProto.FLOAT, INPUT.shape) for name in "xy")
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "own", [given], [wanted])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(autouse=True)
def tried_anew() -> Iterator[None]:
    packages.require_runtime.cache_clear()
    yield
    packages.require_runtime.cache_clear()


@pytest.fixture
def ncnn_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where another package `ncnn` stands before the real one, for this process and those that it starts."""
    folder = tmp_path / "first"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    assert sys.modules["ncnn"] is ncnn  # which comes back behind the test
    monkeypatch.delitem(sys.modules, "ncnn")
    return folder / "ncnn.py"


@pytest.mark.parametrize(
    ("source", "says", "remedy"),
    [
        ("raise ModuleNotFoundError('no', name='ncnn')", "needs pnnx and ncnn, and ncnn is not installed", "ncnn]"),
        (
            "raise ImportError('libgomp.so.1: cannot open')",
            "cannot be loaded: libgomp.so.1: cannot open",
            "what it names",
        ),
        ("import none_of_ours", "cannot be loaded: No module named 'none_of_ours'", "what it names"),
        ("__version__ = '1'", "not Tencent's, or not whole: .*'Net'", "--force-reinstall"),
        (DIES.format("SIGILL"), "met an instruction that its processor does not have", "--force-reinstall"),
        (DIES.format("SIGSEGV"), "crashed inside a library", "--force-reinstall"),
    ],
    ids=["missing", "without a library", "without a package", "another", "of another processor", "crashing"],
)
def test_a_runtime_that_cannot_be_used_is_told(source: str, says: str, remedy: str, ncnn_is: Path) -> None:
    ncnn_is.write_text(source)
    with pytest.raises(ExportFailed, match=says) as refused:
        converted(relu(), [INPUT], 1)
    assert remedy in refused.value.remedy


def test_a_converter_that_is_missing_or_another_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pnnx, "EXEC_PATH")
    with pytest.raises(ExportFailed, match=r"not Tencent's, or not whole: .*EXEC_PATH"):
        converted(relu(), [INPUT], 1)
    monkeypatch.setitem(sys.modules, "pnnx", None)
    with pytest.raises(ExportFailed, match="needs pnnx and ncnn, and pnnx is not installed"):
        converted(relu(), [INPUT], 1)


@pytest.mark.parametrize(
    ("source", "mode", "says", "remedy"),
    [
        (None, 0o755, "cannot be started: No such file", "--force-reinstall"),
        ("#!/bin/sh\n", 0o644, "cannot be started: Permission denied", "--force-reinstall"),
        ("\x7fELF", 0o755, "cannot be started: Exec format error", "--force-reinstall"),
        ("#!/bin/sh\nkill -ILL $$\n", 0o755, "pnnx met an instruction that its processor", "--force-reinstall"),
        ("#!/bin/sh\nkill -SEGV $$\n", 0o755, "ncnn's: pnnx crashed inside a library", "--format onnx"),
        ("#!/bin/sh\necho no such thing\nexit 3\n", 0o755, "pnnx ended with 3: no such thing", "--format onnx"),
        ("#!/bin/sh\n", 0o755, "gave no network: it said nothing", "--format onnx"),
    ],
    ids=["gone", "no program", "of another machine", "of another processor", "crashing", "failing", "silent"],
)
def test_a_converter_that_does_not_work_is_told(
    source: str | None, mode: int, says: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pnnx"
    if source is not None:
        program.write_text(source)
        program.chmod(mode)
    monkeypatch.setattr(pnnx, "EXEC_PATH", str(program))
    with pytest.raises(ExportFailed, match=says) as refused:
        converted(relu(), [INPUT], 1)
    assert remedy in refused.value.remedy


def test_the_command_line_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ncnn_is: Path
) -> None:
    ncnn_is.write_text(DIES.format("SIGILL"))
    monkeypatch.chdir(tmp_path)
    onnx.save(relu(), "own.onnx")
    before = _files(tmp_path)
    done = CliRunner().invoke(app, ["export", "--onnx", "own.onnx", "--format", "ncnn", "--out", "made"])
    assert done.exit_code == 1 and "Traceback" not in done.output
    assert "met an instruction" in done.stderr and "Try:" in done.stderr
    assert _files(tmp_path) == before


def _files(folder: Path) -> list[Path]:
    """Without the bytecode that Python keeps of what it imports."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)
