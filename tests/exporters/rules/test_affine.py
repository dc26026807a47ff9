"""Steps of the form a·x + b gathered into one, or into the convolution before them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.targets import TARGETS

FEW = settings(max_examples=20, deadline=None)
KINDS = ["Mul", "Add", "Sub", "Div", "scalar", "BatchNormalization", "Conv"]


def step(graph, kind, source, channels, swapped=False):
    """One step with random numbers, none of them near zero."""
    if kind == "BatchNormalization":
        return graph.batchnorm(source, channels, epsilon=1e-3)
    if kind == "Conv":
        return graph.conv(source, channels, channels, bias=True, group=channels)
    if kind == "scalar":
        return graph.node("Mul", source, graph.constant(1.5))
    inputs = [source, graph.noise(1, channels, 1, 1, low=0.5, high=1.5)]
    return graph.node(kind, *(inputs[::-1] if swapped and kind != "Div" else inputs))


@FEW
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=5),
    channels=st.integers(1, 4),
    swapped=st.booleans(),
    batch=st.sampled_from([1, 2, "batch"]),
)
def test_a_row_of_steps_is_one(net, apply, equal, settled, kinds, channels, swapped, batch):
    graph = net()
    value = graph.node("Sin", graph.input(batch, channels, 3, 2))
    for kind in kinds:
        value = step(graph, kind, value, channels, swapped)
    applied = apply("gather_affine", graph.model(graph.node("Neg", value)))
    assert applied.fired == 1 and len(applied.model.graph.node) == 3
    # Each step of the untouched row rounds a number below 20 once more, however small the result's spread is.
    equal(applied, absolute=20 * 2.0**-22)
    settled("gather_affine", applied)


@FEW
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    channels=st.integers(1, 4),
    filters=st.integers(1, 4),
    size=st.sampled_from([1, 3]),
    bias=st.booleans(),
)
def test_steps_behind_a_convolution_are_part_of_it(net, apply, equal, settled, kinds, channels, filters, size, bias):
    graph = net()
    value = graph.conv(graph.input(2, channels, 4, 4), channels, filters, size, bias=bias, strides=[2, 2])
    for kind in kinds:
        value = step(graph, kind, value, filters)
    applied = apply("gather_affine", graph.model(graph.node("Neg", value)))
    assert applied.fired >= 1 and [node.op_type for node in applied.model.graph.node] == ["Conv", "Neg"]
    equal(applied, absolute=20 * 2.0**-22)
    settled("gather_affine", applied)


@pytest.mark.parametrize("gamma", [0.0, 1e-8, -1.0, 1e-30, -1e-40])
@pytest.mark.parametrize("behind_convolution", [False, True])
def test_a_batchnorm_of_any_scale_is_one_step(net, apply, equal, gamma, behind_convolution):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    value = graph.conv(source, 3, 3) if behind_convolution else source
    applied = apply("gather_affine", graph.model(graph.batchnorm(value, 3, scale=[gamma, 1.0, -gamma])))
    assert applied.fired == 1 and applied.count("BatchNormalization") == 0
    equal(applied)


def test_two_rows_in_one_graph(net, apply, equal, settled):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    ends = []
    for activation in ("Sin", "Relu"):
        value = graph.batchnorm(graph.node("Mul", graph.node(activation, source), graph.noise(3, 1, 1)), 3)
        ends.append(graph.node("Tanh", value))
    applied = apply("gather_affine", graph.model(*ends))
    assert applied.fired == 2 and applied.count("BatchNormalization") == 0
    equal(applied)
    settled("gather_affine", applied)


def test_a_value_in_the_middle_that_is_an_output_or_read_twice_is_still_there(net, apply, equal):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    first = graph.node("Mul", source, graph.noise(1, 3, 1, 1))
    second = graph.node("Add", first, graph.noise(1, 3, 1, 1))
    third = graph.batchnorm(second, 3)
    equal(apply("gather_affine", graph.model(third, first, graph.node("Relu", second))))


@pytest.mark.parametrize("also", ["output", "reader"])
def test_a_convolution_whose_own_output_is_needed_keeps_its_filters(net, apply, equal, also):
    graph = net()
    maps = graph.conv(graph.input(2, 3, 4, 4), 3, 4)
    ends = [graph.batchnorm(maps, 4), maps if also == "output" else graph.node("Relu", maps)]
    applied = apply("gather_affine", graph.model(*ends))
    assert applied.count("Conv") == 2
    equal(applied)


def test_filters_that_two_convolutions_share_stay_for_the_other(net, apply, equal):
    graph = net()
    weight, shift, source = graph.noise(3, 3, 1, 1), graph.noise(3), graph.input(2, 3, 4, 4)
    maps = [graph.node("Conv", source, weight, shift)]
    maps.append(graph.node("Conv", graph.node("Relu", graph.batchnorm(maps[0], 3)), weight, shift))
    applied = apply("gather_affine", graph.model(graph.node("Sin", maps[1]), graph.node("Conv", source, weight)))
    assert applied.fired == 1
    equal(applied)


def test_filters_that_are_an_output_as_well_stay_so(net, apply, equal):
    graph = net()
    weight = graph.noise(3, 3, 1, 1)
    value = graph.batchnorm(graph.node("Conv", graph.input(2, 3, 4, 4), weight), 3)
    equal(apply("gather_affine", graph.model(value, weight)))


@pytest.mark.parametrize("computed", ["filters", "bias"])
def test_a_convolution_with_computed_numbers_keeps_them(net, apply, equal, computed):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    weight = graph.input(4, 3, 1, 1, name="filters") if computed == "filters" else graph.noise(4, 3, 1, 1)
    shift = graph.input(4, name="bias") if computed == "bias" else graph.noise(4)
    value = graph.batchnorm(graph.node("Mul", graph.node("Conv", source, weight, shift), graph.noise(1, 4, 1, 1)), 4)
    equal(apply("gather_affine", graph.model(value)))


@pytest.mark.parametrize("sizes", [(1, 1, 4, 4), (1, 3, 4, 1), (4,), (2, 3, 1, 1), (2, 3, 4, 4)])
def test_numbers_that_are_not_one_a_channel_stay(net, apply, equal, sizes):
    graph = net()
    value = graph.node("Add", graph.node("Mul", graph.input(2, 3, 4, 4), graph.noise(*sizes)), graph.noise(*sizes))
    applied = apply("gather_affine", graph.model(value))
    assert applied.untouched
    equal(applied)


@pytest.mark.parametrize("sizes", [(3,), (2, 3), (2, 3, 4), (2, 3, 4, 4, 4)])
def test_tensors_of_other_ranks_stay(net, apply, sizes):
    graph = net()
    per = graph.noise(*[3 if index == 1 else 1 for index in range(len(sizes))]) if len(sizes) > 1 else graph.noise(3)
    assert apply(
        "gather_affine", graph.model(graph.node("Add", graph.node("Mul", graph.input(*sizes), per), per))
    ).untouched


def test_one_number_of_a_higher_rank_gives_a_result_of_that_rank(net, apply, equal):
    graph = net()
    value = graph.node("Mul", graph.input(2, 3, 4, 4), graph.constant(2.0))
    equal(apply("gather_affine", graph.model(graph.node("Add", value, graph.noise(1, 1, 1, 1, 1)))))


def test_a_map_that_the_numbers_widen_stays(net, apply):
    graph = net()
    value = graph.node("Mul", graph.input(2, 1, 4, 4), graph.noise(1, 3, 1, 1))
    assert apply(
        "gather_affine", graph.model(graph.node("Add", value, graph.input(2, 3, 4, 4, name="other")))
    ).untouched


def test_a_single_step_a_residual_sum_and_a_quotient_by_the_map_stay(net, apply):
    graph = net()
    source = graph.input(2, 3, 4, 4)
    low = graph.node("Mul", source, graph.noise(1, 3, 1, 1))
    total = graph.node("Add", low, source)
    inverse = graph.node("Div", graph.constant(1.0), total)
    by_zero = graph.node("Div", graph.node("Sin", inverse), graph.constant([[[[0.0]], [[1.0]], [[2.0]]]]))
    assert apply("gather_affine", graph.model(by_zero)).untouched


def test_numbers_that_the_caller_may_override_stay(net, apply, equal):
    graph = net()
    scale = graph.input(1, 3, 1, 1, name="scale")
    graph.constant(np.ones((1, 3, 1, 1)), scale)
    value = graph.node("Add", graph.node("Mul", graph.input(2, 3, 4, 4), scale), graph.constant(3.0))
    applied = apply("gather_affine", graph.model(value))
    maps = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 4)).astype(np.float32)
    equal(applied, feeds={"input": maps, "scale": np.full((1, 3, 1, 1), 5, np.float32)})


def test_computed_parameters_of_a_batchnorm_stay(net, apply):
    graph = net()
    numbers = [graph.input(3, name=name) for name in ("gamma", "beta", "mean", "variance")]
    assert apply(
        "gather_affine", graph.model(graph.node("BatchNormalization", graph.input(2, 3, 4, 4), *numbers))
    ).untouched


def test_a_batchnorm_that_is_training_stays(net, apply):
    graph = net()
    value = graph.batchnorm(graph.input(4, 3, 4, 4), 3, training_mode=1, outputs=3)
    assert apply("gather_affine", graph.model(value[0])).untouched


def test_a_depthwise_step_may_leave_its_bias_out_by_an_empty_name(net, apply, equal):
    graph = net()
    value = graph.node("Mul", graph.node("Sin", graph.input(2, 3, 4, 4)), graph.noise(1, 3, 1, 1))
    value = graph.node("Conv", value, graph.noise(3, 1, 1, 1), "", group=3, kernel_shape=[1, 1])
    applied = apply("gather_affine", graph.model(graph.node("Relu", value)))
    assert applied.fired == 1 and applied.count("Mul") == 0 and applied.count("Conv") == 1
    equal(applied)


@pytest.mark.parametrize("more", [{"strides": [2, 2]}, {"pads": [1, 1, 1, 1]}, {"group": 1}])
def test_a_convolution_that_is_no_step_is_not_gathered(net, apply, equal, more):
    graph = net()
    value = graph.conv(graph.node("Sin", graph.input(2, 3, 4, 4)), 3, 3, **({"group": 3} | more))
    applied = apply("gather_affine", graph.model(graph.node("Relu", value)))
    assert applied.untouched


def test_a_step_before_a_padded_convolution_stays_before_it(net, apply, equal):
    graph = net()
    value = graph.node("Add", graph.input(2, 3, 4, 4), graph.noise(1, 3, 1, 1))
    applied = apply("gather_affine", graph.model(graph.conv(value, 3, 3, 3, group=3)))
    assert applied.untouched


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.float16])
def test_other_number_types_stay_valid(net, apply, equal, dtype):
    graph = net()
    kind = {np.float64: 11, np.int64: 7, np.float16: 10}[dtype]
    two, three = (graph.constant(np.full((1, 3, 1, 1), number), dtype=dtype) for number in (2, 3))
    value = graph.node("Add", graph.node("Mul", graph.input(2, 3, 4, 4, dtype=kind), two), three)
    equal(apply("gather_affine", graph.model(value)), 1e-3 if dtype is np.float16 else 1e-5)


def test_operators_of_another_domain_stay(net, apply):
    graph = net()
    value = graph.node("Mul", graph.input(2, 3, 4, 4), graph.noise(1, 3, 1, 1), domain="someone.else")
    model = graph.model(graph.node("Add", value, graph.noise(1, 3, 1, 1)), check=False)
    model.graph.value_info.add(name=value).type.CopyFrom(model.graph.input[0].type)
    assert apply("gather_affine", model).untouched


@pytest.mark.parametrize(
    "channels, kind", [(15, "BatchNormalization"), (16, "Conv"), (20, "BatchNormalization"), (24, "Conv")]
)
def test_of_channels_that_do_not_fill_blocks_one_step_is_a_batchnorm(net, apply, equal, settled, channels, kind):
    graph = net()
    value = graph.node("Mul", graph.input(2, channels, 3, 4), graph.noise(1, channels, 1, 1))
    applied = apply("gather_affine", graph.model(graph.batchnorm(value, channels)), TARGETS["generic"])
    assert [node.op_type for node in applied.model.graph.node] == [kind]
    equal(applied)
    settled("gather_affine", applied, TARGETS["generic"])


@pytest.mark.parametrize("channels", [3, 16])
def test_without_a_layout_in_blocks_a_row_of_steps_is_a_batchnorm(net, apply, equal, settled, channels):
    graph, unblocked = net(), TARGETS["rpi4"]
    value = graph.node("Mul", graph.input(2, channels, 3, 4), graph.noise(1, channels, 1, 1))
    value = graph.node("Relu", graph.node("Add", value, graph.noise(1, channels, 1, 1)))
    applied = apply("gather_affine", graph.model(value), unblocked)
    assert [node.op_type for node in applied.model.graph.node] == ["BatchNormalization", "Relu"]
    equal(applied)
    settled("gather_affine", applied, unblocked)


@pytest.mark.parametrize("magic, refused", [(1e8, True), (1e4, False)])
def test_adding_and_taking_away_a_huge_number_rounds_on_purpose_and_stays(net, apply, equal, magic, refused):
    graph = net()
    large = graph.constant([[[magic]], [[magic]]])
    value = graph.node("Sub", graph.node("Add", graph.input(1, 2, 3, 4), large), large)
    applied = apply("gather_affine", graph.model(graph.node("Relu", value)))
    assert ("takes away what the one before added" in applied.refusals) is refused
    equal(applied, absolute=1e-3)
