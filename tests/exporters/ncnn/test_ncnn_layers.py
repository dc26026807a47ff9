"""GroupNL's own layers in ncnn: networks exported with them, single layers of every kind, and what is refused."""

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from device_agent.arrays import read_arrays
from device_agent.manifest import MANIFEST_FILE, TensorInfo
from device_agent.ncnn_layers import _idle
from device_agent.ncnn_net import NcnnNet
from device_agent.ncnn_param import OWN_LAYER, NotNcnn, read_param
from exporters.artifact import Artifact, open_artifact
from exporters.native.operators import ACTIVATIONS, DOMAIN, FUNCTIONS, VERSION
from exporters.ncnn.convert import NcnnNetwork, converted
from exporters.ncnn.layers import Unfound, restored, with_stand_ins
from exporters.ncnn.proof import write_ncnn
from exporters.options import ExportOptions
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.native.session import layer_library, registration
from groupnl_deploy.progress import Silence
from groupnl_deploy.recheck import require_artifact
from tests.exporters.ncnn.test_ncnn_export import checkpoint_of

pytestmark = pytest.mark.usefixtures("native_cache")
NATIVE = ExportOptions(optimize="native")


def library() -> str:
    found = layer_library("native", Silence())
    assert found is not None
    return found


def exported(folder: Path, name: str = "resnet18_cifar", conv: str = "groupnl-sparse", **changes: Any) -> Artifact:
    return export_checkpoint(checkpoint_of(name, conv, folder / "net", **changes), folder / "made", "ncnn", NATIVE)


def network_of(artifact: Artifact) -> NcnnNetwork:
    return NcnnNetwork(artifact.path("model").read_bytes(), artifact.path("weights").read_bytes(), 0, "0")


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., NcnnNet]:
    """A network of files that are written for it."""

    def load(network: NcnnNetwork, threads: int = 1, by: str | None = "") -> NcnnNet:
        folder = tmp_path / "written"
        folder.mkdir(exist_ok=True)
        write_ncnn(folder, network)
        return NcnnNet(folder / "model.param", folder / "model.bin", threads, library() if by == "" else by)

    return load


@pytest.mark.parametrize(
    ("name", "conv", "changes", "operator"),
    [
        ("resnet18_cifar", "groupnl-sparse", {}, "GroupNL"),
        ("resnet18_cifar", "groupnl", {}, "Generate"),
        ("mobilenetv1_cifar", "groupnl-sparse", {"semantics": "paper"}, "GroupNL"),
        pytest.param("vgg11_cifar", "groupnl", {"nlf": "gaussian"}, "Generate", marks=pytest.mark.slow),
    ],
)
def test_a_network_has_its_layers_whole_and_answers_as_it_was_proved(
    name: str, conv: str, changes: dict[str, Any], operator: str, tmp_path: Path, loaded: Callable[..., NcnnNet]
) -> None:
    artifact = exported(tmp_path, name, conv, **changes)
    native = artifact.manifest.native
    assert native is not None and native.runtime == "ncnn" and native.operators.keys() == {operator}
    layers = [layer.kind for layer in read_param(artifact.path("model").read_bytes())]
    assert layers.count(OWN_LAYER) == native.operators[operator] > 1 and "UnaryOp" not in layers
    assert not require_artifact(artifact)
    inputs = read_arrays(artifact.path("golden_input"), artifact.manifest.inputs)
    right = read_arrays(artifact.path("golden_output"), artifact.manifest.outputs)
    for threads in (1, 2):
        found = loaded(network_of(artifact), threads).answers(list(inputs.values()))
        worst = max(float(abs(one - two).max()) for one, two in zip(found, right.values(), strict=True))
        assert artifact.manifest.golden is not None and worst <= artifact.manifest.golden.tolerances[0]


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    first = exported(tmp_path)
    again = export_checkpoint(tmp_path / "net", tmp_path / "again", "ncnn", NATIVE)
    assert first.sha256 == again.sha256


def single(seeds: int, inputs: int, channels: int, window: tuple[int, int], size: tuple[int, int], **more: Any) -> Any:
    """x → y, a layer alone: `inputs` 0 is a Generate."""
    random = np.random.default_rng(seeds + channels)
    kernel, stride = window
    given = {"W": (seeds, inputs, kernel, kernel)} if inputs else {}
    shapes = {**given, "S": (2, seeds), "G": (5, channels - seeds)}
    constants = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    constants["G"][2] = 2  # exponents
    pads = {"strides": [stride] * 2, "pads": [kernel // 2] * 4, "dilations": [1, 1]} if inputs else {}
    told = {"nl_groups": 1, "function": FUNCTIONS["sine"], "normalize": 1, "epsilon": 1e-12}
    told |= {"activation": ACTIVATIONS["relu"], "block": 0, "channels": channels, **more}
    names = ["x", *constants]
    node = helper.make_node("GroupNL" if inputs else "Generate", names, ["y"], domain=DOMAIN, **pads, **told)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, seeds * max(inputs, 1), *size])
    after = [-(-side // stride) for side in size]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, channels, *after])
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([node], "single", [x], [y], weights)
    domains = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, VERSION)]
    return helper.make_model(graph, opset_imports=domains, ir_version=8)


def as_ncnn(model: onnx.ModelProto) -> NcnnNetwork:
    shape = tuple(axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim)
    return converted(model, [TensorInfo("x", shape)], 1)


@pytest.mark.parametrize(
    "layer",
    [
        {"seeds": 8, "inputs": 2, "channels": 16, "window": (3, 1), "size": (7, 7)},
        {"seeds": 16, "inputs": 2, "channels": 32, "window": (5, 2), "size": (9, 14)},
        {"seeds": 3, "inputs": 2, "channels": 7, "window": (3, 2), "size": (5, 5)},
        {"seeds": 6, "inputs": 3, "channels": 24, "window": (3, 1), "size": (11, 3), "nl_groups": 3},
        {"seeds": 8, "inputs": 0, "channels": 24, "window": (1, 1), "size": (7, 5), "function": FUNCTIONS["laplace"]},
        {"seeds": 5, "inputs": 0, "channels": 9, "window": (1, 1), "size": (3, 3), "normalize": 0},
        {"seeds": 4, "inputs": 1, "channels": 8, "window": (3, 1), "size": (8, 8), "function": FUNCTIONS["monomial"]},
        {"seeds": 8, "inputs": 2, "channels": 16, "window": (3, 1), "size": (6, 6), "activation": 3},
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_layer_computes_what_it_computes_in_onnx_runtime(
    layer: dict[str, Any], threads: int, loaded: Callable[..., NcnnNet]
) -> None:
    """Whole blocks of channels in ncnn's own layout, others and odd sizes with gaps between planes."""
    model, options = single(**layer), onnxruntime.SessionOptions()
    register = registration("native", Silence())
    assert register is not None
    register(options)
    net = loaded(as_ncnn(model), threads)
    x = np.random.default_rng(0).standard_normal((1, net_channels(model), *layer["size"])).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    right = session.run(None, {"x": x})[0]
    for _ in range(2):
        (found,) = net.answers([x])
        assert found.shape == right.shape and np.allclose(found, right, rtol=1e-5, atol=1e-6)


def net_channels(model: onnx.ModelProto) -> int:
    return int(model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)


SMALL: dict[str, Any] = {"seeds": 4, "inputs": 2, "channels": 8, "window": (3, 1), "size": (6, 6)}


def test_networks_that_are_let_go_make_room_and_others_stay(loaded: Callable[..., NcnnNet]) -> None:
    """A net of the package never goes, and so is used again, by one network at a time."""
    small, other = as_ncnn(single(**SMALL)), as_ncnn(single(**{**SMALL, "function": FUNCTIONS["gaussian"]}))
    x = np.random.default_rng(0).standard_normal((1, 8, 6, 6)).astype(np.float32)
    first, second = loaded(small), loaded(other)
    right = first.answers([x])[0], second.answers([x])[0]
    del first
    gc.collect()
    idle = len(_idle)
    third = loaded(small)
    assert len(_idle) == idle - 1 and not np.array_equal(*right)
    assert np.array_equal(third.answers([x])[0], right[0]) and np.array_equal(second.answers([x])[0], right[1])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (" 2=8 ", " 2=3 ", "no such number of channels"),
        (" 3=1 ", " 3=3 ", "groups"),
        (" 4=0 ", " 4=9 ", "no such function"),
        (" 5=1 ", " 5=70 ", "no such activation"),
        (" 11=1 ", " 11=0 ", "stride"),
        (" 15=1 ", " 15=9 ", "pads"),
        (" 9=3 ", " 9=4 ", "weights are missing"),
        (" 9=3 10=3 ", " 9=8192 10=8192 ", "weights are missing"),
        (" 0=4 ", " 0=999999 ", "no such number"),
    ],
)
def test_a_layer_that_lies_is_refused_with_a_reason(
    old: str, new: str, says: str, loaded: Callable[..., NcnnNet]
) -> None:
    network = as_ncnn(single(**SMALL))
    text = network.param.decode()
    assert text.count(old) == 1
    with pytest.raises(NotNcnn, match=says):
        loaded(replace(network, param=text.replace(old, new).encode()))


def test_an_image_of_other_channels_is_a_fault_of_the_run(loaded: Callable[..., NcnnNet]) -> None:
    network = as_ncnn(single(**SMALL))
    net = loaded(network)
    with pytest.raises(RuntimeError, match="other channels than there are"):
        net.answers([np.zeros((1, 4, 6, 6), np.float32)])


def test_without_the_library_it_is_no_network(loaded: Callable[..., NcnnNet]) -> None:
    with pytest.raises(NotNcnn, match="does not know a layer"):
        loaded(as_ncnn(single(**SMALL)), by=None)


def test_what_pnnx_did_anything_to_is_not_taken_for_a_layer() -> None:
    _, stand_ins = with_stand_ins(single(**SMALL))
    line = "Convolution c 1 1 in0 out0 0=8 1=3 -23310=1,1000.0 9=2\n"
    with pytest.raises(Unfound, match="changed the weights"):
        restored(line.encode(), b"", stand_ins)
    with pytest.raises(Unfound, match="made 0 lines"):
        restored(b"Convolution c 1 1 in0 out0 0=8\n", stand_ins[0].weights, stand_ins)
    with pytest.raises(Unfound, match="made 2 lines"):
        restored(2 * line.encode(), stand_ins[0].weights, stand_ins)


def test_a_record_that_is_not_the_networks_is_refused_before_a_push(tmp_path: Path) -> None:
    artifact = exported(tmp_path)
    native = artifact.manifest.native
    assert native is not None
    for lie in (None, replace(native, operators={"GroupNL": 1}), replace(native, runtime="onnxruntime")):
        (artifact.directory / MANIFEST_FILE).write_bytes(replace(artifact.manifest, native=lie).to_bytes())
        with pytest.raises(VerificationFailed, match=r"GroupNL's own|ncnn's are others"):
            require_artifact(open_artifact(artifact.directory))


def test_the_format_torch_has_none(tmp_path: Path) -> None:
    net = checkpoint_of("vgg11_cifar", "groupnl", tmp_path / "net")
    with pytest.raises(UsageError, match="for ONNX and ncnn, and the format is torch"):
        export_checkpoint(net, tmp_path / "made", "torch", NATIVE)
