"""Right answers of a graph: every operator in double precision, and what cannot be so is found out."""

import math

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from exporters.onnx_exporter import export_onnx
from exporters.own_onnx.in_double import InDouble, NotInDouble
from exporters.own_onnx.right import right_answers
from groupnl_deploy.models.registry import create_model, model_spec
from tests.exporters.own_onnx.conftest import answers, model_of, noise

SMALL = (1, 4, 9, 7)
# (operator with its attributes, weights) on x of the shape above, which ONNX's own reference computes too.
OPERATORS = [
    ("Conv<strides=[2,1], pads=[1,0,2,1], dilations=[1,2]>(x, w)", (6, 4, 3, 2)),
    ('Conv<auto_pad="SAME_LOWER", group=2, strides=[2,2]>(x, w)', (6, 2, 3, 3)),
    ('Conv<auto_pad="SAME_UPPER", strides=[3,2]>(x, w)', (2, 4, 2, 2)),
    ("ConvTranspose<strides=[2,3], pads=[1,0,1,1], output_padding=[1,2]>(x, w)", (4, 3, 3, 3)),
    ("ConvTranspose<dilations=[2,1]>(x, w)", (4, 2, 2, 3)),
    ("MaxPool<kernel_shape=[3,2], strides=[2,2], pads=[1,0,1,1]>(x)", None),
    ("MaxPool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(x)", None),
    ("AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)", None),
    ("AveragePool<kernel_shape=[2,2], pads=[1,1,0,0], count_include_pad=1>(x)", None),
    ("GlobalMaxPool(x)", None),
    ("BatchNormalization<epsilon=0.01>(x, w, w, w, w)", (4,)),
    ("MatMul(x, w)", (7, 5)),
    ("Sigmoid(x)", None),
    ("Softmax<axis=2>(x)", None),
    ("LayerNormalization<axis=-1>(x, w)", (7,)),
]


def single(operator: str, shape: tuple[int, ...] | None, opset: int = 17) -> onnx.ModelProto:
    weights = {} if shape is None else {"w": np.abs(noise(*shape)) if len(shape) == 1 else noise(*shape)}
    axes = ",".join(map(str, SMALL))
    return model_of(f"net (float[{axes}] x) => (float[?] y) {{ y = {operator} }}".replace("[?]", ""), opset, **weights)


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in wide.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float64), tensor.name))
    return wide


@pytest.mark.parametrize(("operator", "shape"), OPERATORS, ids=[operator for operator, _ in OPERATORS])
def test_an_operator_is_what_onnx_says_it_is_to_the_last_digits(operator: str, shape) -> None:
    model, x = single(operator, shape), noise(*SMALL, seed=3)
    found = InDouble(model).answers({"x": x})["y"]
    (right,) = ReferenceEvaluator(widened(model)).run(None, {"x": x.astype(np.float64)})
    assert found.dtype == np.float64 and np.allclose(found, right, rtol=1e-12, atol=1e-13)
    assert np.allclose(found, answers(model, {"x": x})[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("operator", ["Erf(x)", "ConvTranspose<group=2, strides=[2,2]>(x, w)"])
def test_what_onnx_computes_in_single_precision_or_wrongly_is_right_here(operator: str) -> None:
    model, x = single(operator, (4, 2, 2, 3) if "w" in operator else None), noise(*SMALL)
    found = InDouble(model).answers({"x": x})["y"]
    assert np.allclose(found, answers(model, {"x": x})[0], rtol=1e-4, atol=1e-5)
    if operator == "Erf(x)":
        assert np.allclose(found, np.vectorize(math.erf)(x.astype(np.float64)), rtol=1e-14)


RESIZES = [
    ('mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"', 17),
    ('mode="nearest"', 13),
    ('mode="linear"', 17),
    ('mode="linear", coordinate_transformation_mode="align_corners"', 11),
    ('mode="cubic"', 17),
    ('mode="nearest", coordinate_transformation_mode="align_corners"', 17),
]


@pytest.mark.parametrize(("how", "opset"), RESIZES, ids=[how for how, _ in RESIZES])
def test_a_resize_is_what_the_runtime_computes(how: str, opset: int) -> None:
    text = "net (float[1,2,4,3] x) => (float[1,2,8,6] y) { y = Resize<HOW>(x, none, scales) }".replace("HOW", how)
    model = model_of(text, opset, none=np.zeros(0, np.float32), scales=np.array([1, 1, 2, 2], np.float32))
    x = noise(1, 2, 4, 3)
    assert np.allclose(InDouble(model).answers({"x": x})["y"], answers(model, {"x": x})[0], atol=1e-6)


def test_softmax_before_opset_13_works_on_all_axes_behind_its_own() -> None:
    model, x = single("Softmax<axis=1>(x)", None, 11), noise(*SMALL)
    found = InDouble(model).answers({"x": x})["y"]
    assert found.sum() == pytest.approx(1) and np.allclose(found, answers(model, {"x": x})[0], atol=1e-6)


@pytest.mark.slow
def test_a_whole_network_is_that_of_pytorch_in_double_precision() -> None:
    spec = model_spec(
        "mobilenetv3_large_100", "groupnl", "released", width=0.25, input_shape=(3, 64, 64), num_classes=5
    )
    net = create_model(spec).eval()
    graph, image = export_onnx(net, (1, 3, 64, 64)), noise(1, 3, 64, 64)
    with torch.inference_mode():
        right = net.double()(torch.from_numpy(image).double()).numpy()
    (found,) = InDouble(graph).answers({graph.graph.input[0].name: image}).values()
    # The graph's own numbers, such as a sixth in HardSigmoid, are written in single precision.
    assert np.abs(found - right).max() <= 1e-6 * right.std()


def test_an_operator_that_answers_in_single_precision_is_found_out() -> None:
    model = model_of(
        "net (float[1,2] x) => (float[2,2] y) { e = EyeLike<dtype=1>(z) y = Add(e, x) }", z=np.zeros((2, 2))
    )
    assert InDouble(model).answers({"x": noise(1, 2)})["y"].dtype == np.float64
    table = model_of(
        "net (float[1,2] x) => (float[4,2] y) { w = HannWindow<output_datatype=1>(n) a = Constant<value_ints=[1]>() "
        "c = Unsqueeze(w, a) y = Mul(c, x) }",
        n=np.array(4),
    )
    with pytest.raises(NotInDouble, match="HannWindow"):
        InDouble(table).answers({"x": noise(1, 2)})


def test_double_precision_that_computes_something_else_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = single("Sigmoid(x)", None), noise(*SMALL)
    assert right_answers(model, ({"x": x},), (1,), False).not_double is None
    monkeypatch.setattr(InDouble, "answers", lambda self, run: {"y": 0.99 / (1 + np.exp(-run["x"].astype(np.float64)))})
    wrong = right_answers(model, ({"x": x},), (1,), False)
    assert wrong.reference.computed == "float32" and "more than rounding" in wrong.not_double
