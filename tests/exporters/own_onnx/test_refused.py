"""Files that cannot become an artifact: each is told apart, has its remedy, and leaves nothing behind."""

import copy
import os
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from exporters.errors import OnnxRefused
from exporters.own_onnx.external import external_files, read_external
from exporters.own_onnx.read import read_onnx
from exporters.own_onnx.refusals import require_runnable
from tests.exporters.own_onnx.conftest import model_of, noise

PLAIN = model_of("net (float[1,4] x) => (float[1,4] y) { y = Mul(x, w) }", w=noise(1, 4))


@pytest.mark.parametrize(
    ("content", "said", "remedy"),
    [
        (b"", "is empty", "again"),
        (b"\x00\x00\x00\x00ORTM" + bytes(60), "ONNX Runtime's own format", "that it was made from"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(60), "TensorFlow Lite", "tf2onnx"),
        (b"\x0a\x05input\x12\x0bPlaceholder" + bytes(60), "TensorFlow graph", "tf2onnx"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "HDF5", "tf2onnx"),
        (pickle.dumps({"state_dict": 1}, 2), "PyTorch", "torch.onnx.export"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a page or a text", "again"),
        (b"hello, this is a text", "is no ONNX file", "Name an .onnx file"),
        (PLAIN.SerializeToString()[:-9], "was cut short or is damaged", "again"),
        (PLAIN.SerializeToString()[:4], "was cut short or is damaged", "again"),
    ],
)
def test_what_is_no_onnx_file_is_called_by_its_name(exported, tmp_path: Path, content, said: str, remedy: str) -> None:
    with pytest.raises(OnnxRefused, match=said) as caught:
        exported(content)
    assert remedy in caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["mine.onnx"]


def test_a_saved_pytorch_network_and_a_folder_are_told(exported, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "net.pt")
    with pytest.raises(OnnxRefused, match="zip archive"):
        exported(tmp_path / "net.pt")
    with pytest.raises(OnnxRefused, match="is a folder"):
        exported(tmp_path)
    with pytest.raises(OnnxRefused, match="does not exist"):
        exported(tmp_path / "none.onnx")


def beside(tmp_path: Path, **changes: str) -> Path:
    """A file whose weights lie beside it, said to lie elsewhere."""
    path = tmp_path / "in" / "mine.onnx"
    path.parent.mkdir()
    onnx.save(copy.deepcopy(PLAIN), path, save_as_external_data=True, location="mine.data", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    entries = {entry.key: entry.value for entry in model.graph.initializer[0].external_data} | changes
    del model.graph.initializer[0].external_data[:]
    for key, value in entries.items():
        model.graph.initializer[0].external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"location": "gone.data"}, "is missing beside"),
        ({"location": "../secret"}, "outside the folder"),
        ({"location": "/etc/hostname"}, "outside the folder"),
        ({"location": "link"}, "outside the folder"),
        ({"location": ""}, "outside the folder"),
        ({"location": "pipe"}, "is missing beside"),
        ({"offset": "4"}, "is too short"),
        ({"offset": "-4"}, "is no number"),
        ({"offset": "9" * 5000}, "is no number"),
        ({"length": "12"}, "should have 16 bytes"),
    ],
)
def test_weights_beside_the_file_are_read_from_its_own_folder_alone(exported, tmp_path: Path, changes, said) -> None:
    path = beside(tmp_path, **changes)
    (tmp_path / "secret").write_bytes(bytes(16))
    (path.parent / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(path.parent / "pipe")
    with pytest.raises(OnnxRefused, match=said):
        exported(path)


def test_weights_of_more_than_two_gibibytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    model = onnx.ModelProto()
    for index in range(3):
        tensor = model.graph.initializer.add(name=f"w{index}", data_type=TensorProto.FLOAT, dims=[1 << 28])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="huge.data")
    with pytest.raises(OnnxRefused, match=r"has 3\.00 GiB"):
        read_external(model, tmp_path, 1000)
    with (tmp_path / "huge.onnx").open("wb") as stream:
        stream.truncate((1 << 31) + 5)
    with pytest.raises(OnnxRefused, match=r"has 2\.00 GiB"):
        read_onnx(tmp_path / "huge.onnx")


LOOP = """net (float[1,4] x) => (float[1,4] y)
    { n = Constant<value_int=3>() on = Constant<value_int=1>() c = Cast<to=9>(on)
      y = Loop(n, c, x) <body = b (int64 i, bool go, float[1,4] v) => (bool stay, float[1,4] w)
          { stay = Identity(go) w = Add(v, v) }> }"""
BRANCH = """net (float[1,4] x) => (float[1,4] y)
    { s = ReduceSum<keepdims=0>(x) zero = Constant<value_float=0.0>() c = Greater(s, zero)
      y = If(c) <then_branch = t () => (a) { a = Relu(x) }, else_branch = e () => (b) { b = Neg(x) }> }"""


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        (
            "net (float[1,4] x) => (float[1,4] y) { y = acme.Rotate(x) }",
            r"custom operators.*acme::Rotate \(1\)",
            "operators that",
        ),
        (
            "net (float[1,4] x) => (float[1,4] y) { y = com.microsoft.FusedConv(x) }",
            "optimised by ONNX Runtime",
            "made from",
        ),
        (
            "net (float[1,4] x) => (float[1,4] y) { z = com.microsoft.nchwc.Conv(x) y = groupnl.native.Scale(z, z) }",
            r"--optimize native already: .*groupnl.native::Scale \(1\)",
            "made from",
        ),
        (LOOP, "control flow: Loop", "unroll"),
        (BRANCH, "control flow: If", "Where"),
        (
            "net (float[1,4] x) => (float[1,4] y) { n = RandomNormalLike(x) y = Add(x, n) }",
            "draws lots",
            "evaluation mode",
        ),
        ("net (float[0,4] x) => (float[0,4] y) { y = Relu(x) }", "axis of size 0", "one sample"),
        ("net (string[1,4] x) => (string[1,4] y) { y = Identity(x) }", "element type string", "Cast"),
        ("net (bfloat16[1,4] x) => (bfloat16[1,4] y) { y = Identity(x) }", "element type bfloat16", "Cast"),
        (
            "net (seq(float[1,4]) x) => (float[1,4] y) { z = Constant<value_int=0>() y = SequenceAt(x, z) }",
            "is a sequence",
            "tensors",
        ),
        ("net (optional(float[1,4]) x) => (float[1,4] y) { y = OptionalGetElement(x) }", "is a optional", "tensors"),
        (
            """net (float[1,4] x) => (float[1,4] y) { on = Constant<value_int=1>() t = Cast<to=9>(on)
            r = Constant<value_float=0.5>() y = Dropout(x, r, t) }""",
            "training mode",
            "model.eval",
        ),
        (
            """net (float[1,2,3,3] x) => (float[1,2,3,3] y)
            { y, m, v = BatchNormalization<training_mode=1>(x, s, s, s, s) }""",
            "training mode",
            "model.eval",
        ),
        ("net () => (float[1,4] y) { y = Identity(w) }", "has no input", "its inputs"),
        ("net (float[1,4] x) => (int64[n,2] y) { z = Relu(x) y = NonZero(z) }", "depends on the numbers", "NonZero"),
    ],
)
def test_what_no_artifact_can_have_is_named_with_a_remedy(
    exported, tmp_path: Path, text, said: str, remedy: str
) -> None:
    weights = {
        name: value
        for name, value in {"s": np.ones(2, np.float32), "w": noise(1, 4)}.items()
        if f"{name}" in text.split("{")[-1]
    }
    with pytest.raises(OnnxRefused, match=said) as caught:
        exported(model_of(text, **weights))
    assert remedy in caught.value.message + caught.value.remedy
    assert not any(path.name.startswith("out") for path in tmp_path.iterdir())


def test_two_outputs_of_one_name_are_refused() -> None:
    model = copy.deepcopy(PLAIN)
    model.graph.output.append(model.graph.output[0])
    with pytest.raises(OnnxRefused, match="output y is there twice"):
        require_runnable(model)


def test_versions_that_the_target_cannot_read_are_refused(exported) -> None:
    newer = helper.make_model(
        helper.make_graph(
            [helper.make_node("RMSNormalization", ["x", "w"], ["y"])],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
            [onnx.numpy_helper.from_array(noise(4), "w")],
        ),
        opset_imports=[helper.make_opsetid("", 23)],
        ir_version=10,
    )
    with pytest.raises(OnnxRefused, match="has opset 23") as caught:
        exported(newer)
    assert "opset 17" in caught.value.remedy
    ancient = model_of("net (float[1,4] x) => (float[1,4] y) { y = Relu(x) }", opset=1, ir=3)
    with pytest.raises(OnnxRefused, match="has opset 1; 7 and newer"):
        exported(ancient)
    nibbles = copy.deepcopy(PLAIN)
    nibbles.ir_version = 10
    nibbles.opset_import[0].version = 20
    nibbles.graph.initializer.append(helper.make_tensor("q", TensorProto.INT4, [2], [1, 2]))
    with pytest.raises(OnnxRefused, match="int4"):
        exported(nibbles)


@pytest.mark.parametrize("given", [{"mean": (0.5,)}, {"images": Path("x")}])
def test_options_of_images_are_for_an_image(exported, given) -> None:
    from groupnl_deploy.errors import UsageError

    with pytest.raises(UsageError, match="whose only input is an image"):
        exported(PLAIN, **given)


def test_a_tensor_that_is_inside_names_no_file_whatever_it_says(tmp_path) -> None:
    model = copy.deepcopy(PLAIN)
    model.graph.initializer[0].external_data.add(key="location", value="../../dev/zero")
    assert external_files(model, tmp_path) == []
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(OnnxRefused, match="outside the folder"):
        external_files(model, tmp_path)


@pytest.mark.parametrize(("calls", "said"), [(1, "without end"), (40, "stand for 1.1e\\+12 operators")])
def test_functions_that_are_written_out_without_end_are_refused_before(calls, said) -> None:
    """Each calls the next one twice; one alone calls itself."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    model = model_of("net (float[1,4] x) => (float[1,4] y) { y = acme.F0(x) }")
    for index in range(calls):
        inner = f"F{(index + 1) % calls}" if calls == 1 or index + 1 < calls else "Relu"
        domain = "" if inner == "Relu" else "acme"
        twice = [helper.make_node(inner, [one], [two], domain=domain) for one, two in (("a", "b"), ("b", "c"))]
        model.functions.append(helper.make_function("acme", f"F{index}", ["a"], ["c"], twice, opsets))
    with pytest.raises(OnnxRefused, match=said):
        require_runnable(model)


def test_an_input_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(OnnxRefused, match=r"x has 3\.46e\+18 numbers"):
        require_runnable(model_of("net (float[1,3,1073741824,1073741824] x) => (float[1,4] y) { y = Relu(x) }"))
