"""The sparse seed convolution as depthwise convolutions and their sum."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.costs import Costs, SparseCost


def table(depthwise, block=16):
    """A target where the depthwise form takes that part of one node's time, whatever the shape."""
    cost = SparseCost(240, 3, 1, 28, 100.0, 100.0 * depthwise)
    costs = Costs("generic", True, "a test", "none", (cost,))
    blocks = {"block": block, "left_block": block, "native_blocks": (0,)}
    return SimpleNamespace(**blocks, columns=True, costs=costs, backend="onnxruntime")


FASTER, SLOWER, UNBLOCKED = table(0.1), table(1.5), table(0.1, block=0)


@settings(max_examples=20, deadline=None)
@given(
    groups=st.integers(2, 5),
    m=st.integers(2, 4),
    size=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    before=st.sampled_from(["conv", "conv and Relu", "conv and Clip", "nothing", "Relu"]),
    costs=st.sampled_from([FASTER, UNBLOCKED]),
)
def test_it_equals_depthwise_convolutions(
    net, apply, equal, settled, groups, m, size, stride, dilation, bias, before, costs
):
    graph = net()
    value = graph.input(2, 3 if "conv" in before else m * groups, 9, 8)
    value = graph.conv(value, 3, m * groups, bias=bias) if "conv" in before else value
    value = graph.node("Relu", value) if "Relu" in before else value
    value = graph.node("Clip", value, graph.constant(0.0), graph.constant(6.0)) if "Clip" in before else value
    more = {"group": groups, "strides": [stride] * 2, "dilations": [dilation] * 2}
    model = graph.model(graph.conv(value, m * groups, groups, size, bias=bias, **more))
    applied = apply("depthwise_seeds", model, costs)
    assert applied.fired == 1 and f"{m} depthwise convolutions" in applied.outcome.notes[0]
    sliced = "conv" not in before and costs is UNBLOCKED
    assert applied.count("Slice") == (m if sliced else 0)
    equal(applied)
    settled("depthwise_seeds", applied, costs)


@pytest.mark.parametrize("channels, summed", [(64, True), (66, False)])
def test_few_channels_that_something_else_reads_are_summed_by_a_pointwise_convolution(
    net, apply, equal, channels, summed
):
    """As those of a stem beside a residual connection."""
    graph = net()
    stem = graph.conv(graph.input(1, 3, 6, 6), 3, channels, 3)
    seeds = graph.conv(stem, channels, channels // 2, 3, group=channels // 2)
    applied = apply("depthwise_seeds", graph.model(seeds, stem), FASTER)
    assert (applied.count("Slice") == 0) is summed
    assert ("summed by a pointwise one" in applied.outcome.notes[0]) is summed
    equal(applied)


def test_two_in_one_graph_with_a_batch_of_any_size(net, apply, equal, settled):
    graph = net()
    value = graph.input("batch", 4, 6, 6)
    for _ in range(2):
        value = graph.conv(graph.node("Relu", graph.conv(value, 4, 8, bias=True)), 8, 4, 3, group=4)
    applied = apply("depthwise_seeds", graph.model(value), FASTER)
    assert applied.fired == 2
    equal(applied)
    settled("depthwise_seeds", applied, FASTER)


def test_the_table_decides_and_the_reason_is_told(net, apply):
    graph = net()
    model = graph.model(graph.conv(graph.input(1, 8, 6, 6), 8, 4, 3, group=4))
    slower = apply("depthwise_seeds", model, SLOWER)
    assert slower.untouched and "would take 1.50 of one node's time" in slower.refusals
    assert "0.10 of one node's time" in apply("depthwise_seeds", model, FASTER).outcome.notes[0]


def test_more_channels_a_group_cost_more(net, apply):
    graph = net()
    model = graph.model(graph.conv(graph.input(1, 12, 6, 6), 12, 3, 3, group=3))
    assert apply("depthwise_seeds", model, table(0.6)).untouched
    assert apply("depthwise_seeds", model, table(0.4)).fired == 1


@pytest.mark.parametrize("filters", [2, 3])
def test_several_filters_a_group_refuse(net, apply, filters):
    graph = net()
    applied = apply(
        "depthwise_seeds", graph.model(graph.conv(graph.input(1, 8, 6, 6), 8, 4 * filters, 3, group=4)), FASTER
    )
    assert applied.untouched and f"{filters} filters a group" in applied.refusals


def test_many_channels_a_group_refuse(net, apply):
    graph = net()
    applied = apply("depthwise_seeds", graph.model(graph.conv(graph.input(1, 10, 6, 6), 10, 2, 3, group=2)), FASTER)
    assert applied.untouched and "5 channels a group" in applied.refusals


def test_whole_and_depthwise_convolutions_are_left_alone(net, apply):
    graph = net()
    value = graph.conv(graph.conv(graph.input(1, 8, 6, 6), 8, 8, 3, group=8), 8, 4, 3)
    applied = apply("depthwise_seeds", graph.model(value), FASTER)
    assert applied.untouched and not applied.refusals


def test_computed_filters_are_left_alone(net, apply):
    graph = net()
    value = graph.node("Conv", graph.input(1, 8, 6, 6), graph.input(4, 2, 3, 3, name="filters"), group=4)
    assert apply("depthwise_seeds", graph.model(value), FASTER).untouched


@pytest.mark.parametrize("who", ["producer", "seeds"])
def test_a_computed_bias_is_kept(net, apply, equal, who):
    graph = net()
    value = graph.node(
        "Conv",
        graph.input(1, 3, 6, 6),
        graph.noise(8, 3, 1, 1),
        graph.input(8, name="bias") if who == "producer" else graph.noise(8),
    )
    second = graph.input(4, name="bias") if who == "seeds" else graph.noise(4)
    value = graph.node("Conv", graph.node("Relu", value), graph.noise(4, 2, 3, 3), second, group=4)
    equal(apply("depthwise_seeds", graph.model(value), FASTER))


@pytest.mark.parametrize("also", ["output", "reader", "shared filters", "strided", "grouped", "wide"])
def test_a_producer_that_is_not_its_alone_is_right(net, apply, equal, also):
    graph = net()
    source, weight = graph.input(2, 4, 6, 6), graph.noise(8, 4, 1, 1)
    more = {"strided": {"strides": [2, 2]}, "grouped": {"group": 2}}.get(also, {})
    if also in ("grouped", "wide"):
        maps = graph.conv(source, 4, 8, 3 if also == "wide" else 1, **more)
    else:
        maps = graph.node("Conv", source, weight, **more)
    ends = [graph.conv(graph.node("Relu", maps), 8, 4, 3, group=4)]
    ends += [maps] if also == "output" else []
    ends += [graph.node("Sin", maps)] if also == "reader" else []
    ends += [graph.node("Conv", source, weight)] if also == "shared filters" else []
    applied = apply("depthwise_seeds", graph.model(*ends), FASTER)
    assert applied.fired == 1
    equal(applied)


@pytest.mark.parametrize("more", [{"auto_pad": "SAME_UPPER"}, {"auto_pad": "VALID"}, {"pads": [0, 1, 2, 1]}])
def test_padding_of_every_kind_is_kept(net, apply, equal, more):
    graph = net()
    value = graph.node("Conv", graph.input(1, 8, 6, 6), graph.noise(4, 2, 3, 3), group=4, strides=[2, 2], **more)
    applied = apply("depthwise_seeds", graph.model(value), FASTER)
    assert applied.fired == 1
    equal(applied)


def test_one_axis_or_an_unknown_shape_refuses(net, apply):
    graph = net()
    flat = graph.node("Conv", graph.input(1, 8, 9, name="flat"), graph.noise(4, 2, 3), group=4)
    unknown = graph.conv(graph.input(1, 8, "height", "width", name="unknown"), 8, 4, 3, group=4)
    applied = apply("depthwise_seeds", graph.model(flat, unknown), FASTER)
    assert applied.untouched and "the input's shape is not known (twice)" in applied.refusals


def test_other_number_types_stay_valid(net, apply, equal):
    graph = net()
    weight = graph.constant(np.random.default_rng(0).uniform(-1, 1, (4, 2, 3, 3)), dtype=np.float16)
    value = graph.node("Conv", graph.input(1, 8, 6, 6, dtype=10), weight, group=4)
    applied = apply("depthwise_seeds", graph.model(value), FASTER)
    equal(applied, 5e-3)


def test_a_convolution_of_another_domain_stays(net, apply):
    graph = net()
    value = graph.node("Conv", graph.input(1, 8, 6, 6), graph.noise(4, 2, 3, 3), group=4, domain="someone.else")
    assert apply("depthwise_seeds", graph.model(value, check=False), FASTER).untouched


@pytest.mark.parametrize("channels, split", [(64, True), (32, True), (48, False)])
def test_filters_before_are_parted_where_whole_blocks_of_them_are_left(net, apply, equal, channels, split):
    """48 filters of 3x3 in two halves would be computed as two times 32."""
    graph = net()
    stem = graph.node("Relu", graph.conv(graph.input(1, 3, 6, 6), 3, channels, 3, bias=True))
    seeds = graph.conv(stem, channels, channels // 2, 3, group=channels // 2)
    applied = apply("depthwise_seeds", graph.model(seeds), FASTER)
    assert ("cannot be parted" in applied.outcome.notes[0]) is not split
    equal(applied)
    assert "cannot be parted" not in apply("depthwise_seeds", graph.model(seeds), UNBLOCKED).outcome.notes[0]
