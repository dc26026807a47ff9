"""The concatenation of seed and generated maps on its way down to a pointwise convolution."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.targets import TARGETS

FEW = settings(max_examples=15, deadline=None)


def joined(graph, channels=2, name="input", batch=2, generate="Sin", pixels=(3, 4)):
    """Seed maps and as many generated from them, one behind the other."""
    seeds = graph.node("Abs", graph.input(batch, channels, *pixels, name=name))
    return graph.node("Concat", seeds, graph.node(generate, seeds), axis=1)


def through(graph, kind, value, channels):
    """One operator that may stand between the concatenation and the pointwise convolution."""
    if kind == "BatchNormalization":
        return graph.batchnorm(value, channels)
    if kind == "per channel":
        return graph.node("Mul", value, graph.noise(1, channels, 1, 1))
    if kind == "without batch":
        return graph.node("Sub", graph.noise(channels, 1, 1), value)
    if kind == "scalar":
        return graph.node("Div", value, graph.constant(3.0))
    if kind == "one map":
        return graph.node("Mul", value, graph.input(1, 1, 3, 4, name=f"map_{len(graph.nodes)}"))
    if kind == "itself":
        return graph.node("Mul", value, value)
    if kind == "gate":
        pooled = graph.node("GlobalAveragePool", value)
        low = graph.node("Relu", graph.conv(pooled, channels, 2, bias=True))
        return graph.node("Mul", value, graph.node("HardSigmoid", graph.conv(low, 2, channels, bias=True), alpha=0.2))
    if kind == "Clip":
        return graph.node("Clip", value, graph.constant(-0.5), graph.constant(0.5))
    return graph.node(kind, value)


KINDS = ["BatchNormalization", "per channel", "without batch", "scalar", "one map", "itself", "gate", "Clip", "Relu"]
KINDS += ["HardSwish", "Sigmoid", "LeakyRelu"]


@FEW
@given(kinds=st.lists(st.sampled_from(KINDS), max_size=4), channels=st.integers(1, 3), filters=st.integers(1, 4))
def test_what_stands_before_a_pointwise_convolution_lets_it_through(
    net, apply, equal, settled, kinds, channels, filters
):
    graph = net()
    value = joined(graph, channels)
    for kind in kinds:
        value = through(graph, kind, value, 2 * channels)
    applied = apply("sink_concat", graph.model(graph.conv(value, 2 * channels, filters, bias=True)))
    assert applied.fired >= 1 and applied.count("Concat") == 0
    equal(applied)
    settled("sink_concat", applied)


@pytest.mark.parametrize("read_elsewhere", [False, True])
def test_a_gate_comes_in_two_halves_by_its_filters_unless_something_else_reads_it(net, apply, equal, read_elsewhere):
    graph = net()
    maps = joined(graph, 3)
    squeezed = graph.node("Relu", graph.conv(graph.node("GlobalAveragePool", maps), 6, 2, bias=True))
    gate = graph.node("Sigmoid", graph.conv(squeezed, 2, 6, bias=True))
    last = graph.conv(graph.node("Mul", maps, gate), 6, 4)
    applied = apply("sink_concat", graph.model(last, *([gate] if read_elsewhere else [])))
    assert applied.count("Concat") == 0 and applied.count("Split") == int(read_elsewhere)
    equal(applied)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("more", [{}, {"strides": [2, 2]}, {"pads": [1, 1, 1, 1]}])
@pytest.mark.parametrize("batch", [1, "batch"])
def test_a_pointwise_convolution_takes_both_halves(net, apply, equal, settled, bias, more, batch):
    graph = net()
    applied = apply("sink_concat", graph.model(graph.conv(joined(graph, batch=batch), 4, 5, bias=bias, **more)))
    assert applied.fired == 1 and applied.count("Concat") == 0 and applied.count("Conv") == 2
    equal(applied)
    settled("sink_concat", applied)


def test_two_in_one_graph_and_filters_that_both_convolutions_share(net, apply, equal):
    graph = net()
    weight = graph.noise(3, 4, 1, 1)
    ends = [graph.node("Conv", joined(graph, name=name), weight) for name in ("a", "b")]
    applied = apply("sink_concat", graph.model(*ends))
    assert applied.fired == 2 and applied.count("Concat") == 0
    equal(applied)


def test_a_residual_sum_of_two_joined_maps_lets_both_through(net, apply, equal):
    graph = net()
    total = graph.node("Add", joined(graph, name="a"), joined(graph, name="b"))
    applied = apply("sink_concat", graph.model(graph.conv(graph.node("Relu", total), 4, 3)))
    assert applied.count("Concat") == 0
    equal(applied)


def test_a_residual_sum_with_a_whole_map_refuses(net, apply):
    graph = net()
    total = graph.node("Add", joined(graph), graph.input(2, 4, 3, 4, name="whole"))
    applied = apply("sink_concat", graph.model(total))
    assert applied.untouched and "the other operand is a whole map, not in the same two parts" in applied.refusals


def test_a_residual_sum_with_maps_joined_at_another_place_is_right(net, apply, equal):
    graph = net()
    other = [graph.input(2, size, 3, 4, name=f"part_{size}") for size in (1, 3)]
    total = graph.node("Add", joined(graph), graph.node("Concat", *other, axis=1))
    equal(apply("sink_concat", graph.model(graph.conv(total, 4, 3))))


@pytest.mark.parametrize("axis", [0, 2, 3])
def test_another_operand_joined_on_another_axis_is_no_match(net, apply, equal, axis):
    graph = net()
    sizes = [2, 1, 2, 4]
    sizes[axis] //= 2
    parts = [graph.input(*sizes, name=name) for name in ("p", "q")]
    total = graph.node("Add", joined(graph, channels=1, pixels=(2, 4)), graph.node("Concat", *parts, axis=axis))
    equal(apply("sink_concat", graph.model(graph.conv(total, 2, 3))))


@pytest.mark.parametrize("change", [{"size": 3}, {"group": 2}, {"group": 4, "size": 3}])
def test_a_convolution_that_is_not_pointwise_refuses(net, apply, change):
    graph = net()
    applied = apply("sink_concat", graph.model(graph.conv(joined(graph), 4, 4, **change)))
    assert applied.untouched
    assert "a convolution that is not pointwise reads seed and generated maps together" in applied.refusals


def test_computed_filters_refuse(net, apply):
    graph = net()
    value = graph.node("Conv", joined(graph), graph.input(3, 4, 1, 1, name="filters"))
    applied = apply("sink_concat", graph.model(value))
    assert applied.untouched and applied.refusals


def test_maps_as_filters_stay(net, apply):
    graph = net()
    value = graph.node("Conv", graph.input(1, 4, 3, 4, name="other"), joined(graph))
    assert apply("sink_concat", graph.model(value)).untouched


def test_a_computed_bias_is_added_once(net, apply, equal):
    graph = net()
    value = graph.node("Conv", joined(graph), graph.noise(3, 4, 1, 1), graph.input(3, name="bias"))
    equal(apply("sink_concat", graph.model(value)))


@pytest.mark.parametrize("reader", ["MaxPool", "Flatten", "Softmax", "Resize"])
def test_other_readers_refuse_by_name(net, apply, reader):
    graph = net()
    more = {"MaxPool": {"kernel_shape": [2, 2]}, "Softmax": {"axis": 1}}.get(reader, {})
    inputs = ["", graph.constant([1.0, 1.0, 2.0, 2.0])] if reader == "Resize" else []
    applied = apply("sink_concat", graph.model(graph.node(reader, joined(graph), *inputs, **more)))
    assert applied.untouched and f"{reader} reads seed and generated maps together" in applied.refusals


@pytest.mark.parametrize("axes", [[1], [1, 2, 3], [2], [0, 2, 3]])
def test_a_mean_over_other_axes_refuses(net, apply, axes):
    graph = net()
    applied = apply("sink_concat", graph.model(graph.node("ReduceMean", joined(graph), axes=axes)))
    assert applied.untouched and "the mean is not over the pixels alone" in applied.refusals


def test_a_mean_that_drops_the_pixels_refuses(net, apply):
    graph = net()
    applied = apply("sink_concat", graph.model(graph.node("ReduceMean", joined(graph), axes=[2, 3], keepdims=0)))
    assert applied.untouched and "the mean is not over the pixels alone" in applied.refusals


@pytest.mark.parametrize("axes", [[2, 3], [-2, -1]])
def test_a_mean_over_the_pixels_lets_it_through(net, apply, equal, axes):
    graph = net()
    applied = apply("sink_concat", graph.model(graph.conv(graph.node("ReduceMean", joined(graph), axes=axes), 4, 3)))
    assert applied.count("Concat") == 0
    equal(applied)


def test_computed_parameters_of_a_batchnorm_refuse(net, apply):
    graph = net()
    numbers = [graph.input(4, name=name) for name in ("gamma", "beta", "mean", "variance")]
    applied = apply("sink_concat", graph.model(graph.node("BatchNormalization", joined(graph), *numbers)))
    assert applied.untouched and "the BatchNorm's parameters are computed" in applied.refusals


@pytest.mark.parametrize("change", ["unrelated", "three", "pixels", "mixed"])
def test_other_concatenations_are_left_alone(net, apply, change):
    graph = net()
    seeds = graph.node("Abs", graph.input(2, 2, 4, 4))
    if change == "unrelated":
        made = [graph.input(2, 2, 4, 4, name="other")]
    elif change == "mixed":
        made = [graph.conv(seeds, 2, 2, 3)]
    else:
        made = [graph.node(kind, seeds) for kind in (("Sin", "Cos") if change == "three" else ("Sin",))]
    value = graph.node("Concat", seeds, *made, axis=2 if change == "pixels" else 1)
    channels = {"three": 6, "pixels": 2}.get(change, 4)
    applied = apply("sink_concat", graph.model(graph.conv(value, channels, 3)))
    assert applied.untouched and not applied.refusals


def test_other_ranks_are_left_alone(net, apply):
    graph = net()
    seeds = graph.input(2, 3, 4)
    value = graph.node("Relu", graph.node("Concat", seeds, graph.node("Sin", seeds), axis=1))
    assert apply("sink_concat", graph.model(value)).untouched


def test_maps_that_are_an_output_and_read_by_a_convolution_are_both_right(net, apply, equal):
    graph = net()
    value = joined(graph)
    equal(apply("sink_concat", graph.model(graph.conv(value, 4, 3), value, graph.node("Relu", value))))


def test_a_concatenation_that_someone_else_needs_is_not_taken_apart_for_nothing(net, apply):
    graph = net()
    value = joined(graph)
    applied = apply("sink_concat", graph.model(graph.conv(value, 4, 3), value))
    assert applied.count("Conv") == 1


def test_one_number_of_a_higher_rank_gives_a_result_of_that_rank(net, apply, equal):
    graph = net()
    equal(apply("sink_concat", graph.model(graph.node("Add", joined(graph), graph.noise(1, 1, 1, 1, 1)))))


def test_an_operator_of_another_domain_stays(net, apply):
    graph = net()
    value = graph.node("Relu", joined(graph), domain="someone.else")
    assert apply("sink_concat", graph.model(value, check=False)).untouched


def test_a_long_row_of_elementwise_operators_comes_to_an_end(net, apply, equal):
    graph = net()
    value = joined(graph)
    for _ in range(70):
        value = graph.node("Tanh", value)
    equal(apply("sink_concat", graph.model(graph.conv(value, 4, 3))))


@pytest.mark.parametrize("channels, fills", [(15, False), (16, True), (22, False), (23, False), (24, True), (36, True)])
@pytest.mark.parametrize("target", ["generic", "rpi4"])
def test_parts_that_do_not_fill_blocks_stay_together(net, apply, target, channels, fills):
    graph, sunk = net(), fills or target == "rpi4"
    model = graph.model(graph.conv(joined(graph, channels), 2 * channels, 4))
    applied = apply("sink_concat", model, TARGETS[target])
    assert (applied.count("Concat") == 0) is sunk
    assert sunk or "do not fill the runtime's blocks of 16 channels" in applied.refusals
