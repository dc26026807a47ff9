"""Expand, Tile and Split that change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FEW = settings(max_examples=15, deadline=None)
OPERATORS = ["Add", "Sub", "Mul", "Div"]


class TestDropExpand:
    @FEW
    @given(
        sizes=st.tuples(*[st.integers(1, 4)] * 4), kept=st.tuples(*[st.booleans()] * 4), op=st.sampled_from(OPERATORS)
    )
    def test_a_binary_operator_broadcasts_by_itself(self, net, apply, equal, settled, sizes, kept, op):
        graph = net()
        small = [size if keep else 1 for size, keep in zip(sizes, kept, strict=True)]
        wide = graph.node("Expand", graph.input(*small, name="small"), graph.ints(*sizes))
        applied = apply("drop_expand", graph.model(graph.node(op, graph.input(*sizes), wide)))
        assert applied.fired == 1 and applied.count("Expand") == 0
        equal(applied)
        settled("drop_expand", applied)

    def test_two_in_one_graph_on_either_side(self, net, apply, equal):
        graph = net()
        source = graph.input(2, 3, 4, 5)
        wide = [graph.node("Expand", graph.noise(1, 3, 1, 1), graph.ints(2, 3, 4, 5)) for _ in range(2)]
        end = graph.node("Sub", wide[0], graph.node("Mul", source, wide[1]))
        applied = apply("drop_expand", graph.model(end))
        assert applied.fired == 2 and applied.count("Expand") == 0
        equal(applied)

    def test_several_readers_all_broadcast(self, net, apply, equal):
        graph = net()
        source, wide = graph.input(2, 3, 4, 5), graph.node("Expand", graph.noise(3, 1, 1), graph.ints(2, 3, 4, 5))
        applied = apply("drop_expand", graph.model(graph.node("Add", source, wide), graph.node("Mul", wide, source)))
        assert applied.fired == 1
        equal(applied)

    @pytest.mark.parametrize("reader", ["Relu", "Concat", "MatMul"])
    def test_a_reader_that_does_not_broadcast_keeps_it(self, net, apply, reader):
        graph = net()
        source, wide = graph.input(1, 3, 4, 4), graph.node("Expand", graph.noise(1, 3, 1, 1), graph.ints(1, 3, 4, 4))
        inputs, more = ([wide], {}) if reader == "Relu" else ([source, wide], {"axis": 1} if reader == "Concat" else {})
        graph.node("Add", source, wide, name="other")
        applied = apply("drop_expand", graph.model(graph.node(reader, *inputs, **more), "other"))
        assert applied.untouched and f"{reader} needs the expanded tensor" in applied.refusals

    def test_an_expanded_output_stays(self, net, apply):
        graph = net()
        source, wide = graph.input(1, 3, 4, 4), graph.node("Expand", graph.noise(1, 3, 1, 1), graph.ints(1, 3, 4, 4))
        applied = apply("drop_expand", graph.model(graph.node("Add", source, wide), wide))
        assert applied.untouched and "the expanded tensor is an output" in applied.refusals

    def test_an_operand_that_is_as_small_as_what_is_expanded_does_not_do(self, net, apply):
        graph = net()
        wide = graph.node("Expand", graph.noise(1, 3, 1, 1), graph.ints(1, 3, 4, 4))
        applied = apply("drop_expand", graph.model(graph.node("Add", graph.input(1, 3, 1, 1), wide)))
        assert applied.untouched and applied.refusals

    def test_the_expanded_tensor_twice_stays(self, net, apply):
        graph = net()
        wide = graph.node("Expand", graph.input(1, 3, 1, 1), graph.ints(1, 3, 4, 4))
        assert apply("drop_expand", graph.model(graph.node("Mul", wide, wide))).untouched

    def test_two_unknown_batches_need_not_be_the_same(self, net, apply):
        graph = net()
        source, small, sizes = graph.input("n", 3), graph.input(1, 3, name="small"), graph.input(2, name="s", dtype=7)
        end = graph.node("Add", source, graph.node("Expand", small, sizes))
        assert apply("drop_expand", graph.model(end)).untouched

    def test_two_unknown_shapes_need_not_be_the_same(self, net, apply):
        graph = net()
        source, small = graph.input(1, 3, "h", "w"), graph.input(1, 3, 1, 1, name="small")
        end = graph.node("Add", source, graph.node("Expand", small, graph.input(4, name="s", dtype=7)))
        assert apply("drop_expand", graph.model(end)).untouched

    def test_an_operator_of_another_domain_keeps_it(self, net, apply):
        graph = net()
        source, wide = graph.input(1, 3, 4, 4), graph.node("Expand", graph.noise(1, 3, 1, 1), graph.ints(1, 3, 4, 4))
        end = graph.node("Relu", graph.node("Add", source, wide, domain="someone.else"))
        model = graph.model(end, check=False)
        model.graph.value_info.add(name="Add_1").type.CopyFrom(model.graph.input[0].type)
        assert apply("drop_expand", model).untouched


class TestDropIdentityTile:
    @FEW
    @given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5))
    def test_one_of_each_is_none_at_all(self, net, apply, equal, settled, sizes):
        graph = net()
        tile = graph.node("Tile", graph.node("Abs", graph.input(*sizes)), graph.ints(*[1] * len(sizes)))
        applied = apply("drop_identity_tile", graph.model(graph.node("Sin", tile)))
        assert applied.fired == 1 and applied.count("Tile") == 0
        equal(applied)
        settled("drop_identity_tile", applied)

    def test_two_in_a_row_the_second_an_output(self, net, apply, equal):
        graph = net()
        tile = graph.node("Abs", graph.input(1, 3, 4, 4))
        for _ in range(2):
            tile = graph.node("Tile", tile, graph.ints(1, 1, 1, 1))
        applied = apply("drop_identity_tile", graph.model(tile))
        assert applied.fired == 2
        equal(applied)

    @pytest.mark.parametrize("axis", range(4))
    def test_a_copy_on_any_axis_stays(self, net, apply, axis):
        graph = net()
        repeats = [2 if index == axis else 1 for index in range(4)]
        tile = graph.node("Tile", graph.input(1, 3, 4, 4), graph.ints(*repeats))
        assert apply("drop_identity_tile", graph.model(tile)).untouched

    def test_a_computed_number_of_copies_stays(self, net, apply):
        graph = net()
        tile = graph.node("Tile", graph.input(1, 3), graph.input(2, name="repeats", dtype=7))
        applied = apply("drop_identity_tile", graph.model(tile))
        assert applied.untouched and "the number of copies is computed" in applied.refusals

    def test_a_number_of_copies_that_the_caller_may_override_stays(self, net, apply):
        graph = net()
        tile = graph.node("Tile", graph.input(1, 3), graph.input(2, name="repeats", dtype=7))
        graph.constant([1, 1], "repeats", np.int64)
        assert apply("drop_identity_tile", graph.model(tile)).untouched

    @pytest.mark.parametrize("source", ["input", "initializer", "output"])
    def test_names_of_inputs_and_outputs_stay_even_where_nothing_is_between_them(self, net, apply, equal, source):
        graph = net()
        value = graph.input(2, 3)
        if source == "initializer":
            value, other = graph.noise(2, 3), graph.node("Abs", value)
        else:
            value = graph.node("Relu", value) if source == "output" else value
            other = value if source == "output" else graph.node("Abs", value)
        tile = graph.node("Tile", value, graph.ints(1, 1))
        equal(apply("drop_identity_tile", graph.model(other, tile)))


class TestRejoinSplit:
    @FEW
    @given(
        parts=st.lists(st.integers(1, 3), min_size=2, max_size=4),
        axis=st.integers(-4, 3),
        opset=st.sampled_from([13, 17]),
    )
    def test_parts_in_their_order_are_the_whole(self, net, apply, equal, settled, parts, axis, opset):
        graph = net(opset)
        sizes = [2, 2, 2, 2]
        sizes[axis] = sum(parts)
        split = graph.node(
            "Split", graph.node("Abs", graph.input(*sizes)), graph.ints(*parts), outputs=len(parts), axis=axis
        )
        applied = apply("rejoin_split", graph.model(graph.node("Concat", *split, axis=axis)))
        assert applied.fired == 1 and applied.count("Split") == applied.count("Concat") == 0
        equal(applied)
        settled("rejoin_split", applied)

    def test_two_in_one_graph_and_a_part_that_is_read_elsewhere(self, net, apply, equal):
        graph = net()
        value, parts = graph.node("Abs", graph.input(1, 4, 3, 3)), []
        for _ in range(2):
            parts = graph.node("Split", value, outputs=2, axis=1)
            value = graph.node("Sin", graph.node("Concat", *parts, axis=1))
        applied = apply("rejoin_split", graph.model(value, parts[1]))
        assert applied.fired == 2 and applied.count("Split") == 1
        equal(applied)

    @pytest.mark.parametrize("order", [(1, 0), (0, 0), (0,), (0, 1, 1)])
    def test_parts_in_another_order_or_number_stay(self, net, apply, order):
        graph = net()
        parts = graph.node("Split", graph.input(1, 4, 3, 3), outputs=2, axis=1)
        assert apply("rejoin_split", graph.model(graph.node("Concat", *[parts[i] for i in order], axis=1))).untouched

    def test_another_axis_stays(self, net, apply):
        graph = net()
        parts = graph.node("Split", graph.input(1, 4, 4, 4), outputs=2, axis=1)
        assert apply("rejoin_split", graph.model(graph.node("Concat", *parts, axis=2))).untouched

    def test_parts_of_different_wholes_stay(self, net, apply):
        graph = net()
        source = graph.input(1, 4, 4, 4)
        first, second = (graph.node("Split", source, outputs=2, axis=1) for _ in range(2))
        assert apply("rejoin_split", graph.model(graph.node("Concat", first[0], second[1], axis=1))).untouched

    def test_a_split_need_not_name_its_axis(self, net, apply, equal):
        graph = net()
        parts = graph.node("Split", graph.node("Abs", graph.input(4, 2, 3, 3)), outputs=2)
        equal(apply("rejoin_split", graph.model(graph.node("Concat", *parts, axis=0))))

    def test_a_whole_that_is_an_input_and_an_output_keeps_both_names(self, net, apply, equal):
        graph = net()
        parts = graph.node("Split", graph.input(4, 2), outputs=2, axis=0)
        equal(apply("rejoin_split", graph.model(graph.node("Concat", *parts, axis=0))))
