"""Activations written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

PASS = "restore_activation"


def relu6(graph, source, highest=6.0):
    return graph.node("Clip", source, graph.constant(0.0), graph.constant(highest))


def gate(graph, source, *, divided=False, swapped=False):
    """min(max(x + 3, 0), 6) / 6, in one of its four spellings."""
    three = graph.constant(3.0)
    clipped = relu6(graph, graph.node("Add", *((three, source) if swapped else (source, three))))
    sixth = [graph.constant(6.0)] if divided else [graph.constant(1 / 6)]
    return graph.node("Div" if divided else "Mul", clipped, *sixth)


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), divided=st.booleans(), swapped=st.booleans())
def test_a_gate_by_hand_is_a_hardsigmoid(net, apply, equal, settled, sizes, divided, swapped):
    graph = net()
    source = graph.input(*sizes)
    applied = apply(PASS, graph.model(gate(graph, source, divided=divided, swapped=swapped)))
    assert [node.op_type for node in applied.model.graph.node] == ["HardSigmoid"]
    equal(applied, absolute=1e-6)
    settled(PASS, applied)


@settings(max_examples=20, deadline=None)
@given(slope=st.floats(-3, 3).filter(lambda a: abs(a) > 0.1), shift=st.floats(-2, 2), highest=st.floats(0.5, 8))
def test_any_slope_shift_and_bound_will_do(net, apply, equal, slope, shift, highest):
    graph = net()
    line = graph.node("Sub", graph.node("Mul", graph.input(4, 5), graph.constant(slope)), graph.constant(shift))
    last = graph.node("Div", relu6(graph, line, highest), graph.constant(highest))
    applied = apply(PASS, graph.model(last))
    assert applied.count("HardSigmoid") == 1 and applied.count("Clip") == 0
    equal(applied, absolute=1e-6)  # of arguments of a few units


@pytest.mark.parametrize("add_first", [True, False])
def test_sums_and_products_before_the_clip_in_either_order(net, apply, equal, add_first):
    graph = net()
    steps = [("Add", graph.constant(0.7)), ("Mul", graph.constant(-1.5))]
    line = graph.input(4, 5)
    for op, number in steps if add_first else reversed(steps):
        line = graph.node(op, line, number)
    applied = apply(PASS, graph.model(graph.node("Mul", relu6(graph, line, 2.0), graph.constant(0.5))))
    assert applied.count("HardSigmoid") == 1 and applied.count("Clip") == 0
    equal(applied, absolute=1e-6)


def test_a_number_minus_the_maps_turns_the_slope(net, apply, equal):
    graph = net()
    line = graph.node("Sub", graph.constant(0.5), graph.input(4, 5))
    applied = apply(PASS, graph.model(relu6(graph, line, 1.0)))
    assert [node.op_type for node in applied.model.graph.node] == ["HardSigmoid"]
    equal(applied)


def test_of_three_factors_the_gate_and_its_divisor_become_one(net, apply, equal):
    graph = net()
    x, other = graph.input(3, 4), graph.input(3, 4, name="other")
    clipped = relu6(graph, graph.node("Add", graph.node("Sin", x), graph.constant(3.0)))
    product = graph.node("Mul", graph.node("Mul", x, other), clipped)
    applied = apply(PASS, graph.model(graph.node("Div", product, graph.constant(6.0))))
    equal(applied)
    assert all(len(node.input) == 2 for node in applied.model.graph.node if node.op_type == "Mul")


def after_the_product(graph, x):
    clipped = relu6(graph, graph.node("Add", x, graph.constant(3.0)))
    return graph.node("Div", graph.node("Mul", x, clipped), graph.constant(6.0))


def before_the_product(graph, x):
    clipped = relu6(graph, graph.node("Add", x, graph.constant(3.0)))
    return graph.node("Mul", graph.node("Mul", x, graph.constant(1 / 6)), clipped)


def inside_the_clip(graph, x):
    line = graph.node("Add", graph.node("Div", x, graph.constant(6.0)), graph.constant(0.5))
    return graph.node("Mul", relu6(graph, line, 1.0), x)


SWISHES = [
    after_the_product,
    before_the_product,
    inside_the_clip,
    lambda graph, x: graph.node("Mul", gate(graph, x), x),
    lambda graph, x: graph.node("Mul", x, graph.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
]


@pytest.mark.parametrize("swish", SWISHES)
@pytest.mark.parametrize("opset, kinds", [(17, ["HardSwish"]), (13, ["HardSigmoid", "Mul"])])
def test_a_hardswish_by_hand_is_one(net, apply, equal, settled, swish, opset, kinds):
    graph = net(opset)
    applied = apply(PASS, graph.model(swish(graph, graph.input("batch", 3, 4, 5))))
    assert [node.op_type for node in applied.model.graph.node] == kinds
    equal(applied)
    settled(PASS, applied)


def test_two_in_one_graph_behind_convolutions_and_where_maps_are_flat(net, apply, equal):
    graph = net()
    first = after_the_product(graph, graph.conv(graph.input(1, 3, 4, 4), 3, 5, bias=True))
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", first))
    applied = apply(PASS, graph.model(after_the_product(graph, pooled)))
    assert applied.fired == 2 and applied.count("HardSwish") == 2 and applied.count("Clip") == 0
    equal(applied)


@pytest.mark.parametrize("scaled_last", [True, False])
def test_a_gate_by_hand_over_other_maps_keeps_their_product(net, apply, equal, scaled_last):
    """As in a squeeze-excite block."""
    graph = net()
    maps = graph.input(2, 4, 3, 3)
    squeezed = graph.node("GlobalAveragePool", maps)
    if scaled_last:
        clipped = relu6(graph, graph.node("Add", squeezed, graph.constant(3.0)))
        last = graph.node("Div", graph.node("Mul", maps, clipped), graph.constant(6.0))
    else:
        last = graph.node("Mul", maps, gate(graph, squeezed))
    applied = apply(PASS, graph.model(last))
    assert applied.count("HardSigmoid") == 1 and applied.count("Mul") == 1 and applied.count("Clip") == 0
    equal(applied)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_maximum_with_zero_is_a_relu_and_under_a_minimum_a_clip(net, apply, equal, settled, swapped):
    graph = net()
    source, zero, six = graph.input(3, 4), graph.constant(0.0), graph.constant(6.0)
    positive = graph.node("Max", *((zero, source) if swapped else (source, zero)))
    applied = apply(PASS, graph.model(graph.node("Min", *((six, positive) if swapped else (positive, six)))))
    assert [node.op_type for node in applied.model.graph.node] == ["Clip"]
    equal(applied)
    settled(PASS, applied)
    assert apply(PASS, graph.model(positive)).count("Relu") == 1


def plain_relu6(graph, x):
    return relu6(graph, x)


def another_divisor(graph, x):
    return graph.node("Div", relu6(graph, graph.node("Add", x, graph.constant(3.0))), graph.constant(5.0))


def from_minus_one(graph, x):
    clipped = graph.node("Clip", graph.node("Add", x, graph.constant(3.0)), graph.constant(-1.0), graph.constant(6.0))
    return graph.node("Div", clipped, graph.constant(6.0))


def one_bound_a_channel(graph, x):
    clipped = relu6(graph, graph.node("Add", x, graph.constant([[[3.0]], [[2.0]]])))
    return graph.node("Div", clipped, graph.constant(6.0))


def read_in_between(graph, x):
    """The undivided product is an output as well."""
    return graph.node("Mul", x, relu6(graph, graph.node("Add", x, graph.constant(3.0))), name="between")


def divided_by_zero(graph, x):
    return graph.node("Div", relu6(graph, graph.node("Add", x, graph.constant(3.0))), graph.constant(0.0))


def a_number_over_the_maps(graph, x):
    return graph.node("Div", graph.constant(6.0), relu6(graph, graph.node("Add", x, graph.constant(3.0))))


def another_axis(graph, x):
    """The constant has more axes than the maps, so that the result has too."""
    clipped = relu6(graph, graph.node("Add", x, graph.constant(3.0)))
    return graph.node("Div", clipped, graph.constant([[[[[6.0]]]]]))


def maximum_with_one(graph, x):
    return graph.node("Max", x, graph.constant(1.0))


def maximum_of_maps(graph, x):
    return graph.node("Max", x, graph.node("Sin", x))


def minimum_over_maps(graph, x):
    return graph.node("Min", x, graph.constant(6.0))


def a_shift_that_rounds(graph, x):
    """Near -1000 only eight bits are left of x; a HardSigmoid would keep none."""
    line = graph.node("Add", x, graph.constant(1000.0))
    return graph.node("Div", relu6(graph, line, 0.01), graph.constant(0.01))


def rounding_on_purpose(graph, x):
    magic = graph.constant(1e8)
    line = graph.node("Sub", graph.node("Add", x, magic), magic)
    return graph.node("Div", relu6(graph, line), graph.constant(6.0))


def a_slope_beyond_float32(graph, x):
    line = graph.node("Mul", x, graph.constant(1e30))
    return graph.node("Div", relu6(graph, line, 1e-30), graph.constant(1e-30))


def upside_down(graph, x):
    """The upper bound is below the lower one."""
    return graph.node("Mul", relu6(graph, graph.node("Add", x, graph.constant(3.0)), -6.0), graph.constant(-1 / 6))


def endless(graph, x):
    return graph.node("Mul", relu6(graph, graph.node("Add", x, graph.constant(np.inf))), graph.constant(1 / 6))


def minimum_of_a_relu_and_a_negative(graph, x):
    return graph.node("Min", graph.node("Relu", x), graph.constant(-1.0))


NEAR_MISSES = [
    a_shift_that_rounds,
    rounding_on_purpose,
    a_slope_beyond_float32,
    upside_down,
    endless,
    minimum_of_a_relu_and_a_negative,
    plain_relu6,
    another_divisor,
    from_minus_one,
    one_bound_a_channel,
    read_in_between,
    divided_by_zero,
    a_number_over_the_maps,
    another_axis,
    maximum_with_one,
    maximum_of_maps,
    minimum_over_maps,
]


@pytest.mark.parametrize("near_miss", NEAR_MISSES)
def test_what_only_looks_like_one_stays(net, apply, near_miss):
    graph = net()
    assert apply(PASS, graph.model(near_miss(graph, graph.input(1, 2, 3, 4)))).untouched


def test_what_is_read_in_between_stays_as_well(net, apply, equal):
    graph = net()
    between = read_in_between(graph, graph.input(1, 2, 3, 4))
    applied = apply(PASS, graph.model(graph.node("Div", between, graph.constant(6.0)), between))
    assert applied.untouched
    equal(applied)


def test_a_relu_that_something_else_reads_is_no_clip(net, apply):
    graph = net()
    relu = graph.node("Relu", graph.input(2, 3))
    last = graph.node("Min", relu, graph.constant(6.0))
    assert apply(PASS, graph.model(last, graph.node("Sin", relu))).untouched


def test_other_precisions_stay(net, apply):
    graph = net()
    source, three = graph.input(2, 3, dtype=TensorProto.DOUBLE), graph.constant(0.0, dtype="float64")
    assert apply(PASS, graph.model(graph.node("Max", source, three))).untouched
