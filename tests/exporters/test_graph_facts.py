"""What an ONNX file says of itself, and bytes that are none."""

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from exporters.errors import ArtifactDamaged
from exporters.graph_facts import Value, read_graph_facts


def model(opset=17, ir_version=8, axes=(1, 3, 8, 8), dtype=TensorProto.FLOAT, nodes=1, domain=""):
    """`nodes` times Relu, with a weight that is an input too, as old files have them."""
    names = ["input", *(f"v{index}" for index in range(nodes - 1)), "logits"]
    graph = helper.make_graph(
        [helper.make_node("Relu", [names[i]], [names[i + 1]], name=f"n{i}") for i in range(nodes)],
        "graph",
        [
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [200]),
            helper.make_tensor_value_info("input", dtype, axes),
        ],
        [helper.make_tensor_value_info("logits", dtype, axes)],
        [helper.make_tensor("w", TensorProto.FLOAT, [200], [0.5] * 200)],
        value_info=[helper.make_tensor_value_info("v0", dtype, axes)],
    )
    opsets = [helper.make_opsetid("com.microsoft", 1), helper.make_opsetid(domain, opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="a test")


@settings(max_examples=40, deadline=None)
@given(
    opset=st.integers(1, 300),
    ir_version=st.integers(1, 300),
    axes=st.lists(st.one_of(st.integers(1, 1 << 40), st.sampled_from(["batch", "größe"]), st.none()), max_size=5),
    dtype=st.sampled_from(
        [(TensorProto.FLOAT, "float32"), (TensorProto.INT64, "int64"), (TensorProto.FLOAT16, "float16")]
    ),
    nodes=st.integers(1, 5),
    domain=st.sampled_from(["", "ai.onnx"]),
)
def test_it_reads_what_onnx_wrote(tmp_path_factory, opset, ir_version, axes, dtype, nodes, domain):
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    onnx.save(model(opset, ir_version, axes, dtype[0], nodes, domain), path)
    facts = read_graph_facts(path)
    shape = tuple("?" if axis is None else axis for axis in axes)
    assert (facts.opset, facts.ir_version, facts.nodes) == (opset, ir_version, nodes)
    assert facts.inputs == (Value("input", dtype[1], shape),) and facts.outputs == (Value("logits", dtype[1], shape),)


def test_an_exported_graph(untrained):
    path = untrained.onnx.directory / "model.onnx"
    facts, known = read_graph_facts(path), onnx.load(path)
    assert facts.nodes == len(known.graph.node) and facts.ir_version == known.ir_version
    assert facts.inputs == (Value("input", "float32", (1, 3, 32, 32)),)
    assert facts.outputs == (Value("logits", "float32", (1, 10)),)


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1), flipped=st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 255)), max_size=4))
def test_broken_bytes_end_in_our_error_or_in_facts(tmp_path_factory, cut, flipped):
    data = bytearray(model().SerializeToString())
    for place, change in flipped:
        data[place % len(data)] ^= change
    path = tmp_path_factory.mktemp("broken") / "model.onnx"
    path.write_bytes(bytes(data[: int(cut * len(data))]))
    try:
        read_graph_facts(path)
    except ArtifactDamaged as error:
        assert "is no ONNX file" in str(error)


@pytest.mark.parametrize("data", [b"hello, this is no graph", b"\xff" * 40, b"\x3a\x05\x0a"])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(ArtifactDamaged):
        read_graph_facts(tmp_path / "model.onnx")


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "w.data", ""])
def test_weights_in_another_file_are_refused(tmp_path, location):
    outside = model()
    weights = outside.graph.initializer[0]
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    (tmp_path / "model.onnx").write_bytes(outside.SerializeToString())
    with pytest.raises(ArtifactDamaged, match=f"in another file, “{location}”"):
        read_graph_facts(tmp_path / "model.onnx")
