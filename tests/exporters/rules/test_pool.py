"""Means over all pixels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto


def mean(graph, source, axes=(2, 3), **more):
    return graph.node("ReduceMean", source, axes=axes, **more)


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 6)] * 4),
    axes=st.sampled_from([(2, 3), (3, 2), (-1, -2), (2, -1)]),
    more=st.sampled_from([{}, {"keepdims": 1}]),
)
def test_a_mean_over_height_and_width_is_a_pool(net, apply, equal, settled, sizes, axes, more):
    graph = net()
    applied = apply("pool_means", graph.model(mean(graph, graph.input(*sizes), axes, **more)))
    assert applied.fired == 1 and applied.count("GlobalAveragePool") == 1 and applied.count("ReduceMean") == 0
    equal(applied)
    settled("pool_means", applied)


def test_two_in_one_graph_with_a_batch_of_any_size(net, apply, equal):
    graph = net()
    maps = graph.input("batch", 4, 3, 5)
    scaled = graph.node("Mul", maps, mean(graph, maps))
    applied = apply("pool_means", graph.model(mean(graph, scaled)))
    assert applied.fired == 2
    equal(applied)


def test_from_opset_18_on_the_axes_are_an_input(net, apply, equal):
    graph = net(opset=18)
    applied = apply("pool_means", graph.model(graph.node("ReduceMean", graph.input(2, 3, 4, 5), graph.ints(2, 3))))
    assert applied.fired == 1
    equal(applied)


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2, 3), (0, 1)])
def test_a_mean_over_other_axes_stays(net, apply, axes):
    graph = net()
    assert apply("pool_means", graph.model(mean(graph, graph.input(2, 3, 4, 5), axes))).untouched


@pytest.mark.parametrize("sizes, keepdims", [((2, 3, 4, 5), 0), ((2, 3, 4, 5, 6), 1)])
def test_a_mean_that_drops_its_axes_or_of_another_rank_stays(net, apply, sizes, keepdims):
    graph = net()
    assert apply("pool_means", graph.model(mean(graph, graph.input(*sizes), keepdims=keepdims))).untouched


def test_a_mean_over_all_axes_or_computed_ones_stays(net, apply):
    graph = net(opset=18)
    maps, axes = graph.input(2, 3, 4, 5), graph.input(2, name="axes", dtype=TensorProto.INT64)
    several = graph.node("ReduceMean", maps), graph.node("ReduceMean", maps, axes)
    assert apply("pool_means", graph.model(*several, check=False)).untouched


def test_other_precisions_are_refused(net, apply):
    graph = net()
    applied = apply("pool_means", graph.model(mean(graph, graph.input(1, 2, 3, 4, dtype=TensorProto.DOUBLE))))
    assert applied.untouched and "float32 alone" in applied.refusals
