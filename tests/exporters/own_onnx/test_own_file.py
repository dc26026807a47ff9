"""Files of every kind that can be: what comes in answers as before, and the artifact says what it is."""

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from device_agent.arrays import read_arrays
from exporters.errors import OnnxRefused, ParityError
from groupnl_deploy.recheck import require_artifact
from tests.exporters.own_onnx.conftest import answers, golden_inputs, model_of, noise

PHOTO = model_of(
    """net (float[N,3,16,16] picture) => (float[N,5] scores)
    { maps = Conv<kernel_shape=[3,3]>(picture, w)
      normal = BatchNormalization<momentum=0.9>(maps, scale, shift, mean, variance)
      shape = Shape(normal)
      zero = Constant<value_ints=[0]>()
      batch = Gather<axis=0>(shape, zero)
      rest = Constant<value_ints=[-1]>()
      flat_shape = Concat<axis=0>(batch, rest)
      active = Relu(normal)
      flat = Reshape(active, flat_shape)
      scores = Gemm<transB=1>(flat, head, bias) }""",
    w=noise(4, 3, 3, 3),
    scale=np.abs(noise(4)) + 1,
    shift=noise(4),
    mean=noise(4),
    variance=np.abs(noise(4)) + 1,
    head=noise(5, 784),
    bias=noise(5),
)
TOKENS = """net (int64[N,6] ids, bool[N,6] mask, float16[N,1] bias) => (float[N,4] words, int64[N] best, bool[N,4] high)
    { rows = Gather<axis=0>(table, ids)
      kept = Cast<to=1>(mask)
      axis = Constant<value_ints=[2]>()
      gate = Unsqueeze(kept, axis)
      masked = Mul(rows, gate)
      mean = ReduceMean<axes=[1], keepdims=0>(masked)
      more = Cast<to=1>(bias)
      words = Add(mean, more)
      best = ArgMax<axis=1, keepdims=0>(words)
      zero = Constant<value_float=0.0>()
      high = Greater(words, zero) }"""


def same(artifact, source, inputs=None) -> None:
    """The artifact answers as the file does, and is whole to whoever pushes it."""
    inputs = inputs or golden_inputs(artifact)
    ours, theirs = answers(artifact.path("model"), inputs), answers(source, inputs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype and np.allclose(one, other, rtol=1e-4, atol=1e-5)
    require_artifact(artifact)


def test_a_net_that_takes_images_is_proved_on_photographs_and_its_fused_operators_are_named(exported) -> None:
    artifact = exported(PHOTO)
    manifest = artifact.manifest
    same(artifact, PHOTO)
    assert manifest.image_shape == (3, 16, 16) and manifest.samples == 0 and manifest.parity.reference == "float64"
    assert manifest.source.file == "mine.onnx" and manifest.trained is None and manifest.label == "mine"
    kinds = {node.op_type for node in onnx.load(artifact.path("model")).graph.node}
    assert "BatchNormalization" not in kinds and "Shape" not in kinds
    fused = next(report for report in manifest.passes if report.name == "simplify")
    assert any("BatchNormalization" in note for note in fused.notes)


def test_several_inputs_and_outputs_of_many_types_and_no_image(exported) -> None:
    source = model_of(TOKENS, table=noise(50, 4))
    artifact = exported(source)
    same(artifact, source)
    manifest = artifact.manifest
    assert [info.dtype for info in manifest.inputs] == ["int64", "bool", "float16"]
    assert [info.dtype for info in manifest.outputs] == ["float32", "int64", "bool"]
    assert manifest.golden.tolerances[1:] == (0.0, 0.0) and manifest.preprocessing is None and manifest.samples == 8
    ids = read_arrays(artifact.path("samples"), manifest.inputs, 8)["ids"]
    assert ids.min() >= 0 and ids.max() < 50 and len(np.unique(ids)) > 10


@pytest.mark.parametrize("type_", ["float", "uint8"])
def test_an_image_with_its_channels_last_and_one_of_whole_pixels(exported, type_: str) -> None:
    text = """net (TYPE[1,12,12,3] x) => (float[1,4] y)
        { f = Cast<to=1>(x) planes = Transpose<perm=[0,3,1,2]>(f)
          m = Conv<kernel_shape=[3,3], auto_pad="SAME_UPPER", strides=[2,2]>(planes, w)
          p = GlobalAveragePool(m) y = Flatten(p) }""".replace("TYPE", type_)
    source = model_of(text, w=noise(4, 3, 3, 3))
    artifact = exported(source)
    same(artifact, source)
    assert artifact.manifest.preprocessing.layout == "nhwc" and artifact.manifest.image_shape == (3, 12, 12)
    if type_ == "uint8":
        assert len(np.unique(golden_inputs(artifact)["x"])) > 20


def test_a_dynamic_batch_stays_one_where_it_is_asked_for(exported) -> None:
    artifact = exported(PHOTO, batch="dynamic")
    assert artifact.manifest.parity.batches == (1, 2, 5)
    same(artifact, PHOTO, {"picture": noise(3, 3, 16, 16)})
    with pytest.raises(OnnxRefused, match="needs a first axis of any size"):
        exported(model_of("net (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"), "none", batch="dynamic")


def test_a_batch_that_was_frozen_is_said_to_be_the_files_own(exported) -> None:
    frozen = model_of(
        "net (float[N,2,4] x) => (float[M,8] y) { s = Constant<value_ints=[1,8]>() y = Reshape(x, s) }",
    )
    with pytest.raises(OnnxRefused, match="one sample at a time"):
        exported(frozen, batch="dynamic")


def test_sizes_that_the_file_leaves_open_come_with_the_inputs(exported, tmp_path: Path) -> None:
    source = model_of("net (float[N,length] x, float[N,length] z) => (float[N,length] y) { y = Mul(x, z) }")
    with pytest.raises(OnnxRefused, match="size of length of x, length of z") as caught:
        exported(source)
    assert "numpy.savez" in caught.value.remedy
    np.savez(tmp_path / "given.npz", x=noise(3, 7), z=noise(3, 7, seed=1))
    artifact = exported(source, inputs=tmp_path / "given.npz")
    assert [info.shape for info in artifact.manifest.inputs] == [(1, 7), (1, 7)] and artifact.manifest.samples == 3
    same(artifact, source)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": noise(1, 4)}, "lacks z"),
        ({"x": noise(1, 4), "z": noise(1, 4), "w": noise(1)}, "no such input"),
        ({"x": noise(1, 4), "z": noise(1, 4).astype(np.float64)}, "is float64, and the graph takes float32"),
        ({"x": noise(1, 4), "z": noise(1, 5)}, r"has shape \(1, 5\)"),
        ({"x": noise(2, 4), "z": noise(3, 4)}, "different numbers of samples"),
        ({"x": noise(0, 4), "z": noise(0, 4)}, "axis of size 0"),
        ({"x": noise(1, 4), "z": np.array([{}], dtype=object)}, "no .npz file of plain numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(exported, tmp_path: Path, arrays, said: str) -> None:
    np.savez(tmp_path / "given.npz", **arrays)
    with pytest.raises(OnnxRefused, match=said):
        exported(
            model_of("net (float[1,4] x, float[1,4] z) => (float[1,4] y) { y = Mul(x, z) }"),
            inputs=tmp_path / "given.npz",
        )


def test_rows_of_a_table_of_unknown_size_are_asked_for(exported) -> None:
    source = model_of(
        "net (float[1,9] data, int64[1,2] ids) => (float[1,2] y) { d = Relu(data) y = GatherElements<axis=1>(d, ids) }"
    )
    with pytest.raises(OnnxRefused, match="does not say of how many") as caught:
        exported(source)
    assert "'ids': numpy.ones((1, 2), 'int64')" in caught.value.remedy


OLD = """net (float[1,3,8,8] x, float[4,3,1,1] w, float[4] s) => (float[1,192] y)
    { m = Conv(x, w) b = BatchNormalization(m, s, s, s, s) c = Clip<min=0.0, max=2.0>(b)
      p = Pad<pads=[0,0,1,1,0,0,1,1]>(c) q = MaxPool<kernel_shape=[2,2], strides=[2,2]>(p)
      u = Upsample<mode="nearest", scales=[1.0,1.0,2.0,2.0]>(q) a = AveragePool<kernel_shape=[2,2]>(u)
      t = Softmax<axis=1>(a) k = Slice<starts=[0], ends=[8], axes=[2]>(t) l = Slice<starts=[0], ends=[6], axes=[3]>(k)
      f = Flatten<axis=1>(l) y = Dropout<ratio=0.5>(f) }"""


@pytest.mark.parametrize(("opset", "ir"), [(7, 3), pytest.param(8, 3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("level", ["none", "standard", "full"])
def test_old_files_whose_weights_are_inputs(exported, opset: int, ir: int, level: str) -> None:
    source = model_of(OLD, opset, ir, w=noise(4, 3, 1, 1), s=np.abs(noise(4)) + 0.5)
    source.graph.output[0].type.tensor_type.ClearField("shape")
    artifact = exported(source, level)
    same(artifact, source)
    assert [info.name for info in artifact.manifest.inputs] == ["x"]


@pytest.mark.parametrize("opset", [7, 21, *(pytest.param(opset, marks=pytest.mark.slow) for opset in (10, 12, 18, 20))])
def test_every_operator_set_of_today_comes_in(exported, opset: int) -> None:
    text = """net (float[N,4,6,6] x) => (float[N,4] y)
        { m = Conv<kernel_shape=[1,1]>(x, w) n = Add(m, x) a = Relu(n) p = GlobalAveragePool(a) y = Flatten(p) }"""
    source = model_of(text, opset, 10 if opset == 21 else 8, w=noise(4, 4, 1, 1))
    artifact = exported(source)
    same(artifact, source)
    assert 13 <= artifact.manifest.opset <= 20 and artifact.manifest.ir_version <= 9


def test_functions_and_constant_branches_are_written_out(exported) -> None:
    text = """net (float[1,4] x) => (float[1,4] y)
        { yes = Constant<value_int=1>() on = Cast<to=9>(yes)
          z = If(on) <then_branch = t () => (a) { a = Relu(x) }, else_branch = e () => (b) { b = Neg(x) }>
          y = acme.twice(z) }
        <domain: "acme", opset_import: ["" : 17]> twice (v) => (w) { w = Add(v, v) }"""
    source = model_of(text)
    artifact = exported(source)
    same(artifact, source)
    assert {node.domain for node in onnx.load(artifact.path("model")).graph.node} == {""}


def test_half_precision_has_the_tolerance_of_its_own_rounding(exported) -> None:
    text = "net (float16[1,3,8,8] x) => (float16[1,192] y) { m = Conv(x, w) s = Sigmoid(m) y = Flatten(s) }"
    source = model_of(text, w=noise(3, 3, 1, 1).astype(np.float16))
    artifact = exported(source)
    same(artifact, source)
    parity = artifact.manifest.parity
    assert parity.reference == "float64" and parity.tolerance > 1e-4 and artifact.manifest.outputs[0].dtype == "float16"


def test_what_no_double_precision_computes_is_held_against_the_file_and_said(exported) -> None:
    said: list[str] = []

    class Listener:
        def note(self, text: str) -> None:
            said.append(text)

        def task(self, name: str):
            from groupnl_deploy.progress import Silence

            return Silence().task(name)

    text = """net (float[1,1,6,6] x) => (float[1,1,4,4] y)
        { y = GridSample(x, grid) }"""
    source = model_of(text, grid=np.clip(noise(1, 4, 4, 2), -1, 1))
    artifact = exported(source, reporter=Listener())
    same(artifact, source)
    double = artifact.manifest.parity.reference == "float64"
    assert double != any("could not be computed in double precision" in text for text in said)


def test_weights_beside_the_file_are_stored_inside_of_it(exported, tmp_path: Path) -> None:
    onnx.save(
        copy.deepcopy(PHOTO), tmp_path / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0
    )
    artifact = exported(tmp_path / "big.onnx")
    same(artifact, PHOTO)
    assert len(artifact.files) == 4


def test_an_answer_that_is_no_number_is_the_files_own_and_nothing_is_written(exported, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"own output y has \d+ values that are NaN"):
        exported(model_of("net (float[1,9] x) => (float[1,9] y) { y = Log(x) }"))
    assert not (tmp_path / "out-full").exists()


def test_a_pass_that_breaks_any_output_is_caught(exported, monkeypatch: pytest.MonkeyPatch) -> None:
    from exporters import optimize
    from exporters.passes import Pass, PassOutcome

    def spoil(model, most):
        for value in model.graph.initializers.values():
            if value.name == "b":
                value.const_value = onnx_ir_tensor(value)
        return PassOutcome(1)

    def onnx_ir_tensor(value):
        import onnx_ir as ir

        return ir.tensor(value.const_value.numpy() * np.float32(1.001), name=value.name)

    monkeypatch.setattr(optimize, "passes", lambda level, target: (Pass("spoil", spoil),))
    text = "net (float[1,4] x) => (float[1,4] y, float[1,4] z) { y = Mul(x, a) z = Mul(x, b) }"
    with pytest.raises(ParityError, match="spoil broke parity"):
        exported(model_of(text, a=noise(4), b=noise(4, seed=2)))


def quantized(tmp_path: Path) -> Path:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"picture": noise(1, 3, 16, 16, seed=seed)} for seed in range(4)]

        def get_next(self):
            return self.left.pop() if self.left else None

    onnx.save(PHOTO, tmp_path / "float.onnx")
    quantize_static(tmp_path / "float.onnx", tmp_path / "int8.onnx", Reader(), quant_format=QuantFormat.QDQ)
    return tmp_path / "int8.onnx"


def test_a_quantized_file_comes_through_unharmed_with_a_tolerance_of_its_own(exported, tmp_path: Path) -> None:
    path = quantized(tmp_path)
    artifact = exported(path)
    manifest = artifact.manifest
    inputs = golden_inputs(artifact)
    assert np.array_equal(answers(artifact.path("model"), inputs)[0], answers(path, inputs)[0])
    kept, given = onnx.load(artifact.path("model")).graph, onnx.load(path).graph
    assert [node.op_type for node in kept.node] == [node.op_type for node in given.node]
    assert manifest.quantized and manifest.optimize == "none" and manifest.golden.measure == "mean"
    require_artifact(artifact)


@pytest.mark.parametrize("level", ["standard", "full"])
def test_a_gelu_written_by_hand_is_still_fused_by_the_runtime(exported, tmp_path: Path, level: str) -> None:
    source = model_of(
        """net (float[1,4,4,4] x) => (float[1,4,4,4] y)
        { a = Conv(x, w) b = Div(a, root) c = Erf(b) d = Add(c, one) e = Mul(a, d) f = Mul(e, half) y = Conv(f, w) }""",
        w=noise(4, 4, 1, 1),
        root=np.float32(2**0.5),
        one=np.float32(1),
        half=np.float32(0.5),
    )
    artifact = exported(source, level)
    same(artifact, source)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(str(artifact.path("model")), options, providers=["CPUExecutionProvider"])
    assert "Gelu" in {node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node}


def test_nodes_in_any_order_are_sorted(exported) -> None:
    source = model_of("net (float[1,4] x) => (float[1,4] y) { a = Relu(x) b = Neg(a) y = Exp(b) }")
    nodes = [copy.deepcopy(node) for node in reversed(source.graph.node)]
    shuffled = copy.deepcopy(source)
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(nodes)
    same(exported(shuffled), source)


def test_shared_and_unnamed_things_survive(exported) -> None:
    source = model_of(
        """net (float[1,4,4,4] x) => (float[1,4,4,4] y, float[1,4,4,4] z)
        { a = Conv(x, w) b = Conv(a, w) y = Add(a, b) z = Relu(a) }""",
        w=noise(4, 4, 1, 1),
    )
    assert not any(node.name for node in source.graph.node)
    same(exported(source), source)


def test_an_output_that_is_an_input_or_a_weight(exported) -> None:
    source = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["w"], ["copy"]), helper.make_node("Identity", ["x"], ["same"])],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("copy", "same")],
            [numpy_helper.from_array(noise(1, 2), "w")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    same(exported(source), source)
