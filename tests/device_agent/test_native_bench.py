"""A native artifact from push to report, by a real agent with a real library; and what it is refused for."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from device_agent.machine import this_machine
from device_agent.manifest import NativeModel
from device_agent.native import instructions
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.push import push_and_accept, push_artifact
from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.native.libraries import LibraryFile
from groupnl_deploy.remote.connect import connect
from tests.rigs.native_graphs import PLAIN, native_artifact, put_identity_first

pytestmark = pytest.mark.usefixtures("native_cache")

ROOT = Path(__file__).parents[2]
SHORT = ["--idle", "0", "--warmup", "0", "--seconds", "0", "--iterations", "3", "--threads", "1"]
OTHER_BLOCK = 8 if this_machine().block == 16 else 16
OTHER = NativeModel("model.onnx", OTHER_BLOCK, "1.17", "1.32")


def groupnl(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def pushed(folder: Path, *models: NativeModel, **changes: Any) -> Artifact:
    artifact = native_artifact(folder, *models, **changes)
    done = groupnl("push", folder, "--device", "local")
    assert done.exit_code == 0, done.output
    return artifact


def library_on_the_device(library: LibraryFile) -> Path:
    return Path(local_device().root) / "native" / library.record.sha256


def lines_of(page: str) -> str:
    """The program of a page's section, on this test's device."""
    section = (ROOT / "docs" / page).read_text().split("## In a program of your own\n")[1]
    return section.split("```python\n")[1].split("```")[0].replace("/home/pi/.groupnl", local_device().root)


def bench(out: Path, *more: object) -> Any:
    return groupnl("bench", "--device", "local", "--backend", "onnxruntime", "--out", out, *SHORT, *more)


def test_it_is_pushed_with_its_library_and_runs_and_the_report_says_what_ran(
    tmp_path: Path, native_library: LibraryFile
) -> None:
    pushed(tmp_path / "mine", OTHER, replace(PLAIN, file="plain.onnx"))
    assert library_on_the_device(native_library).read_bytes() == native_library.path.read_bytes()
    done = bench(tmp_path / "run", "--profile")
    assert done.exit_code in (0, 6), done.output  # 6: others compute beside this test
    result = load_run(tmp_path / "run")[0].result
    ran, profile = result.native, result.profile
    assert profile is not None and profile.problem is None and len(profile.latencies_ns) >= 20
    assert [one.kind for one in profile.operators] == ["Depthwise"]
    assert "By operator" in done.stdout
    assert ran is not None and (ran.file, ran.block) == ("plain.onnx", 0)
    assert ran.library_sha256 == native_library.record.sha256
    assert ran.instructions == instructions(native_library.path, native_library.record.sha256)
    (row,) = json.loads(groupnl("report", tmp_path / "run", "--json").stdout)["rows"]
    assert (row["model_file"], row["library_sha256"]) == (ran.file, ran.library_sha256)
    assert row["instructions"] == ran.instructions in ("avx512", "avx2", "neon", "portable")


@pytest.mark.slow
def test_what_measures_the_measuring_needs_no_library(tmp_path: Path, native_library: LibraryFile) -> None:
    pushed(tmp_path / "mine")
    library_on_the_device(native_library).unlink()
    done = groupnl("bench", "--device", "local", "--backend", "null", "--out", tmp_path / "run", *SHORT)
    assert done.exit_code in (0, 6), done.output
    assert load_run(tmp_path / "run")[0].result.native is None
    assert not library_on_the_device(native_library).exists()


@pytest.mark.slow
def test_a_library_that_is_missing_there_is_sent_before_a_bench(tmp_path: Path, native_library: LibraryFile) -> None:
    pushed(tmp_path / "mine")
    library_on_the_device(native_library).unlink()
    assert bench(tmp_path / "run").exit_code in (0, 6)
    assert library_on_the_device(native_library).read_bytes() == native_library.path.read_bytes()


@pytest.mark.slow
def test_a_library_that_was_altered_there_is_refused_until_the_next_push(
    tmp_path: Path, native_library: LibraryFile
) -> None:
    pushed(tmp_path / "mine")
    with library_on_the_device(native_library).open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff")
    done = bench(tmp_path / "run")
    assert done.exit_code == 4 and "was altered: its SHA-256 is not its name" in done.stderr
    assert "Push the artifact again" in done.stderr and not (tmp_path / "run").exists()
    assert groupnl("device", "native", "local").exit_code == 4
    assert groupnl("push", tmp_path / "mine", "--device", "local").exit_code == 0
    assert bench(tmp_path / "run").exit_code in (0, 6)


REFUSED: list[Any] = [
    ((OTHER,), 1, 2, "The model is laid out in blocks|The model needs a processor"),
    ((replace(PLAIN, oldest_runtime="99.0"),), 1, 1, r"runs in ONNX Runtime 99.0 or newer, and the device has \d"),
    pytest.param(
        (replace(PLAIN, newest_runtime="1.17"),),
        1,
        1,
        r"ONNX Runtime 1.17 to 1.17, and the device has \d",
        marks=pytest.mark.slow,
    ),
    ((PLAIN,), 2, 2, "are of version 2 of groupnl.native, and the library has version 1"),
]


@pytest.mark.parametrize(("models", "version", "code", "words"), REFUSED)
def test_what_cannot_run_there_is_refused_before_it_is_sent(
    models: tuple[NativeModel, ...], version: int, code: int, words: str, tmp_path: Path
) -> None:
    """By the agent alone: of some of these the command would say first that no export writes them."""
    artifact = native_artifact(tmp_path / "mine", *models, version=version)
    with connect(local_device()) as transport, pytest.raises(GroupNLError, match=words) as caught:
        push_artifact(transport, artifact)
    assert caught.value.exit_code == code
    assert not (Path(local_device().root) / "artifacts" / artifact.sha256).exists()


@pytest.mark.slow
def test_the_lines_that_the_command_shows_have_the_paths_of_what_was_pushed(
    tmp_path: Path, native_library: LibraryFile
) -> None:
    artifact = pushed(tmp_path / "mine")
    (found,) = [json.loads(groupnl("device", "native", "local", "--json").stdout)["native"]]
    assert found["model"] == str(Path(local_device().root) / "artifacts" / artifact.sha256 / "model.onnx")
    assert found["library"] == str(library_on_the_device(native_library))
    assert '/current/onnx").resolve()' in found["program"]
    shown = groupnl("device", "native", "local", artifact.sha256[:8]).stdout
    assert f'/artifacts/{artifact.sha256}").resolve()' in shown and found["model"] in shown
    assert groupnl("device", "native", "local", artifact.directory).stdout == shown
    assert "is no artifact" in groupnl("device", "native", "local", tmp_path).stderr


@pytest.mark.slow
def test_of_several_model_files_the_command_shows_the_one_of_this_device_and_what_each_is_for(
    tmp_path: Path, native_library: LibraryFile
) -> None:
    pushed(tmp_path / "mine", OTHER, replace(PLAIN, file="plain.onnx"))
    done = groupnl("device", "native", "local")
    assert 'plain.onnx", options)' in done.stdout and "model.onnx" not in done.stdout
    said = done.stderr.replace("\n", " ")
    assert f"model.onnx: blocks of {OTHER_BLOCK} channels, ONNX Runtime 1.17 to 1.32" in said
    assert "plain.onnx: plain layout, ONNX Runtime 1.17 or newer" in said


@pytest.mark.slow
def test_its_paths_stay_when_others_are_pushed(tmp_path: Path, native_library: LibraryFile) -> None:
    first = pushed(tmp_path / "first")
    newest, before = (groupnl("device", "native", "local", *which).stdout for which in ((), (first.sha256,)))
    pushed(tmp_path / "second", label="another")
    assert groupnl("device", "native", "local").stdout != newest
    assert groupnl("device", "native", "local", first.sha256).stdout == before


@pytest.mark.parametrize("artifact", [None, "0123abcd"])
def test_where_nothing_native_was_pushed_it_is_said(artifact: str | None) -> None:
    done = groupnl("device", "native", "local", *filter(None, [artifact]))
    assert done.exit_code == 2 and "No artifact" in done.stderr and "was pushed to local" in done.stderr


def test_the_lines_of_the_docs_run_what_was_pushed(
    untrained_copy: Any, tmp_path: Path, native_library: LibraryFile
) -> None:
    """Word for word, but for whose device it is and which library it has."""
    put_identity_first(untrained_copy.onnx)
    with connect(local_device()) as transport:
        push_and_accept(transport, open_artifact(untrained_copy.onnx.directory))
    found = json.loads(groupnl("device", "native", "local", "--json").stdout)["native"]
    options = "options = onnxruntime.SessionOptions()\n"
    more = lines_of("native.md").replace("LIBRARY", native_library.record.sha256)
    lines = lines_of("deployment.md").replace(options, options + more)
    assert lines == found["program"]
    command = [sys.executable, "-I", "-c", lines]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "[(1, 10)]\n", done.stderr
