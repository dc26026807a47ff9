"""An export at the level native, from the checkpoint to the artifact."""

from dataclasses import replace

import onnx
import pytest

from device_agent.manifest import NativeModel
from device_agent.native import KERNELS
from exporters.native.operators import DOMAIN, VERSION
from exporters.onnx_exporter import export_onnx
from exporters.options import ExportOptions
from groupnl_deploy.errors import NoNativeLibrary, UsageError
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.export_onnx import export_own_onnx
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.native import session
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint
from tests.rigs.groupnl_layers import layer_net

NATIVE = replace(ExportOptions(), optimize="native", target="rpi4")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "net"
    size = {"input_shape": (3, 32, 32), "num_classes": 7, "width": 0.25}
    conv = ConvSpec.preset("groupnl-sparse", nl_groups=2)
    save_checkpoint(folder, *initialise_checkpoint(ModelSpec("mobilenetv3_large_100", conv, **size)))
    return folder


@pytest.mark.usefixtures("native_cache")
@pytest.mark.slow
def test_the_manifest_names_the_operators_and_where_each_file_runs(checkpoint, tmp_path):
    artifact = export_checkpoint(checkpoint, tmp_path / "one", "onnx", NATIVE)
    native = artifact.manifest.native
    assert (native.domain, native.version) == (DOMAIN, VERSION)
    # Of eight gates three are on maps of one pixel here, and stay the runtime's.
    assert (native.operators["GroupNL"], native.operators["Scale"]) == (15, 5) and native.operators["Pointwise"] > 16
    assert native.models == (
        NativeModel("model.onnx", 0, "1.15.1", one_thread_below="1.17"),
        NativeModel("model_layers.onnx", 0, "1.15.1"),
    )
    assert [file.name for file in artifact.manifest.files][:2] == ["model.onnx", "model_layers.onnx"]
    require_artifact(artifact, checkpoint)


@pytest.mark.slow
@pytest.mark.usefixtures("native_cache")
def test_the_same_checkpoint_gives_the_same_bytes(checkpoint, tmp_path):
    one, other = (export_checkpoint(checkpoint, tmp_path / name, "onnx", NATIVE).sha256 for name in ("one", "other"))
    assert one == other


@pytest.fixture
def layer(tmp_path):
    """A file of somebody else's with one layer."""
    onnx.save(export_onnx(layer_net(ConvShape(16, 16, 3, padding=1), "relu"), (1, 16, 8, 8)), tmp_path / "own.onnx")
    return tmp_path / "own.onnx"


@pytest.mark.usefixtures("native_cache")
def test_a_file_of_somebody_elses_becomes_native_too(layer, tmp_path):
    artifact = export_own_onnx(layer, tmp_path / "own", NATIVE)
    native = artifact.manifest.native
    assert (native.operators, len(native.models)) == ({"GroupNL": 1}, 1)
    require_artifact(artifact)


@pytest.mark.usefixtures("native_cache")
def test_both_files_of_x86_are_made_with_kernels_that_read_neither(layer, tmp_path, monkeypatch):
    monkeypatch.setenv(KERNELS, "portable")
    artifact = export_own_onnx(layer, tmp_path / "own", replace(NATIVE, target="x86"))
    assert [(one.block, one.proof) for one in artifact.manifest.native.models] == [(16, "decoded"), (8, "decoded")]
    require_artifact(artifact)


@pytest.mark.usefixtures("native_cache")
def test_kernels_that_the_library_has_not_are_refused_before_a_proof(layer, tmp_path, monkeypatch):
    monkeypatch.setenv(KERNELS, "AVX2")
    with pytest.raises(UsageError, match="GROUPNL_NATIVE_ISA asks for the kernels 'AVX2', which") as caught:
        export_own_onnx(layer, tmp_path / "own", NATIVE)
    assert caught.value.remedy.startswith("Unset the variable, or name ") and not (tmp_path / "own").exists()


def test_where_no_library_can_be_had_nothing_is_written(checkpoint, tmp_path, monkeypatch):
    def none_here(reporter):
        raise NoNativeLibrary("There is no compiler here.", "Export with --optimize full.")

    monkeypatch.setattr(session, "host_library", none_here)
    with pytest.raises(NoNativeLibrary):
        export_checkpoint(checkpoint, tmp_path / "out", "onnx", NATIVE)
    assert not any(tmp_path.iterdir())


def test_the_format_torch_has_none(checkpoint, tmp_path):
    with pytest.raises(UsageError, match="for ONNX and ncnn, and the format is torch"):
        export_checkpoint(checkpoint, tmp_path / "out", "torch", NATIVE)
    assert not any(tmp_path.iterdir())
