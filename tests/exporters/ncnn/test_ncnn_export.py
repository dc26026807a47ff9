"""Networks as ncnn's files: converted, proved, run; and what cannot become one, told by operator."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pnnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from device_agent.arrays import read_arrays
from device_agent.backends import Subject
from device_agent.backends.ncnn_cpu import NcnnBackend
from device_agent.manifest import MANIFEST_FILE, ArtifactFile
from device_agent.ncnn_net import NcnnNet
from device_agent.ncnn_param import read_param
from device_agent.settings import Settings
from exporters.artifact import Artifact, open_artifact
from exporters.choices import Level
from exporters.errors import ExportFailed, ParityError
from exporters.ncnn.convert import NcnnNetwork, converted
from exporters.ncnn.proof import prove_ncnn
from exporters.options import ExportOptions
from exporters.reference import reference_of
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.evaluation.artifact import artifact_subject
from groupnl_deploy.export import export_checkpoint, inputs_of, parity_inputs
from groupnl_deploy.export_onnx import TriedWith, export_own_onnx
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.progress import Silence
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.training.checkpoint import initialise_checkpoint, load_model, save_checkpoint
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint

NETWORKS = [
    ("resnet18_cifar", "standard"),
    ("resnet18_cifar", "groupnl"),
    ("resnet18_cifar", "groupnl-sparse"),
    ("resnet18_cifar", "ghost"),
    ("mobilenetv1_cifar", "groupnl-sparse"),
    ("vgg11_cifar", "mono"),
]


def checkpoint_of(name: str, conv: str, folder: Path, **changes: Any) -> Path:
    spec = model_spec(name, conv, width=0.25, num_classes=10, input_shape=(3, 32, 32), **changes)
    draft, network = initialise_checkpoint(spec)
    save_checkpoint(folder, draft, network)
    return folder


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("ncnn")
    return export_checkpoint(checkpoint_of("resnet18_cifar", "groupnl-sparse", folder / "net"), folder / "made", "ncnn")


def answer(artifact: Artifact, threads: int = 1) -> float:
    """max |Δ| of what the device's backend gives for the golden input."""
    backend = NcnnBackend()
    manifest = artifact.manifest
    backend.load(Subject(artifact.directory, manifest, artifact.directory), Settings(threads=threads))
    inputs = read_arrays(artifact.path("golden_input"), manifest.inputs)
    right = read_arrays(artifact.path("golden_output"), manifest.outputs)
    found = [backend.outputs(backend.run(backend.prepare(inputs))) for _ in range(2)]
    assert all(one.keys() == right.keys() for one in found)
    assert all(one[name].shape == right[name].shape for one in found for name in right)
    return max(float(abs(one[name] - right[name]).max()) for one in found for name in right)


@pytest.mark.parametrize(("name", "conv"), NETWORKS)
def test_a_network_is_converted_proved_and_runs_as_on_a_device(name: str, conv: str, tmp_path: Path) -> None:
    made = export_checkpoint(checkpoint_of(name, conv, tmp_path / "net"), tmp_path / "made", "ncnn")
    manifest = made.manifest
    assert manifest.format == "ncnn" and manifest.passes[-1].name == "ncnn"
    assert manifest.parity.reference == "float64" and manifest.parity.same_top1
    assert {"pnnx", "ncnn"} <= manifest.producer.keys()
    assert not require_artifact(made)
    assert answer(made) <= manifest.golden.tolerances[0]
    assert answer(made, threads=2) <= manifest.golden.tolerances[0]


def test_the_same_network_gives_the_same_bytes(artifact: Artifact, tmp_path: Path) -> None:
    again = export_checkpoint(artifact.directory.parent / "net", tmp_path / "again", "ncnn")
    assert again.sha256 == artifact.sha256


def test_what_costs_less_in_ncnn_is_chosen_whatever_the_target_says(artifact: Artifact) -> None:
    (sparse,) = (one for one in artifact.manifest.passes if one.name == "depthwise_seeds")
    assert sparse.fired and all("(ncnn)" in note for note in sparse.notes)


def test_nothing_of_the_converter_is_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export_checkpoint(checkpoint_of("vgg11_cifar", "standard", tmp_path / "net"), tmp_path / "made", "ncnn")
    assert capfd.readouterr() == ("", "")
    assert {one.name for one in tmp_path.iterdir()} == {"net", "made"}


def test_weights_that_are_wrong_are_no_network(tmp_path: Path) -> None:
    """The proof is of the files that were made: one weight that is another breaks it."""
    spec = model_spec("vgg11_cifar", "standard", width=0.125, num_classes=10, input_shape=(3, 32, 32))
    draft, network = initialise_checkpoint(spec)
    folder = tmp_path / "net"
    checkpoint = save_checkpoint(folder, draft, network)
    made = export_checkpoint(folder, tmp_path / "made", "ncnn")
    reference = reference_of(network, parity_inputs(checkpoint))
    weights = bytearray(made.path("weights").read_bytes())
    right = NcnnNetwork(made.path("model").read_bytes(), bytes(weights), 0, "0")
    assert prove_ncnn(reference, right).max_abs_error <= made.manifest.parity.tolerance
    weights[4:8] = np.float32(5).tobytes()
    with pytest.raises(ParityError):
        prove_ncnn(reference, replace(right, weights=bytes(weights)))


def test_what_only_onnx_can_have_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    net, dynamic = artifact.directory.parent / "net", ExportOptions(batch="dynamic")
    with pytest.raises(UsageError, match="one image"):
        export_checkpoint(net, tmp_path / "made", "ncnn", dynamic)
    assert not list(tmp_path.iterdir())


def test_a_graph_without_our_passes_is_refused_by_operator(artifact: Artifact, tmp_path: Path) -> None:
    """What torch writes of GroupNL no layer of ncnn's computes; the remedy is the level that it is made by."""
    folder = artifact.directory.parent / "net"
    with pytest.raises((ExportFailed, ParityError)) as caught:
        export_checkpoint(folder, tmp_path / "made", "ncnn", ExportOptions(optimize="none"))
    assert "--optimize full" in caught.value.remedy and "ncnn" in caught.value.message
    assert not list(tmp_path.iterdir()), "nothing half-written"


def graph(op: str, shape: tuple[int, ...] = (1, 3, 8, 8)) -> onnx.ModelProto:
    """One convolution, then one node of this kind."""
    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4),
        helper.make_node(op, ["y"], ["z"]),
    ]
    ends = (
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("z", TensorProto.FLOAT, None),
    )
    made = helper.make_graph(nodes, "own", [ends[0]], [ends[1]], [weight])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def own(model: onnx.ModelProto, folder: Path) -> Artifact:
    file = folder / "own.onnx"
    onnx.save(model, file)
    return export_own_onnx(file, folder / "made", ExportOptions(), TriedWith(), Silence(), format="ncnn")


def test_a_file_of_somebodys_own_runs_in_ncnn(tmp_path: Path) -> None:
    made = own(graph("Relu"), tmp_path)
    assert made.manifest.source.kind == "onnx" and made.manifest.outputs[0].shape == (1, 4, 8, 8)
    assert not require_artifact(made) and answer(made) <= made.manifest.golden.tolerances[0]


def test_an_input_stays_as_it_is_whatever_the_first_layer_does_in_place(tmp_path: Path) -> None:
    """ncnn would work in the memory that it is given: a second inference would see what the first one left."""
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 16, 8, 8)) for name in "xz"]
    made = helper.make_graph(nodes, "own", ends[:1], ends[1:])
    artifact = own(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path)
    net = NcnnNet(artifact.path("model"), artifact.path("weights"), threads=1)
    given = np.random.default_rng(0).standard_normal((1, 16, 8, 8)).astype(np.float32)
    kept, prepared = given.copy(), net.prepared([given])
    answers = [net.arrays(net.run(prepared))[0] for _ in range(3)]
    assert np.array_equal(given, kept)
    assert all(np.array_equal(one, np.maximum(-kept, 0)) for one in answers)


@pytest.mark.parametrize("outputs", ["bc", "cb", "ca"])
def test_several_outputs_are_told_apart_in_whatever_order_they_are_computed(outputs: str, tmp_path: Path) -> None:
    chain = [("Relu", "x", "a"), ("Sigmoid", "a", "b"), ("Neg", "b", "c")]
    nodes = [helper.make_node(op, [before], [behind]) for op, before, behind in chain]
    given, *wanted = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 8, 4, 4)) for name in f"x{outputs}")
    made = helper.make_graph(nodes, "own", [given], wanted)
    artifact = own(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path)
    assert [one.name for one in artifact.manifest.outputs] == list(outputs)
    assert not require_artifact(artifact) and answer(artifact) <= max(artifact.manifest.golden.tolerances)


@pytest.mark.parametrize("op", ["Det", "NonZero"])
def test_an_operator_that_ncnn_has_not_is_named(op: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"ncnn|int64") as caught:
        own(graph(op), tmp_path)
    assert not (tmp_path / "made").exists() and "Traceback" not in str(caught.value)


def test_several_images_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="x is 2x3x8x8, and ncnn's have an axis of one image"):
        own(graph("Relu", shape=(2, 3, 8, 8)), tmp_path)


def test_a_converter_that_fails_says_why(artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It gets a folder of its own, and limits."""
    spec = model_spec("resnet18_cifar", "standard", width=0.25, num_classes=10, input_shape=(3, 32, 32))
    program = tmp_path / "pnnx"
    program.write_text("#!/bin/sh\necho so it is.\nls > here\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(pnnx, "EXEC_PATH", str(program))
    with pytest.raises(ExportFailed, match="pnnx ended with 3: so it is") as caught:
        converted(graph("Relu"), inputs_of(spec), 1)
    assert "Nothing was written" in caught.value.remedy and not Path("here").exists()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr("exporters.ncnn.convert._LONGEST_S", 0.2)
    with pytest.raises(ExportFailed, match=r"did not end within 0\.2 s"):
        converted(graph("Relu"), inputs_of(spec), 1)


def test_without_its_packages_it_says_how_to_get_them(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pnnx", None)
    with pytest.raises(ExportFailed, match="pnnx is not installed") as caught:
        export_checkpoint(artifact.directory.parent / "net", tmp_path / "made", "ncnn")
    assert "pip install 'groupnl-deploy[ncnn]'" in caught.value.remedy and not list(tmp_path.iterdir())


def test_an_altered_text_is_refused_before_a_push(artifact: Artifact, tmp_path: Path) -> None:
    """A digest that fits again does not help: a layer is missing."""
    folder = tmp_path / "made"
    shutil.copytree(artifact.directory, folder)
    text = (folder / "model.param").read_text().splitlines()
    (folder / "model.param").write_text("\n".join([text[0], text[1], *text[3:]]))
    files = tuple(
        ArtifactFile.in_role("model", folder / one.name) if one.role == "model" else one
        for one in artifact.manifest.files
    )
    (folder / MANIFEST_FILE).write_bytes(replace(artifact.manifest, files=files).to_bytes())
    with pytest.raises(VerificationFailed, match="no network of ncnn's"):
        require_artifact(open_artifact(folder))


@pytest.mark.parametrize("optimize", ["full", "native"])
@pytest.mark.usefixtures("native_cache")
def test_it_is_evaluated_on_this_machine(optimize: Level, tmp_path: Path) -> None:
    """By the answers that the network itself gives."""
    spec = model_spec("vgg11_cifar", "groupnl", width=0.125, num_classes=10, input_shape=(3, 32, 32))
    recipe = Recipe(epochs=1, batch_size=256)
    train_checkpoint(spec, recipe, DataSource("digits"), tmp_path / "net", Silence())
    made = export_checkpoint(tmp_path / "net", tmp_path / "made", "ncnn", ExportOptions(optimize=optimize))
    subject = artifact_subject(made.directory, Silence())
    assert subject.label.endswith(", ncnn")
    _, network = load_model(tmp_path / "net")
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with subject.answering() as ask, torch.no_grad():
        right = network(as_input(pixels, *subject.statistics))
        assert torch.allclose(ask(pixels), right, atol=1e-4 * float(right.std()))


def test_the_layers_are_told(artifact: Artifact) -> None:
    layers = read_param(artifact.path("model").read_bytes())
    assert artifact.manifest.passes[-1].nodes_after == len(layers)
    assert {layer.kind for layer in layers} >= {"Input", "Convolution", "InnerProduct"}
