"""GroupNL's own layers in ncnn on a device: its library is sent, verified and told of; altered files end in a fault."""

import json
from pathlib import Path

import pytest

from device_agent.native import instructions
from exporters.artifact import Artifact, open_artifact
from exporters.options import ExportOptions
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.native.libraries import LibraryFile
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint
from tests.device_agent.test_ncnn import SHORT, groupnl, mutants

pytestmark = pytest.mark.usefixtures("native_cache")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, native_library: LibraryFile) -> Path:
    folder = tmp_path_factory.mktemp("ncnn-layers")
    spec = model_spec("mobilenetv1_cifar", "groupnl-sparse", width=0.125, num_classes=10, input_shape=(3, 32, 32))
    save_checkpoint(folder / "net", *initialise_checkpoint(spec))
    return folder


@pytest.fixture
def artifact(made: Path, native_cache: Path) -> Artifact:
    folder = made / "net-ncnn"
    if folder.exists():
        return open_artifact(folder)
    return export_checkpoint(made / "net", folder, "ncnn", ExportOptions(optimize="native"))


def test_it_is_pushed_with_its_library_and_the_report_says_what_ran(
    artifact: Artifact, tmp_path: Path, native_library: LibraryFile
) -> None:
    pushed = groupnl("push", artifact.directory, "--device", "local")
    assert pushed.exit_code == 0 and "accepted" in pushed.output, pushed.output
    there = Path(local_device().root) / "native" / native_library.record.sha256
    assert there.read_bytes() == native_library.path.read_bytes()
    there.unlink()  # a bench sends what is missing
    bench = ("bench", "--device", "local", "--backend", "ncnn", "--threads", 1, *SHORT, "--out", tmp_path / "run")
    done = groupnl(*bench)
    assert done.exit_code in (0, 6), done.output  # 6: others compute beside this test
    result = load_run(tmp_path / "run")[0].result
    ran = result.native
    assert ran is not None and (ran.file, ran.block) == ("model.param", 0)
    assert ran.library_sha256 == native_library.record.sha256
    assert ran.instructions == instructions(native_library.path, native_library.record.sha256)
    (row,) = json.loads(groupnl("report", tmp_path / "run", "--json").stdout)["rows"]
    assert (row["backend"], row["model_file"]) == ("ncnn", "model.param")
    with there.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff")
    refused = groupnl(*bench[:-1], tmp_path / "again")
    assert refused.exit_code == 4 and "was altered: its SHA-256 is not its name" in refused.stderr


def test_its_lines_for_a_program_of_ones_own_are_onnx_runtimes(artifact: Artifact) -> None:
    assert groupnl("push", artifact.directory, "--device", "local").exit_code == 0
    done = groupnl("device", "native", "local")
    assert done.exit_code == 2 and "with native operators for ONNX Runtime" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("first", "count"), [(0, 30), pytest.param(30, 1970, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_an_altered_file_is_refused_or_answers_otherwise_and_never_hangs(
    first: int, count: int, artifact: Artifact
) -> None:
    found = mutants(artifact, first, count)
    assert sum(found.values()) == count and found.get("refused", 0) > count / 2
