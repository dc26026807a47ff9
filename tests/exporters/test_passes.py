"""A pass that offers nodes to a rule: what it makes of each answer."""

import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from exporters.errors import ExportFailed
from exporters.passes import Pass, by_rule
from exporters.rules.answers import NOT_MINE, Fired, Refused


def two_nodes() -> ir.Model:
    """input → Relu → Abs → output."""
    maps, result = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y"))
    nodes = [helper.make_node("Relu", ["x"], ["r"], name="relu"), helper.make_node("Abs", ["r"], ["y"], name="abs")]
    graph = helper.make_graph(nodes, "net", [maps], [result])
    return ir.serde.deserialize_model(helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]))


def once(answer):
    """A rule that gives this answer to the first node it sees."""
    answers = iter([answer])
    return lambda node: next(answers, NOT_MINE)


@pytest.mark.parametrize(
    "answer, fired, notes, refusals",
    [
        (Fired(), 1, (), ()),
        (Fired("a choice"), 1, ("a choice",), ()),
        (NOT_MINE, 0, (), ()),
        (Refused("a reason"), 0, (), ("a reason",)),
    ],
)
def test_each_answer_is_counted_as_what_it_is(answer, fired, notes, refusals) -> None:
    done = Pass("a_pass", by_rule(("Relu",), once(answer))).on(two_nodes())
    assert (done.fired, done.notes, done.refusals, done.last) == (fired, notes, refusals, "relu" if fired else "")


@pytest.mark.parametrize("answer", [True, False, None, "rewritten"])
def test_any_other_answer_stops_the_export_and_names_pass_and_node(answer) -> None:
    with pytest.raises(ExportFailed, match=f"The pass a_pass failed: its rule answered {answer!r} of abs"):
        Pass("a_pass", by_rule(("Abs",), lambda node: answer)).on(two_nodes())
