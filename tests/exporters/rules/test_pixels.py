"""Convolutions over one pixel."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.targets import TARGETS

PASS = "multiply_pixels"
ROWS = dataclasses.replace(TARGETS["generic"], columns=False)


def squeezed(graph, source, channels, inner, bias=True):
    """The two convolutions of a squeeze-excite block, between its mean and its product."""
    few = graph.node("Relu", graph.conv(graph.node("GlobalAveragePool", source), channels, inner, bias=bias))
    gate = graph.node("HardSigmoid", graph.conv(few, inner, channels, bias=bias))
    return graph.node("Mul", source, gate)


def head(graph, source, channels):
    """A convolution behind the mean, and a classifier."""
    wide = graph.node("HardSwish", graph.conv(graph.node("GlobalAveragePool", source), channels, 12, bias=True))
    return graph.node("Gemm", graph.node("Flatten", wide), graph.noise(5, 12), graph.noise(5), transB=1)


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 9),
    inner=st.integers(1, 5),
    pixels=st.integers(1, 4),
    bias=st.booleans(),
)
def test_both_convolutions_of_a_gate_become_products(net, apply, equal, settled, batch, channels, inner, pixels, bias):
    graph = net()
    model = graph.model(squeezed(graph, graph.input(batch, channels, pixels, pixels), channels, inner, bias))
    applied = apply(PASS, model, ROWS)
    assert applied.fired == 2 and applied.count("Gemm") == 2 and applied.count("Conv") == 0
    equal(applied)
    settled(PASS, applied, ROWS)


def test_rows_stay_rows_between_two_products(net, apply):
    graph = net()
    applied = apply(PASS, graph.model(squeezed(graph, graph.input(1, 8, 3, 3), 8, 2)), ROWS)
    assert (applied.count("Flatten"), applied.count("Reshape")) == (1, 1)


def test_a_classifier_reads_the_rows_of_a_head(net, apply, equal):
    graph = net()
    applied = apply(PASS, graph.model(head(graph, graph.input("batch", 6, 3, 3), 6)), ROWS)
    assert applied.fired == 2 and (applied.count("Flatten"), applied.count("Reshape")) == (1, 0)
    equal(applied)


def test_a_batch_may_have_any_size(net, apply, equal):
    graph = net()
    applied = apply(PASS, graph.model(squeezed(graph, graph.input("batch", 8, 3, 3), 8, 2)), ROWS)
    assert applied.fired == 2
    equal(applied)


def test_a_product_that_is_an_output_keeps_its_name_and_shape(net, apply, equal):
    graph = net()
    applied = apply(PASS, graph.model(graph.conv(graph.input(2, 8, 1, 1), 8, 3)), ROWS)
    assert applied.fired == 1
    equal(applied)


def test_rows_that_something_else_reads_too_are_made_twice(net, apply, equal):
    graph = net()
    first = graph.node("Relu", graph.conv(graph.input(2, 8, 1, 1), 8, 3))
    applied = apply(PASS, graph.model(graph.conv(first, 3, 4), graph.node("Neg", first)), ROWS)
    assert applied.fired == 2
    equal(applied)


def test_a_runtime_that_is_fast_at_columns_keeps_them(net, apply):
    graph = net()
    applied = apply(PASS, graph.model(squeezed(graph, graph.input(1, 8, 3, 3), 8, 2)), TARGETS["generic"])
    assert applied.untouched and "a single column as fast" in applied.refusals


def more_pixels(graph, x):
    return graph.conv(x, 8, 4)


def in_groups(graph, x):
    return graph.conv(graph.node("GlobalAveragePool", x), 8, 4, group=2)


def wider_filters(graph, x):
    return graph.conv(graph.node("GlobalAveragePool", x), 8, 4, size=3)


@pytest.mark.parametrize("near_miss", [more_pixels, in_groups, wider_filters])
def test_other_convolutions_stay(net, apply, near_miss):
    graph = net()
    assert apply(PASS, graph.model(near_miss(graph, graph.input(1, 8, 3, 4))), ROWS).untouched


def test_one_that_pads_its_pixel_stays(net, apply):
    graph = net()
    pooled = graph.node("GlobalAveragePool", graph.input(1, 8, 3, 4))
    applied = apply(PASS, graph.model(graph.conv(pooled, 8, 4, pads=[1, 1, 1, 1])), ROWS)
    assert applied.untouched and "pads its pixel" in applied.refusals


def test_of_an_old_file_convolutions_stay(net, apply):
    graph = net(opset=10)
    pooled = graph.node("GlobalAveragePool", graph.input(1, 8, 3, 4))
    assert apply(PASS, graph.model(graph.conv(pooled, 8, 4)), ROWS).untouched


@pytest.mark.parametrize("axis, sizes", [(1, ("batch", 8, "height", "width")), (2, (1, 8, 3, 4))])
def test_other_flattenings_stay(net, apply, axis, sizes):
    graph = net()
    assert apply(PASS, graph.model(graph.node("Flatten", graph.input(*sizes), axis=axis)), ROWS).untouched
