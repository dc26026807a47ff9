"""The BatchNorm of the seed half as a part of the seed convolution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.rules.seeds import LARGEST_ROUNDING


def layer(graph, scale, shift=None, *, channels=3, name="input", biased=False, depthwise=True, **more):
    """Seed maps read by their BatchNorm's half and by the arguments of a sine; both halves' names."""
    seeds = len(scale)
    maps = graph.conv(graph.input(2, channels, 5, 4, name=name), channels, seeds, 3, bias=biased, **more)
    shift = graph.random.uniform(-0.2, 0.2, seeds) if shift is None else np.asarray(shift)
    if depthwise:
        weights = graph.constant(np.reshape(scale, (seeds, 1, 1, 1))), graph.constant(shift)
        half = graph.node("Conv", maps, *weights, group=seeds, kernel_shape=[1, 1])
    else:
        half = graph.node("Mul", maps, graph.constant(np.reshape(scale, (1, seeds, 1, 1))))
    period = graph.noise(seeds, 1, 1, 1, low=1.0, high=2.0)
    arguments = graph.node("Conv", maps, period, graph.noise(seeds), group=seeds, kernel_shape=[1, 1])
    return half, graph.node("Sin", arguments), maps


@settings(max_examples=20, deadline=None)
@given(
    scale=st.lists(st.floats(0.1, 4.0) | st.floats(-4.0, -0.1), min_size=1, max_size=4),
    biased=st.booleans(),
    depthwise=st.booleans(),
)
def test_the_half_moves_and_the_arguments_take_its_inverse(net, apply, equal, settled, scale, biased, depthwise):
    graph = net()
    half, sine, _ = layer(graph, scale, biased=biased, depthwise=depthwise)
    applied = apply("fold_seed_half", graph.model(graph.node("Relu", half), sine))
    assert applied.fired == 1
    kinds = [node.op_type for node in applied.model.graph.node]
    assert len(kinds) == 4 and kinds.count("Sin") == kinds.count("Relu") == 1
    # A sine moves by what its arguments are rounded to; what is left is the rounding of two convolutions.
    equal(applied, tolerance=1e-5 + 10 * LARGEST_ROUNDING)
    settled("fold_seed_half", applied)


@pytest.mark.parametrize("scale", [0.0, 1e-8, -1e-8, 1e-3])
def test_a_scale_too_small_for_the_tolerance_refuses(net, apply, scale):
    graph = net()
    applied = apply("fold_seed_half", graph.model(*layer(graph, [1.0, scale, -2.0], [0.1, 0.2, 0.3])[:2]))
    assert applied.untouched and f"BatchNorm scales a seed channel by {scale:.2g}" in applied.refusals
    assert f"round the arguments by more than {LARGEST_ROUNDING:g}" in applied.refusals


@pytest.mark.parametrize("scale", [1e-3, 1e-8, 1e-30, 1e-37, 1e-40, 1e-44, -1e-40])
def test_a_small_scale_with_a_shift_as_small_is_exact_or_refused(net, apply, equal, scale):
    graph = net()
    ends = layer(graph, [1.0, scale], [0.1, scale / 4])[:2]
    equal(apply("fold_seed_half", graph.model(*ends)), tolerance=1e-5 + 10 * LARGEST_ROUNDING)


@pytest.mark.parametrize("scale", [1e6, 1e30])
def test_a_huge_scale_is_right_or_refused(net, apply, equal, scale):
    graph = net()
    ends = layer(graph, [1.0, scale], [0.0, 0.0])[:2]
    equal(apply("fold_seed_half", graph.model(*ends)), tolerance=1e-5 + 10 * LARGEST_ROUNDING)


def test_two_in_one_graph(net, apply, equal, settled):
    graph = net()
    ends = [value for name in ("a", "b") for value in layer(graph, [1.0, -2.0], name=name)[:2]]
    applied = apply("fold_seed_half", graph.model(*ends))
    assert applied.fired == 2
    equal(applied, tolerance=1e-5 + 10 * LARGEST_ROUNDING)
    settled("fold_seed_half", applied)


def test_seed_maps_that_are_an_output_stay(net, apply):
    graph = net()
    assert apply("fold_seed_half", graph.model(*layer(graph, [1.0, 2.0]))).untouched


def test_a_third_reader_stays(net, apply):
    graph = net()
    half, sine, maps = layer(graph, [1.0, 2.0])
    assert apply("fold_seed_half", graph.model(half, sine, graph.node("Relu", maps))).untouched


def test_a_reader_that_is_no_step_stays(net, apply):
    graph = net()
    maps = graph.conv(graph.input(2, 3, 5, 4), 3, 2, 3)
    ends = graph.node("Mul", maps, graph.noise(1, 2, 1, 1)), graph.node("Sin", maps)
    assert apply("fold_seed_half", graph.model(*ends)).untouched


@pytest.mark.parametrize("activation", ["none", "both"])
def test_halves_that_cannot_be_told_apart_stay(net, apply, activation):
    graph = net()
    maps = graph.conv(graph.input(2, 3, 5, 4), 3, 2, 3)
    steps = [graph.node("Mul", maps, graph.noise(1, 2, 1, 1)) for _ in range(2)]
    kind = "Sin" if activation == "both" else "Relu"
    assert apply("fold_seed_half", graph.model(*[graph.node(kind, step) for step in steps])).untouched


@pytest.mark.parametrize("computed", ["filters", "bias"])
def test_computed_numbers_refuse_or_stay(net, apply, equal, computed):
    graph = net()
    weight = graph.input(2, 3, 1, 1, name="filters") if computed == "filters" else graph.noise(2, 3, 1, 1)
    bias = graph.input(2, name="bias") if computed == "bias" else graph.noise(2)
    maps = graph.node("Conv", graph.input(2, 3, 5, 4), weight, bias)
    ends = graph.node("Mul", maps, graph.noise(1, 2, 1, 1)), graph.node("Mul", maps, graph.noise(1, 2, 1, 1))
    applied = apply("fold_seed_half", graph.model(ends[0], graph.node("Sin", ends[1])))
    equal(applied)
    assert applied.untouched


def test_filters_that_two_convolutions_share_stay_for_the_other(net, apply, equal):
    graph = net()
    half, sine, _ = layer(graph, [1.5, -2.0])
    other = graph.node("Conv", "input", graph.nodes[0].input[1], pads=[1, 1, 1, 1])
    applied = apply("fold_seed_half", graph.model(half, sine, other))
    assert applied.fired == 1
    equal(applied, tolerance=1e-5 + 10 * LARGEST_ROUNDING)
