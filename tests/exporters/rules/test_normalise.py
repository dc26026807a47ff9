"""The normalise step over channels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.targets import TARGETS


def normalised(graph, source, smallest=1e-12, clip="Clip", axes=(1,), keepdims=1, upper=None):
    norm = graph.node("ReduceL2", source, axes=axes, keepdims=keepdims)
    bounds = [graph.constant(smallest)] + ([] if upper is None else [graph.constant(upper)])
    return graph.node("Div", source, graph.node(clip, norm, *bounds))


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    smallest=st.sampled_from([1e-12, 1e-6, 0.5, 3.0]),
    clip=st.sampled_from(["Clip", "Max"]),
)
def test_the_quotient_by_the_root_of_the_energy_is_the_same(net, apply, equal, settled, sizes, smallest, clip):
    graph = net()
    applied = apply("cheapest_normalise", graph.model(normalised(graph, graph.input(*sizes), smallest, clip)))
    assert applied.fired == 1
    assert applied.count("ReduceL2") == applied.count("Max") == 0
    equal(applied)
    settled("cheapest_normalise", applied)


@settings(max_examples=15, deadline=None)
@given(magnitude=st.integers(-17, 17), smallest=st.sampled_from([1e-12, 1e-6]))
def test_it_holds_for_small_and_large_maps_and_for_zero(net, apply, equal, magnitude, smallest):
    graph = net()
    applied = apply("cheapest_normalise", graph.model(normalised(graph, graph.input(1, 3, 4, 4), smallest)))
    maps = (np.random.default_rng(2).uniform(-1, 1, (1, 3, 4, 4)) * 10.0**magnitude).astype(np.float32)
    maps[:, :, 0, 0] = 0
    equal(applied, feeds={"input": maps})


@pytest.mark.parametrize("batch", ["batch", 3])
def test_two_in_one_graph_with_a_batch_of_any_size(net, apply, equal, settled, batch):
    graph = net()
    value = graph.input(batch, 4, 3, 3)
    for _ in range(2):
        value = graph.node("Sin", normalised(graph, value))
    applied = apply("cheapest_normalise", graph.model(value))
    assert applied.fired == 2
    equal(applied)
    settled("cheapest_normalise", applied)


def test_pixels_of_any_number_give_a_valid_model(net, apply, equal):
    graph = net()
    value = normalised(graph, graph.input("batch", 3, "height", "width"))
    equal(apply("cheapest_normalise", graph.model(value)))


@pytest.mark.parametrize("axes", [(2,), (2, 3), (1, 2, 3), (0,), (1, 2)])
def test_a_norm_over_other_axes_stays(net, apply, axes):
    graph = net()
    assert apply("cheapest_normalise", graph.model(normalised(graph, graph.input(2, 3, 4, 4), axes=axes))).untouched


def test_a_norm_that_drops_its_axis_broadcasts_otherwise_and_stays(net, apply):
    graph = net()
    assert apply("cheapest_normalise", graph.model(normalised(graph, graph.input(3, 3, 3, 3), keepdims=0))).untouched


@pytest.mark.parametrize("clip", ["Clip", "Max"])
def test_an_upper_bound_or_a_third_operand_stays(net, apply, clip):
    graph = net()
    value = normalised(graph, graph.input(2, 3, 4, 4), 0.1, clip, upper=2.0)
    assert apply("cheapest_normalise", graph.model(value)).untouched


@pytest.mark.parametrize("bounds", [[], ["", "one"]])
def test_no_lower_bound_stays(net, apply, bounds):
    graph = net()
    graph.constant(1.0, "one")
    source = graph.input(2, 3, 4, 4)
    norm = graph.node("ReduceL2", source, axes=[1])
    value = graph.node("Div", source, graph.node("Clip", norm, *bounds))
    assert apply("cheapest_normalise", graph.model(value)).untouched


@pytest.mark.parametrize("smallest", [-10.0, 1e-30])
def test_a_bound_whose_square_would_be_another_stays_or_holds(net, apply, equal, smallest):
    graph = net()
    applied = apply("cheapest_normalise", graph.model(normalised(graph, graph.input(2, 3, 4, 4), smallest)))
    maps = np.random.default_rng(2).uniform(-1, 1, (2, 3, 4, 4)).astype(np.float32)
    if smallest > 0:  # where it is not, 0 / 0 is no number in the first place
        maps[:, :, 0, 0] = 0
    equal(applied, feeds={"input": maps})


def test_a_computed_bound_stays(net, apply):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    clip = graph.node("Clip", graph.node("ReduceL2", source, axes=[1]), graph.input(name="smallest"))
    assert apply("cheapest_normalise", graph.model(graph.node("Div", source, clip))).untouched


def test_the_norm_of_another_map_and_the_inverse_quotient_stay(net, apply):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    clip = graph.node("Clip", graph.node("ReduceL2", graph.node("Sin", source), axes=[1]), graph.constant(1e-12))
    own = graph.node("Clip", graph.node("ReduceL2", source, axes=[1]), graph.constant(1e-12))
    ends = graph.node("Div", source, clip), graph.node("Div", own, source), graph.node("Mul", source, own)
    assert apply("cheapest_normalise", graph.model(*ends)).untouched


def test_a_norm_that_is_read_elsewhere_or_an_output_is_still_there(net, apply, equal):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    norm = graph.node("ReduceL2", source, axes=[1])
    value = graph.node("Div", source, graph.node("Clip", norm, graph.constant(1e-12)))
    equal(apply("cheapest_normalise", graph.model(value, norm)))


def test_other_number_types_stay_valid(net, apply, equal):
    graph = net()
    source = graph.input(2, 3, 4, 4, dtype=11)
    clip = graph.node("Clip", graph.node("ReduceL2", source, axes=[1]), graph.constant(1e-12, dtype=np.float64))
    equal(apply("cheapest_normalise", graph.model(graph.node("Div", source, clip))))


@pytest.mark.parametrize("opset", [11, 12, 13, 18])
def test_other_opsets_stay_valid(net, apply, equal, opset):
    graph = net(opset)
    source = graph.input(2, 3, 4, 4)
    norm = graph.node("ReduceL2", source, **({"axes": [1]} if opset < 18 else {}), keepdims=1)
    if opset >= 18:
        graph.nodes[-1].input.append(graph.ints(1))
    value = graph.node("Div", source, graph.node("Clip", norm, graph.constant(1e-12)))
    applied = apply("cheapest_normalise", graph.model(value))
    assert opset != 13 or applied.fired == 1
    equal(applied)


def test_bounds_of_an_old_opset_are_attributes(net, apply, equal):
    graph = net(10)
    source = graph.input(2, 3, 4, 4)
    clip = graph.node("Clip", graph.node("ReduceL2", source, axes=[1]), min=1e-12)
    equal(apply("cheapest_normalise", graph.model(graph.node("Div", source, clip))))


@pytest.mark.parametrize("target, quotients", [("generic", 0), ("rpi4", 1)])
def test_the_inverse_norm_is_spread_by_a_convolution_where_maps_are_blocked(net, apply, equal, target, quotients):
    graph = net()
    model = graph.model(normalised(graph, graph.input(2, 16, 3, 3)))
    applied = apply("cheapest_normalise", model, TARGETS[target])
    assert applied.count("Div") == quotients and applied.count("Conv") == 2 - quotients
    equal(applied)


def test_of_channels_that_fill_no_block_the_reduction_stays(net, apply):
    graph = net()
    model = graph.model(normalised(graph, graph.input(2, 15, 3, 3)))
    applied = apply("cheapest_normalise", model, TARGETS["generic"])
    assert applied.untouched and "15 channels do not fill the runtime's blocks of 16" in applied.refusals
    assert apply("cheapest_normalise", model, TARGETS["rpi4"]).fired == 1
