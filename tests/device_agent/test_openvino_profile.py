"""OpenVINO's counters and graph become a time for each operator, with the nodes of the file that it computes."""

import pytest

from device_agent.messages.profile import OperatorTime
from device_agent.onnx_nodes import OnnxGraph, OnnxNode
from device_agent.openvino_profile import Counted, Step, operator_times

FILE = OnnxGraph(
    (
        OnnxNode("/a/Conv", "Conv", ("x", "w", "b"), ("a",)),
        OnnxNode("/a/Relu", "Relu", ("a",), ("r",)),
        OnnxNode("", "Sin", ("r",), ("sines",)),
        OnnxNode("/c/Concat", "Concat", ("r", "sines", ""), ("c",)),
    ),
    ("x",),
)
STEPS = [
    Step("x", ("x",), ()),
    Step("x_abcd_acdb_/a/Conv", ("",), ("x",)),
    Step("/a/Conv/WithoutBiases", ("/a/Conv/WithoutBiases", "/a/Relu"), ("x_abcd_acdb_/a/Conv", "w")),
    Step("w", ("w",), ()),
    Step("view", ("Reshape_7",), ("/a/Conv/WithoutBiases",)),
    Step("sines", ("sines",), ("view",)),
    Step("/c/Concat", ("Power_1", "/c/Concat"), ("view", "sines")),
]
BEFORE = Counted(3, {"x_abcd_acdb_/a/Conv": ("Reorder", 9), "/a/Conv/WithoutBiases": ("Convolution", 20)})
AFTER = Counted(
    13,
    {
        "/a/Conv/WithoutBiases": ("Convolution", 11),
        "x_abcd_acdb_/a/Conv": ("Reorder", 2),
        "sines": ("Sin", 5),
        "/c/Concat": ("Concat", 1),
    },
)


def test_the_runs_between_two_states_are_told_with_nodes_and_sources() -> None:
    assert operator_times(STEPS, BEFORE, AFTER, FILE) == (
        OperatorTime("x_abcd_acdb_/a/Conv", "Reorder", 10, 0),  # the mean is cut off: it cannot be less than nothing
        OperatorTime("/a/Conv/WithoutBiases", "Convolution", 10, 83_000, ("/a/Relu", "/a/Conv"), (0,)),
        OperatorTime("sines", "Sin", 10, 65_000, ("sines",), (1,)),
        OperatorTime("/c/Concat", "Concat", 10, 13_000, ("/c/Concat",), (2, 1)),
    )


def test_counters_of_another_graph_are_no_profile() -> None:
    other = Counted(13, {**AFTER.means_us, "elsewhere": ("Sin", 3)})
    with pytest.raises(ValueError, match="of other operators"):
        operator_times(STEPS, BEFORE, other, FILE)
