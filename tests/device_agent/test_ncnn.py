"""ncnn on a device: a benchmark by the real agent, and altered files, which end in a fault and never in a hang."""

import ast
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from device_agent.backend_table import BACKENDS, backend_for
from device_agent.backends import Subject, open_backend
from device_agent.errors import RuntimeTooOld
from device_agent.manifest import Format
from device_agent.ncnn_param import NeedsNewerNcnn, NotNcnn, inputs_of, outputs_of, read_param, require_reader
from device_agent.packages import IN_ENVIRONMENT
from device_agent.settings import Settings
from exporters.artifact import Artifact
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

SHORT = ["--idle", "0", "--warmup", "0", "--seconds", "0", "--iterations", "3"]
TEXT = """7767517
3 3
Input in0 0 1 in0
Convolution conv 1 1 in0 1 0=4 1=3 6=108 -23303=1,0
Reshape flat 1 1 1 out0 6="1,//(24,0n)"
"""


def groupnl(*words: Any) -> Any:
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("ncnn")
    spec = model_spec("mobilenetv1_cifar", "groupnl-sparse", width=0.125, num_classes=10, input_shape=(3, 32, 32))
    save_checkpoint(folder / "net", *initialise_checkpoint(spec))
    return export_checkpoint(folder / "net", folder / "net-ncnn", "ncnn")


def test_it_is_pushed_benched_and_held_against_the_right_answers(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend follows from the folder; threads and versions are told, and there is no profile."""
    monkeypatch.chdir(tmp_path)
    done = groupnl(
        "bench", artifact.directory, "--device", "local", "--threads", 1, *SHORT, "--profile", "--out", "run"
    )
    assert "ncnn" in done.output and "Traceback" not in done.output, done.output
    run, _ = load_run(tmp_path / "run")
    assert run.result.backend == "ncnn" and run.result.settings.threads == 1
    assert run.result.versions.keys() == {"ncnn", "numpy"} and len(run.result.latencies_ns) == 3
    assert run.agreement is not None and run.agreement.same_answers == run.agreement.images
    assert run.result.profile is not None and "profiler" in (run.result.profile.problem or "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--backend", "onnxruntime"), "has the format ncnn, which onnxruntime does not run"),
        (("--backend", "ncnn", "--no-spinning"), "or use the backend onnxruntime, for onnx."),
    ],
)
def test_what_does_not_fit_is_refused_before_the_device_is_asked(
    words: tuple[str, ...], says: str, artifact: Artifact
) -> None:
    done = groupnl("bench", artifact.directory, "--device", "local", *words)
    assert done.exit_code == 2 and says in " ".join(done.output.split()), done.output


OTHERS = [name for name, entry in BACKENDS.items() if entry.computes and name != "ncnn"]


@pytest.mark.parametrize("backend", OTHERS)
def test_no_other_backend_takes_it_by_folder_or_by_id(
    backend: str, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert groupnl("push", artifact.directory, "--device", "local").exit_code == 0
    for named, says in (
        (artifact.directory, f"which {backend} does not run"),
        (artifact.sha256[:12], "format is ncnn"),
    ):
        done = groupnl("bench", named, "--device", "local", "--backend", backend, *SHORT)
        said = " ".join(done.stderr.split())
        assert done.exit_code == 2 and says in said and "Traceback" not in done.output, done.output
        assert "backend ncnn" in said and f"--format {BACKENDS[backend].formats[0]}" in said
    assert not list(here.iterdir()), "nothing half-written"


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_it_takes_no_other_format(
    format: Format, untrained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = getattr(untrained, format).directory
    for words in (("bench", folder), ("compare", folder, untrained.checkpoint)):
        done = groupnl(*words, "--device", "local", "--backend", "ncnn")
        said = " ".join(done.stderr.split())
        assert done.exit_code == 2 and f"has the format {format}, which ncnn does not run" in said, done.output
        assert f"Use --backend {backend_for(format)}, or export and push it with --format ncnn" in said
    assert not list(tmp_path.iterdir()), "nothing half-written"


def test_the_registry_says_what_it_runs() -> None:
    entry = BACKENDS["ncnn"]
    assert entry.formats == ("ncnn",) and entry.settings == {"threads"} and entry.computes


def mutants(artifact: Artifact, first: int, count: int) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.device_agent.ncnn_mutants", artifact.directory, str(first), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = ast.literal_eval(done.stdout)
    return found


@pytest.mark.parametrize(
    ("first", "count"), [(0, 60), pytest.param(60, 1940, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_an_altered_file_is_refused_or_answers_otherwise_and_never_hangs(
    first: int, count: int, artifact: Artifact
) -> None:
    """Whatever still answers rightly was altered where nothing depends on it; its digest is another all the same."""
    found = mutants(artifact, first, count)
    assert sum(found.values()) == count
    assert found.get("refused", 0) > count / 2 and found.get("otherwise", 0) > 0


def test_a_text_is_read() -> None:
    layers = read_param(TEXT.encode())
    assert [layer.kind for layer in layers] == ["Input", "Convolution", "Reshape"]
    assert (inputs_of(layers), outputs_of(layers)) == (("in0",), ("out0",))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("7767517", "7767518", "magic number"),
        ("3 3", "4 3", "4 layers and 3 blobs, and has 3 and 3"),
        ("3 3", "3 4", "4 blobs"),
        ("3 3", "3 99999999", "second line"),
        ("conv 1 1 in0 1", "conv 1 1 in1 1", "conv reads in1, which nothing before it writes"),
        ("1 out0", "1 in0", "in0 is written twice"),
        ("conv 1 1 in0 1", "conv 9 1 in0 1", "does not name as many blobs"),
        ("conv 1 1", "conv 99999999999 1", "is no layer"),
        ("0=4", "0=2147483648", "no number"),
        ("0=4", "0=nan", "no number"),
        ("0=4", "0=four", "no number"),
        ('6="1', '6="1;rm', "no number"),
        ("Input in0 0 1 in0", "Split in0 0 1 in0", "no input"),
    ],
)
def test_a_text_that_contradicts_itself_is_none(old: str, new: str, says: str) -> None:
    with pytest.raises(NotNcnn, match=says):
        read_param(TEXT.replace(old, new, 1).encode())


@pytest.mark.parametrize(
    ("text", "version", "needed"),
    [
        (TEXT, "1.0.20260526", "1.0.20261020"),
        (TEXT, "1.0.20261020", None),
        (TEXT.replace("(24,0n)", "(24,0w)"), "1.0.20241226", "1.0.20250428"),
        (TEXT.replace("(24,0n)", "(24,0w)"), "1.0.20250428", None),
        (TEXT.replace(' 6="1,//(24,0n)"', " 0=24"), "1.0.20230816", None),
    ],
)
def test_a_text_that_an_older_ncnn_would_die_of_is_not_shown_to_it(text: str, version: str, needed: str | None) -> None:
    layers = read_param(text.encode())
    if needed is None:
        require_reader(layers, version)
        return
    with pytest.raises(NeedsNewerNcnn, match=f"ncnn {version} is too old to read it, and it needs {needed} or newer"):
        require_reader(layers, version)


def test_an_older_ncnn_is_told_with_the_way_to_a_newer_one(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("device_agent.ncnn_net.VERSION", "1.0.20230816")
    shutil.copy(artifact.path("weights"), tmp_path)
    text = artifact.path("model").read_text().rstrip("\n")
    (tmp_path / artifact.path("model").name).write_text(f'{text} 6="1,0n"\n')
    with pytest.raises(RuntimeTooOld) as caught:
        open_backend("ncnn").load(Subject(tmp_path, artifact.manifest, tmp_path), Settings(threads=1))
    assert "ncnn 1.0.20230816 is too old to read it" in caught.value.message
    assert "groupnl device provision NAME --backend ncnn" in caught.value.remedy
    assert "pip install 'ncnn>=1.0.20261020'" in caught.value.remedy or not IN_ENVIRONMENT


def test_a_manifest_needs_its_weights(artifact: Artifact) -> None:
    """A file in the role too few or too many is damage."""
    manifest = artifact.manifest
    files = tuple(one for one in manifest.files if one.role != "weights")
    said = replace(manifest, files=files).damage(artifact.directory)
    assert said is not None and "no files in the role weights" in said
