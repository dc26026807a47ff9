"""What is swept up in the end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

SMALLEST = float(np.finfo(np.float32).tiny)


def initializers(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


class TestFlushDenormals:
    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False)
            | st.floats(-SMALLEST, SMALLEST, width=32, allow_subnormal=True),
            min_size=2,
            max_size=8,
        )
    )
    def test_they_are_counted_and_no_other_number_changes(self, net, apply, numbers):
        graph = net()
        graph.constant(numbers, "weights")
        applied = apply("flush_denormals", graph.model(graph.node("Add", graph.input(1), "weights")))
        expected = np.array(numbers, dtype=np.float32)
        tiny = (np.abs(expected) < SMALLEST) & (expected != 0)
        assert applied.fired == tiny.sum()
        np.testing.assert_array_equal(initializers(applied.model)["weights"], np.where(tiny, np.float32(0), expected))
        assert apply("flush_denormals", applied.model).untouched

    def test_one_number_alone_may_be_a_divisor_and_stays(self, net, apply):
        graph = net()
        model = graph.model(graph.node("Div", graph.input(3), graph.constant(1e-39)))
        assert apply("flush_denormals", model).untouched

    def test_several_tensors_and_the_result_is_the_same(self, net, apply, equal):
        graph = net()
        value = graph.conv(graph.input(1, 3, 4, 4), 3, 4, bias=True)
        value = graph.node("Add", value, graph.constant([1e-40, -1e-44, SMALLEST, 0.0]))
        applied = apply("flush_denormals", graph.model(graph.node("Mul", value, graph.constant([1e-39, 1, 1, 1]))))
        assert applied.fired == 3
        equal(applied)

    @pytest.mark.parametrize("dtype", [np.float64, np.int64])
    def test_other_types_are_left_alone(self, net, apply, dtype):
        graph = net()
        graph.constant([1e-310 if dtype is np.float64 else 1, 2], "numbers", dtype)
        model = graph.model(graph.node("Identity", "numbers"), graph.node("Abs", graph.input(1)))
        assert apply("flush_denormals", model).untouched

    def test_what_is_no_number_is_left_for_the_proof_to_find(self, net, apply):
        graph = net()
        graph.constant([np.nan, np.inf, 1e-40], "weights")
        applied = apply("flush_denormals", graph.model(graph.node("Add", graph.input(1), "weights")))
        assert applied.fired == 1
        np.testing.assert_array_equal(initializers(applied.model)["weights"], [np.nan, np.inf, 0])


class TestTidy:
    def test_equal_computations_and_initializers_become_one(self, net, apply, equal, settled):
        graph = net()
        source, numbers = graph.input(2, 3), np.arange(3.0)
        values = [graph.node("Sin", graph.node("Add", source, graph.constant(numbers))) for _ in range(2)]
        applied = apply("tidy", graph.model(graph.node("Mul", *values)))
        assert applied.fired == 3 and len(applied.model.graph.node) == 3
        equal(applied)
        settled("tidy", applied)

    def test_what_nobody_reads_goes(self, net, apply, equal):
        graph = net()
        source = graph.input(2, 3)
        graph.node("Mul", graph.node("Sin", source), graph.noise(3))
        applied = apply("tidy", graph.model(graph.node("Relu", source)))
        assert applied.fired == 3 and len(applied.model.graph.node) == 1 and not applied.model.graph.initializer
        equal(applied)

    def test_initializers_that_are_inputs_or_outputs_keep_their_names(self, net, apply, equal):
        graph = net()
        source, names = graph.input(1, 2), ["first", "second", "third", "fourth"]
        for name in names:
            graph.constant([[1.0, 2.0]], name)
        value = source
        for name in names:
            if name in ("first", "second"):
                graph.input(1, 2, name=name)
            value = graph.node("Sub" if name == "first" else "Mul", value, name)
        applied = apply("tidy", graph.model(value, "third", "fourth"))
        feeds = {"input": np.ones((1, 2), np.float32), "first": np.full((1, 2), 7, np.float32)}
        equal(applied, feeds=feeds)

    @pytest.mark.parametrize("op", ["Identity", "Relu"])
    def test_equal_outputs_stay_two(self, net, apply, equal, op):
        graph = net()
        source = graph.input(1, 2)
        equal(apply("tidy", graph.model(graph.node(op, source), graph.node(op, source))))

    def test_draws_of_random_numbers_stay_two(self, net, apply, run):
        graph = net()
        source = graph.input(1, 4)
        model = graph.model(graph.node("Sub", *[graph.node("RandomNormalLike", source) for _ in range(2)]))
        drawn = run(apply("tidy", model).model, {"input": np.zeros((1, 4), np.float32)})
        assert np.abs(drawn[0]).max() > 0

    def test_equal_numbers_of_other_types_and_shapes_stay(self, net, apply, equal):
        graph = net()
        value = graph.node("Add", graph.input(2, 2), graph.constant([[1.0, 1.0]]))
        value = graph.node("Mul", value, graph.constant([[1.0], [1.0]]))
        value = graph.node("Reshape", value, graph.constant([1, 4], dtype=np.int64))
        applied = apply("tidy", graph.model(value, graph.node("Add", value, graph.constant([0.0, -0.0, 0.0, 0.0]))))
        assert len(applied.model.graph.initializer) == 4
        equal(applied)

    def test_zero_and_minus_zero_are_not_equal_numbers(self, net, apply, equal):
        graph = net()
        source = graph.input(2)
        ends = [graph.node("Div", graph.node("Abs", source), graph.constant([zero, zero])) for zero in (0.0, -0.0)]
        applied = apply("tidy", graph.model(*[graph.node("Sign", end) for end in ends]))
        equal(applied)


def branches(net, inside):
    """A graph whose two ends are chosen by an If, with `inside` as the outputs' nodes in each branch."""
    graph = net()
    seeds = graph.node("Abs", graph.input(2, 2, 3, 4))
    maps = graph.node("Concat", seeds, graph.node("Sin", seeds), axis=1)
    bodies = []
    for index, kind in enumerate(("Relu", "Neg")):
        nodes, end = inside(maps, kind, f"branch_{index}")
        result = helper.make_tensor_value_info(end, TensorProto.FLOAT, None)
        bodies.append(helper.make_graph(nodes, f"branch_{index}", [], [result]))
    positive = graph.node("Greater", graph.input(name="x"), graph.constant(0.0))
    chosen = graph.node("If", positive, then_branch=bodies[0], else_branch=bodies[1])
    return graph, maps, chosen


@pytest.mark.parametrize("name", ["sink_concat", "gather_affine", "depthwise_seeds", "fold_seed_half", "tidy"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nodes_inside_a_branch_stay_valid(net, apply, equal, name, sign):
    def inside(maps, kind, stem):
        two = helper.make_node("Constant", [], [f"{stem}_two"], value_float=2.0)
        first = helper.make_node("Mul", [maps, f"{stem}_two"], [f"{stem}_mul"])
        second = helper.make_node("Add", [f"{stem}_mul", f"{stem}_two"], [f"{stem}_add"])
        return [two, first, second, helper.make_node(kind, [f"{stem}_add"], [f"{stem}_end"])], f"{stem}_end"

    graph, maps, chosen = branches(net, inside)
    other = graph.node("Add", graph.node("Mul", maps, graph.constant(3.0)), graph.constant(1.0))
    applied = apply(name, graph.model(chosen, other))
    feeds = {"input": np.random.default_rng(0).uniform(-1, 1, (2, 2, 3, 4)).astype(np.float32)}
    equal(applied, feeds=feeds | {"x": np.array(sign, np.float32)})


def test_a_branch_that_gives_what_was_made_outside_stays_valid(net, apply, equal):
    def inside(maps, kind, stem):
        return [helper.make_node("Identity", [maps], [f"{stem}_end"])], f"{stem}_end"

    graph, _, chosen = branches(net, inside)
    feeds = {
        "input": np.random.default_rng(0).uniform(-1, 1, (2, 2, 3, 4)).astype(np.float32),
        "x": np.array(1, np.float32),
    }
    equal(apply("tidy", graph.model(chosen)), feeds=feeds)


def test_two_outputs_that_are_one_value_keep_their_names(net, apply, equal):
    graph = net()
    relu = graph.node("Relu", graph.input(2, 3))
    applied = apply("tidy", graph.model(relu, graph.node("Identity", relu)))
    equal(applied)
    assert applied.count("Identity") == 1


def test_an_identity_in_between_goes(net, apply, equal):
    graph = net()
    inner = graph.node("Identity", graph.node("Identity", graph.node("Sin", graph.input(2, 3))))
    applied = apply("tidy", graph.model(graph.node("Relu", inner)))
    equal(applied)
    assert applied.count("Identity") == 0
