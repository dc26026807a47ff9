"""Products of maps and gates."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.targets import TARGETS

PASS = "spread_gate"


def gated(graph, source, channels, swapped=False):
    """A squeeze-excite block behind a convolution."""
    maps = graph.node("Relu", graph.conv(source, channels, channels))
    squeezed = graph.conv(graph.node("GlobalAveragePool", maps), channels, channels, bias=True)
    gate = graph.node("HardSigmoid", squeezed)
    return graph.node("Mul", *((gate, maps) if swapped else (maps, gate)))


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 5),
    height=st.integers(1, 6),
    width=st.integers(2, 6),
    swapped=st.booleans(),
)
def test_a_gate_is_spread_over_the_maps(net, apply, equal, settled, batch, channels, height, width, swapped):
    graph = net()
    applied = apply(PASS, graph.model(gated(graph, graph.input(batch, channels, height, width), channels, swapped)))
    assert applied.fired == 1 and applied.count("Resize") == 1
    equal(applied, tolerance=0)
    settled(PASS, applied)


def test_two_in_one_graph_with_a_batch_of_any_size(net, apply, equal):
    graph = net()
    applied = apply(PASS, graph.model(gated(graph, gated(graph, graph.input("batch", 4, 5, 6), 4), 4)))
    assert applied.fired == 2
    equal(applied, tolerance=0)


def test_without_a_blocked_layout_it_would_only_cost(net, apply):
    graph, unblocked = net(), dataclasses.replace(TARGETS["generic"], block=0)
    assert apply(PASS, graph.model(gated(graph, graph.input(1, 3, 4, 4), 3)), unblocked).untouched


@pytest.mark.parametrize("channels, whole", [(16, True), (48, True), (8, False), (24, False), (100, False)])
def test_blocks_in_part_gain_nothing(net, apply, channels, whole):
    graph = net()
    model = graph.model(gated(graph, graph.input(1, channels, 4, 4), channels))
    applied = apply(PASS, model, TARGETS["generic"])
    assert (applied.fired == 1) is whole
    assert whole or f"{channels} channels are not whole blocks of 16" in applied.refusals


def one_pixel(graph, x):
    return gated(graph, graph.node("GlobalAveragePool", x), 3)


def no_convolution(graph, x):
    return graph.node("Mul", x, graph.node("Sigmoid", graph.node("GlobalAveragePool", x)))


def behind_a_sine(graph, x):
    maps = graph.node("Sin", graph.conv(x, 3, 3))
    return graph.node("Mul", maps, graph.conv(graph.node("GlobalAveragePool", maps), 3, 3))


def one_number_for_all_channels(graph, x):
    maps = graph.conv(x, 3, 3)
    return graph.node("Mul", maps, graph.conv(graph.node("GlobalAveragePool", maps), 3, 1))


def one_row_of_numbers(graph, x):
    return graph.node("Mul", graph.conv(x, 3, 3), graph.conv(graph.node("ReduceMean", x, axes=[2]), 3, 3))


def known_numbers(graph, x):
    return graph.node("Mul", graph.conv(x, 3, 3), graph.noise(1, 3, 1, 1))


NEAR_MISSES = [one_pixel, no_convolution, behind_a_sine, one_number_for_all_channels, one_row_of_numbers, known_numbers]


@pytest.mark.parametrize("near_miss", NEAR_MISSES)
def test_other_products_stay(net, apply, near_miss):
    graph = net()
    assert apply(PASS, graph.model(near_miss(graph, graph.input(1, 3, 4, 5)))).untouched


def test_maps_of_unknown_size_stay(net, apply):
    graph = net()
    assert apply(PASS, graph.model(gated(graph, graph.input(1, 3, "height", "width"), 3))).untouched
