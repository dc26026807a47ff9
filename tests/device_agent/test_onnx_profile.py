"""ONNX Runtime's profile → a time for each operator, with the nodes of the model's file that it computes."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from device_agent.messages.profile import OperatorTime
from device_agent.onnx_nodes import OnnxGraph, OnnxNode, read_graph
from device_agent.onnx_origins import Origin, origins
from device_agent.onnx_profile import Call, named, operator_times, read_runs, summed
from tests.device_agent.graph_artifacts import graph

# What ONNX Runtime 1.32.0 wrote of two inferences, with most arguments left out.
PROFILE = """[
{"cat" : "Session","pid" :1,"tid" :1,"dur" :11740,"ts" :4,"ph" : "X","name" :"model_loading_uri","args" : {}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :900,"ts" :9,"ph" : "X","name" :"/act/Relu_output_0_nchwc_kernel_time",\
"args" : {"op_name" : "Conv","input_type_shape" : [{"float":[1,3,8,8]},{"float":[4,3,3,3]}],"node_index" : "3"}},
{"cat" : "Session","pid" :1,"tid" :1,"dur" :950,"ts" :8,"ph" : "X","name" :"SequentialExecutor::Execute","args" : {}},
{"cat" : "Session","pid" :1,"tid" :1,"dur" :990,"ts" :7,"ph" : "X","name" :"model_run","args" : {}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :0,"ts" :20,"ph" : "X","name" :"/act/Relu_output_0_nchwc_fence_before",\
"args" : {"op_name" : "Conv"}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :12,"ts" :21,"ph" : "X","name" :"/act/Relu_output_0_nchwc_kernel_time",\
"args" : {"op_name" : "Conv","provider" : "CPUExecutionProvider"}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :3,"ts" :34,"ph" : "X","name" :"ReorderOutput_kernel_time",\
"args" : {"op_name" : "ReorderOutput"}},
{"cat" : "Session","pid" :1,"tid" :1,"dur" :17,"ts" :20,"ph" : "X","name" :"model_run","args" : {}}
]
"""


def node(kind: str, name: str, inputs: str, outputs: str) -> OnnxNode:
    return OnnxNode(name, kind, tuple(inputs.split()), tuple(outputs.split()))


FILE = OnnxGraph(
    (
        node("Constant", "/c", "", "c"),
        node("Conv", "/conv/Conv", "input w", "/conv/Conv_output_0"),
        node("Relu", "/act/Relu", "/conv/Conv_output_0", "/act/Relu_output_0"),
        node("Sin", "/gnl/Sin", "/act/Relu_output_0", "/gnl/Sin_output_0"),
        node("Concat", "/gnl/Concat", "/act/Relu_output_0 /gnl/Sin_output_0", "/gnl/Concat_output_0"),
        node(
            "BatchNormalization", "/bn/BatchNormalization", "/gnl/Concat_output_0 c", "/bn/BatchNormalization_output_0"
        ),
        node("Add", "/Add", "/bn/BatchNormalization_output_0 /act/Relu_output_0", "/Add_output_0"),
        node("GlobalAveragePool", "/pool/GlobalAveragePool", "/Add_output_0", "logits"),
    ),
    ("input",),
)
RAN = OnnxGraph(
    (
        node("Conv", "/act/Relu_output_0_nchwc", "input reorder", "reorder_token_1"),
        node("ReorderOutput", "ReorderOutput_token_9", "reorder_token_1", "/act/Relu_output_0"),
        node("Sin", "/gnl/Sin", "/act/Relu_output_0", "/gnl/Sin_output_0"),
        node("Concat", "/gnl/Concat", "/act/Relu_output_0 /gnl/Sin_output_0", "/gnl/Concat_output_0"),
        node("ReorderInput", "ReorderInput", "/gnl/Concat_output_0", "reorder_token_2"),
        node("Conv", "/bn/BatchNormalization_bn_nchwc_token_3", "reorder_token_2 w2 b2 reorder_token_1", "reorder_4"),
        node("GlobalAveragePool", "/pool/GlobalAveragePool_nchwc", "reorder_4", "reorder_5"),
        node("ReorderOutput", "ReorderOutput", "reorder_5", "logits"),
    ),
    ("input",),
)


def test_an_operator_computes_its_last_node_and_all_before_it_that_no_other_does() -> None:
    assert origins(RAN, FILE) == [
        Origin(("/act/Relu", "/conv/Conv"), ()),
        Origin((), (0,)),  # put in by the runtime; the value that it writes has an old name
        Origin(("/gnl/Sin",), (1,)),
        Origin(("/gnl/Concat",), (1, 2)),
        Origin((), (3,)),
        Origin(("/bn/BatchNormalization",), (4, 0)),
        Origin(("/pool/GlobalAveragePool", "/Add"), (5,)),
        Origin((), (6,)),
    ]


def test_only_the_runs_that_count_are_summed_and_fences_are_none() -> None:
    first, second = read_runs(PROFILE)
    assert [call.duration_ns for call in first] == [900_000]
    found = dict(zip((one.name for one in RAN.nodes), origins(RAN, FILE), strict=True))
    assert summed(second, RAN, found) == (
        OperatorTime("/act/Relu_output_0_nchwc", "Conv", 1, 12_000, ("/act/Relu", "/conv/Conv"), ()),
        OperatorTime("ReorderOutput", "ReorderOutput", 1, 3_000, (), ()),
    )


def test_what_runs_inside_a_loop_is_in_the_loops_time() -> None:
    loop = OnnxGraph((node("Loop", "/Loop", "input", "logits"),), ("input",))
    inside, outside = ({"cat": "Node", "dur": 4, "name": f"{name}_kernel_time"} for name in ("/Loop/Add", "/Loop"))
    (run,) = read_runs(json.dumps([inside, inside, outside, {"cat": "Session", "name": "model_run"}]))
    assert summed(run, loop, {}) == (OperatorTime("/Loop", "", 1, 4_000),)


def test_a_node_of_a_file_without_names_is_called_by_its_value() -> None:
    plain = OnnxGraph((node("Conv", "", "input w", "first"), node("Relu", "", "first", "second")), ("input",))
    ran = OnnxGraph((node("FusedConv", "FusedConv_3", "input w", "second"),), ("input",))
    assert origins(ran, plain) == [Origin(("second", "first"), ())]


def test_nodes_that_the_runtime_gave_no_name_are_known_by_their_order() -> None:
    """As of a HardSwish that it takes apart."""
    names = ("/act/HardSwish", "/b/HardSwish")
    swish = [node("HardSwish", names[0], "input", "a"), node("HardSwish", names[1], "a", "b")]
    file = OnnxGraph(tuple(swish), ("input",))
    parts = [
        *(node("HardSigmoid", "", "input", "t0"), node("Mul", "", "input t0", "a")),
        *(node("HardSigmoid", "", "a", "t1"), node("Mul", "", "a t1", "b")),
    ]
    calls = [Call(name, name[:-2], 5) for name in ("HardSigmoid_7", "Mul_8", "HardSigmoid_9", "Mul_4")]
    ran = named(OnnxGraph(tuple(parts), ("input",)), calls)
    assert [one.name for one in ran.nodes] == ["HardSigmoid_7", "Mul_8", "HardSigmoid_9", "Mul_4"]
    assert [one.nodes for one in origins(ran, file)] == [(), names[:1], (), names[1:]]


@pytest.mark.parametrize("text", ["", "{}", "[1,", '{"cat": "Node"}'])
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_runs(text)


def test_a_files_nodes_are_read_as_onnx_reads_them(untrained, tmp_path: Path) -> None:
    path = untrained.onnx.directory / "model.onnx"
    expected = onnx.load(path).graph
    found = read_graph(path)
    assert [(one.name, one.kind, list(one.inputs), list(one.outputs)) for one in found.nodes] == [
        (one.name, one.op_type, list(one.input), list(one.output)) for one in expected.node
    ]
    assert found.inputs == ("input",)


def test_an_initializer_that_is_an_input_too_is_given_by_no_caller(tmp_path: Path) -> None:
    value = (TensorProto.FLOAT, [2])
    model = graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], {"x": value, "w": value}, {"y": value}, w=np.ones(2, "f")
    )
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert read_graph(tmp_path / "m.onnx") == OnnxGraph((node("Add", "", "x w", "y"),), ("x",))


def test_a_damaged_file_is_a_value_error(untrained, tmp_path: Path) -> None:
    whole = (untrained.onnx.directory / "model.onnx").read_bytes()
    for number, content in enumerate((whole[: len(whole) // 2], whole[:7], b"\xff" * 40, b"\x0f")):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(content)
        with pytest.raises(ValueError):
            read_graph(path)


def test_operators_of_a_whole_profile_and_two_graphs(tmp_path: Path) -> None:
    value = (TensorProto.FLOAT, [2])
    nodes = [helper.make_node("Sin", ["x"], ["s"], name="/a/Sin"), helper.make_node("Neg", ["s"], ["y"], name="/b/Neg")]
    model = graph(nodes, {"x": value}, {"y": value}).SerializeToString()
    for name in ("file.onnx", "ran.onnx"):
        (tmp_path / name).write_bytes(model)
    run = [
        {"cat": "Node", "dur": 5, "name": f"{one}_kernel_time", "args": {"op_name": one[3:]}}
        for one in ("/a/Sin", "/b/Neg")
    ]
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps([*run, {"cat": "Session", "name": "model_run"}] * 5))
    assert operator_times(profile, tmp_path / "ran.onnx", tmp_path / "file.onnx", skipped=2) == (
        OperatorTime("/a/Sin", "Sin", 3, 15_000, ("/a/Sin",), ()),
        OperatorTime("/b/Neg", "Neg", 3, 15_000, ("/b/Neg",), (0,)),
    )
