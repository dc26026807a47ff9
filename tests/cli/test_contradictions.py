"""Options that contradict each other, or that would do nothing beside the others, are a usage error."""

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app

BENCH = ("bench", "--device", "local", "--backend", "onnxruntime")
RECORD = ("power", "record", "--out", "new.csv", "--duration", "1")
CASES = [
    (("report", "--json", "--format", "csv"), "two formats at once"),
    (("report", "--json", "--format", "table"), "two formats at once"),
    (("report", "--json", "--format", "markdown"), "two formats at once"),
    ((*BENCH, "--port", "emulator"), "need --meter"),
    ((*BENCH, "--sign", "-1"), "need --meter"),
    ((*BENCH, "--meter-rate", "50"), "need --meter"),
    ((*BENCH, "--meter", "hwmon", "--port", "emulator"), "is for km003c"),
    ((*RECORD, "--meter", "hwmon", "--port", "emulator"), "is for km003c"),
    ((*RECORD, "--meter", "km003c", "--port", "emulator", "--meter-rate", "50"), "cannot be told how often"),
    (("export", "net", "--out", "new", "--format", "torch", "--bisect"), "--bisect is for ONNX"),
    (("export", "net", "--out", "new", "--format", "torch", "--opset", "18", "--batch", "dynamic"), "are for ONNX"),
    (("export", "net", "--out", "new", "--format", "torch", "--optimize", "native"), "--optimize native is for ONNX"),
    (("export", "net", "--out", "new", "--optimize", "none", "--bisect"), "has no pass"),
    (("export", "net", "--onnx", "a.onnx", "--out", "new"), "two things to export"),
    (("export", "net", "--images", "pictures", "--mean", "0.5", "--out", "new"), "--images and --mean are for --onnx"),
    (("export", "--onnx", "a.onnx", "--format", "torch", "--out", "new"), "--format is for a checkpoint"),
    (("export", "--onnx", "a.onnx", "--opset", "13", "--out", "new"), "--opset is for a checkpoint"),
    (("export", "--onnx", "a.onnx", "--inputs", "x.npz", "--images", "p", "--out", "new"), "has the inputs ready"),
    (("export", "--onnx", "a.onnx", "--module", "a.py:f", "--out", "new"), "--module is for a checkpoint"),
    (("models", "show", "resnet18_cifar", "--semantics", "paper"), "only GroupNL has"),
    (
        ("models", "init", "resnet18_cifar", "--conv", "mono", "--semantics", "paper", "--out", "new"),
        "only GroupNL has",
    ),
    (("models", "show", "resnet18_cifar", "--conv", "standard", "--ratio", "4"), "knob"),
    (("models", "show", "vgg19_cifar", "--conv", "grouped", "--group-size", "4", "--num-groups", "4"), "not both"),
    (("power", "integrate", "no.csv", "--idle-from", "2"), "needs both"),
    (("power", "emulate", "--duration", "0.1", "--replug-at", "1"), "cannot be put back"),
    (("power", "emulate", "--duration", "0.1", "--silent-until", "1"), "no start"),
    (("power", "emulate", "--duration", "0.1", "--silent-from", "2", "--silent-until", "1"), "is none"),
    (("power", "emulate", "--duration", "0.1", "--interpolate"), "--interpolate is for --load"),
    (("power", "emulate", "--duration", "0.1", "--load", "l.csv", "--volts", "5"), "--volts and --amps are not"),
]


@pytest.mark.parametrize(("arguments", "words"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_a_contradiction_is_a_usage_error(
    arguments: tuple[str, ...], words: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 2 and words in done.stderr and done.stdout == "", done.output
    assert list(tmp_path.iterdir()) == [tmp_path / "groupnl-home"] or list(tmp_path.iterdir()) == []


def test_what_agrees_is_no_contradiction(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", "--json", "--format", "json"])
    assert "There are no runs" in done.stderr
