"""The command line as a user meets it: one process a command, its streams, its exit codes, its refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app

GROUPNL = Path(sys.executable).with_name("groupnl")


def groupnl(*arguments: object, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [str(GROUPNL), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
    )


def here(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The same in this process, where streams and imports are not the claim: PyTorch is imported once for all."""
    words = [str(argument) for argument in arguments]
    done = CliRunner().invoke(app, words, env=environment)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def document(done: "subprocess.CompletedProcess[str]") -> dict:
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["schema_version"] == 1
    return data


def rows(done: "subprocess.CompletedProcess[str]") -> list[dict]:
    """The runs of a report on stdout; the exit code is 6 where one of them is invalid, and 0 where none is."""
    data = json.loads(done.stdout)
    assert done.returncode == (0 if all(row["valid"] for row in data["rows"]) else 6), done.stderr
    assert data["schema_version"] == 8
    return data["rows"]


def refusal(done: "subprocess.CompletedProcess[str]", code: int) -> str:
    """The two sentences of an error; nothing on stdout, no traceback."""
    return two_sentences(done.returncode, done.stdout, done.stderr, code)


def two_sentences(found: int, stdout: str, stderr: str, code: int) -> str:
    assert found == code, (found, stdout, stderr)
    assert stdout == ""
    assert "Traceback" not in stderr
    assert "Error:" in stderr and "Try:" in stderr
    return stderr


@pytest.mark.slow
def test_an_untrained_net_goes_all_the_way_with_json_on_stdout_alone(
    tmp_path: Path, sound_but_for_noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export and bench are processes: libraries in C write past Python's streams."""
    monkeypatch.chdir(tmp_path)
    made = document(here("models", "init", "resnet18_cifar", "--width", 0.125, "--out", "net", "--json"))
    assert made["checkpoint"]["trained"] is False and made["checkpoint"]["accuracy"] is None
    exported = document(groupnl("export", "net", "--format", "onnx", "--out", "art", "--json", cwd=tmp_path))
    assert exported["manifest"]["source"]["sha256"] == made["sha256"]
    pushed = document(here("push", "art", "--device", "local", "--json"))
    assert pushed["deployment"]["artifact_sha256"] == exported["sha256"]
    options = ("--seconds", 0.2, "--warmup", 0.1, "--idle", 0.1, "--images", 5, "--out", "run", "--json")
    done = groupnl("bench", "--device", "local", "--backend", "onnxruntime", *options, cwd=tmp_path)
    (row,) = rows(done)
    code = 0 if sound_but_for_noise(tmp_path / "run").valid else 6
    assert row["artifact_sha256"] == exported["sha256"] and row["accuracy"] is None and row["trained"] is False
    assert exported["sha256"][:12] in done.stderr
    assert rows(here("report", "run", "--json")) == [row]
    for format in ("table", "csv", "markdown"):
        shown = here("report", "run", "--format", format)
        assert shown.returncode == code and "resnet18_cifar" in shown.stdout
        assert (shown.stderr == "") == (code == 0)
        assert format != "table" or "[untrained]" in shown.stdout


def test_report_takes_campaigns_and_finds_all_runs(
    tmp_path: Path, untrained, sound_but_for_noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["push", str(untrained.onnx.directory), "--device", "local"]).exit_code == 0
    options = ["--seconds", "0", "--iterations", "100", "--warmup", "0", "--idle", "0", "--images", "2"]
    for out in ("runs/single", "runs/job/runs/a-null"):
        command = ["bench", "--device", "local", "--backend", "null", *options, "--out", out]
        code = CliRunner().invoke(app, command).exit_code
        assert code == (0 if sound_but_for_noise(tmp_path / out).valid else 6)
    for arguments, names in (
        ([], ["single", "a-null"]),
        (["runs/job"], ["a-null"]),
        (["runs/job", "runs/single"], ["a-null", "single"]),
    ):
        found = json.loads(CliRunner().invoke(app, ["report", *arguments, "--json"]).stdout)["rows"]
        assert [row["run"] for row in found] == names


def test_devices_are_added_shown_and_removed() -> None:
    options = (
        "--host",
        "pi.local",
        "--user",
        "pi",
        "--port",
        2222,
        "--python",
        ".venv/bin/python",
        "--no-probe",
        "--json",
    )
    document(here("device", "add", "pi", *options))
    listed = document(here("device", "list", "--json"))
    assert [device["name"] for device in listed["devices"]] == ["local", "pi"]
    assert document(here("device", "show", "pi", "--json"))["device"]["port"] == 2222
    assert "pi.local" in here("device", "list").stdout
    assert here("device", "remove", "pi").returncode == 0
    refusal(here("device", "show", "pi"), 2)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("models", "init", "resnet18_cifra", "--out", "x"), 2, ["resnet18_cifra", "resnet18_cifar"]),
        (("train", "--dataset", "digit", "--out", "x"), 2, ["“digit”", "digits"]),
        (("train", "--model", "resnet", "--out", "x"), 2, ["“resnet”", "resnet18_cifar"]),
        (("train", "--conv", "groupnn", "--out", "x"), 2, ["“groupnn”", "groupnl"]),
        (("train", "--semantics", "papers", "--out", "x"), 2, ["“papers”", "paper"]),
        (("train", "--width", "0.01", "--out", "x"), 2, ["width"]),
        (("train", "--epochs", "0", "--out", "x"), 2, ["epochs", "at least 1"]),
        (("export", "nothing", "--out", "x"), 2, ["nothing does not exist"]),
        (("export", "{net}", "--format", "onxx", "--out", "x"), 2, ["“onxx”", "onnx"]),
        (("export", "{net}", "--out", "{net}"), 2, ["exists already"]),
        (("push", "{net}", "--device", "local"), 2, ["no artifact"]),
        (("export", "{net}", "--out", "/proc/nowhere/x"), 2, ["Cannot write"]),
        (("export", "{net}", "--out", "x" * 300), 2, ["Cannot write", "too long"]),
        (("models", "init", "resnet18_cifar", "--width", "1e300", "--out", "x"), 2, ["1e+300", "at most"]),
        (("models", "init", "resnet18_cifar", "--seed", str(10**30), "--out", "x"), 2, ["eed is 1000"]),
        (("bench", "--device", "local", "--backend", "null", "--seconds", "nan"), 2, ["between 0 s and a day"]),
        (("push", "{onnx}", "--device", "pi"), 2, ["“pi”", "local", "device add"]),
        (("bench", "--device", "local", "--backend", "onnxruntme"), 2, ["“onnxruntme”", "onnxruntime"]),
        (("bench", "--device", "local", "--backend", "null"), 2, ["Nothing that null can run", "push"]),
        (("bench", "--device", "local", "--backend", "null", "--artifact", "zz"), 2, ["neither an artifact"]),
        (("bench", "--device", "local", "--backend", "null", "--port", "x"), 2, ["--port", "need --meter"]),
        (
            ("bench", "--device", "local", "--backend", "null", "--meter", "replay", "--port", "x"),
            2,
            ["did not see this run", "power integrate"],
        ),
        (
            ("bench", "--device", "local", "--backend", "null", "--meter", "km003c", "--port", "x", "--seconds", 1),
            2,
            ["at least 10 s"],
        ),
        (
            ("bench", "--device", "local", "--backend", "onnxruntime", "--artifact", "{torch}"),
            2,
            ["has the format torch", "--backend pytorch"],
        ),
        (("report", "nothing"), 2, ["is no run"]),
        (("report",), 2, ["no runs"]),
        (("report", "x", "--format", "jsn"), 2, ["“jsn”", "json"]),
        (("run", "nothing.toml"), 2, ["nothing.toml"]),
        (("device", "add", "local", "--host", "x"), 2, ["reserved"]),
        (("device", "remove", "pi"), 2, ["“pi”"]),
    ],
)
def test_likely_mistakes(arguments, code, words, untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: thirty of their own would import torch thirty times."""
    monkeypatch.chdir(tmp_path)
    names = {
        "{net}": untrained.checkpoint,
        "{onnx}": untrained.onnx.directory,
        "{torch}": untrained.torch.directory,
    }
    done = CliRunner().invoke(app, [str(names.get(word, word)) for word in arguments])
    said = two_sentences(done.exit_code, done.stdout, done.stderr, code)
    for word in words:
        assert word in said
    assert [path.name for path in tmp_path.iterdir() if path.name != "groupnl-home"] == []


@pytest.mark.parametrize("command", [("bench", "{net}"), ("compare", "{net}", "{onnx}")])
def test_a_missing_meter_is_exit_code_3_before_anything_is_exported_or_the_device_is_asked(
    command: tuple[str, ...], untrained_copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"{net}": untrained_copy.checkpoint, "{onnx}": untrained_copy.onnx.directory}
    before = sorted(untrained_copy.checkpoint.parent.iterdir())
    options = ("--device", "local", "--meter", "km003c", "--port", "ttyACM0", "--out", "run")
    done = CliRunner().invoke(app, [*(str(names.get(word, word)) for word in command), *options])
    assert "ttyACM0" in two_sentences(done.exit_code, done.stdout, done.stderr, 3)
    assert not Path("run").exists() and sorted(untrained_copy.checkpoint.parent.iterdir()) == before
    assert not list(tmp_path.rglob("local-device")), "the device was asked"


def test_a_damaged_artifact_is_exit_code_4(untrained_copy, tmp_path: Path) -> None:
    path = untrained_copy.onnx.directory / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    said = refusal(here("push", untrained_copy.onnx.directory, "--device", "local"), 4)
    assert "bytes" in said


def test_weights_that_are_no_numbers_are_exit_code_5(tmp_path: Path) -> None:
    import torch

    from groupnl_deploy.models.spec import ConvSpec, ModelSpec
    from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

    draft, model = initialise_checkpoint(ModelSpec("resnet18_cifar", ConvSpec("standard"), width=0.125))
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    save_checkpoint(tmp_path / "net", draft, model)
    refusal(here("export", tmp_path / "net", "--out", tmp_path / "art"), 5)
    assert not (tmp_path / "art").exists()


SHUFFLED = """
import sys
from torch import nn
from torch.nn import functional
forward = nn.MaxPool2d.forward
nn.MaxPool2d.forward = lambda self, x: functional.channel_shuffle(forward(self, x), 2)
from groupnl_deploy.cli.entry import entry
entry()
"""


@pytest.mark.slow
def test_an_export_that_fails_prints_no_document_and_no_graph(untrained, tmp_path: Path) -> None:
    words = ["export", str(untrained.checkpoint), "--out", "art", "--json"]
    code = [sys.executable, "-c", SHUFFLED, *words]
    done = subprocess.run(code, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "aten::channel_shuffle of features.3 (MaxPool2d) has no form in ONNX" in done.stderr
    assert len(done.stderr) < 2000


def test_usage_errors_of_the_parser_are_exit_code_2(tmp_path: Path) -> None:
    for arguments in (("bench",), ("export",), ("trian",), ("bench", "--device", "local", "--backend")):
        done = groupnl(*arguments, cwd=tmp_path) if arguments == ("bench",) else here(*arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.parametrize("time", ["-1", "nan", "inf", "ten", "5 minutes", "25h", "1e3"])
def test_a_time_that_nobody_can_wait_is_exit_code_2(time: str) -> None:
    for command in (("push", "x", "--wait"), ("bench", "--backend", "null", "--wait"), ("push", "x", "--retry-for")):
        done = here(*command, time, "--device", "local")
        assert done.returncode == 2 and command[-1] in done.stderr and "Traceback" not in done.stderr


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for arguments in (("--debug", "device", "show", "nothing"), ("device", "show", "nothing", "--debug")):
        done = groupnl(*arguments, cwd=tmp_path)
        assert done.returncode == 2 and "Traceback" in done.stderr and "Error:" in done.stderr


@pytest.mark.slow
def test_colours_obey_no_color_and_a_pipe(tmp_path: Path) -> None:
    assert "\x1b[" not in groupnl("device", "list", cwd=tmp_path).stdout
    coloured = groupnl("device", "list", cwd=tmp_path, FORCE_COLOR="1").stdout
    assert "\x1b[" in coloured
    assert "\x1b[3" not in groupnl("device", "list", cwd=tmp_path, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_ctrl_c_in_the_middle_of_an_import_is_exit_code_1_too(tmp_path: Path) -> None:
    """A dataclass is made by an exec; CPython would die of the signal if Ctrl-C had hit one."""
    command = """
import typer
from groupnl_deploy.cli.exits import guarded
app = typer.Typer()
app.command()(guarded(lambda: exec("raise KeyboardInterrupt")))
app([])
"""
    stopped = subprocess.run([sys.executable, "-c", command], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert stopped.returncode == 1, stopped.stderr
    assert "Stopped." in stopped.stderr and "Traceback" not in stopped.stderr


def test_a_reader_that_leaves_early_is_no_traceback(tmp_path: Path) -> None:
    """Its end of the pipe is closed before the first byte is written."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [GROUPNL, "device", "list", "--json"],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "Error" not in done.stderr


def test_another_projects_package_over_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "exporters").mkdir()
    (tmp_path / "exporters" / "__init__.py").write_text("")
    (tmp_path / "exporters" / "errors.py").write_text("class ExportError(Exception): pass\n")
    code = "import sys; sys.path.insert(0, '.'); from groupnl_deploy.cli.entry import entry; entry()"
    command = [sys.executable, "-c", code, "models", "list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another project" in done.stderr and "virtual environment" in done.stderr
