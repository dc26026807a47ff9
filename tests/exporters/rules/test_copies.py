"""Expand, Tile and Split that copy nothing, and copies that a broadcast makes needless."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FEW = settings(max_examples=15, deadline=None)
OPERATORS = ["Add", "Sub", "Mul", "Div"]


def copied(graph, source, groups, block, copies):
    """Each block of maps γ times, joined again: what the GroupNL layer exports."""
    blocks = [source] if groups == 1 else graph.node("Split", source, outputs=groups, axis=1)
    if groups > 1 and graph.opset >= 18:
        graph.nodes[-1].attribute.add(name="num_outputs", type=2, i=groups)
    tiles = [graph.node("Tile", one, graph.ints(1, copies, 1, 1)) for one in blocks]
    return graph.node("Concat", *tiles, axis=1)


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


class TestBroadcastCopies:
    @FEW
    @given(
        groups=st.integers(1, 3),
        block=st.integers(1, 3),
        copies=st.integers(2, 4),
        op=st.sampled_from(["Add", "Sub", "Mul"]),
        swapped=st.booleans(),
        equal_in_block=st.booleans(),
        batch=st.sampled_from([1, 2, "batch"]),
    )
    def test_a_number_per_channel_meets_each_copy(
        self, net, apply, equal, settled, groups, block, copies, op, swapped, equal_in_block, batch
    ):
        graph = net()
        source = graph.node("Abs", graph.input(batch, groups * block, 3, 2))
        maps = copied(graph, source, groups, block, copies)
        sets = graph.random.uniform(1, 2, (groups * copies, 1 if equal_in_block else block)).repeat(
            block if equal_in_block else 1, axis=1
        )
        inputs = [maps, graph.constant(sets.reshape(1, -1, 1, 1))]
        end = graph.node("Sin", graph.node(op, *(inputs[::-1] if swapped else inputs)))
        applied = apply("broadcast_copies", graph.model(end))
        assert applied.fired == 1
        assert applied.count("Tile") == applied.count("Split") == applied.count("Concat") == 0
        equal(applied)
        settled("broadcast_copies", applied)

    @FEW
    @given(groups=st.integers(1, 3), copies=st.integers(2, 3), first=st.sampled_from(["Sin", "Abs", "Relu", "Exp"]))
    def test_elementwise_operators_are_computed_once_for_all_copies(self, net, apply, equal, groups, copies, first):
        graph = net()
        maps = copied(graph, graph.input(1, 2 * groups, 3, 2), groups, 2, copies)
        maps = graph.node(first, maps)
        end = graph.node("Mul", maps, graph.noise(1, 2 * groups * copies, 1, 1))
        applied = apply("broadcast_copies", graph.model(end))
        assert applied.fired == 2 and applied.count("Tile") == 0
        equal(applied)

    @pytest.mark.parametrize("op", [*OPERATORS, "Pow"])
    def test_one_number_for_all_keeps_every_copy(self, net, apply, equal, op):
        graph = net()
        maps = copied(graph, graph.node("Abs", graph.input(1, 4, 3, 2)), 2, 2, 3)
        end = graph.node("Mul", graph.node(op, maps, graph.constant(2.0)), graph.noise(1, 12, 1, 1))
        equal(apply("broadcast_copies", graph.model(end)))

    def test_a_map_for_each_copy_and_two_layers_in_one_graph(self, net, apply, equal, settled):
        graph = net()
        ends = []
        for name in ("a", "b"):
            maps = copied(graph, graph.input(2, 4, 3, 2, name=name), 2, 2, 3)
            ends.append(graph.node("Add", maps, graph.input(2, 12, 3, 2, name=f"{name}_maps")))
        applied = apply("broadcast_copies", graph.model(*ends))
        assert applied.fired == 2 and applied.count("Tile") == 0
        equal(applied)
        settled("broadcast_copies", applied)

    def test_copies_that_are_an_output_stay(self, net, apply):
        graph = net()
        maps = copied(graph, graph.input(1, 4, 3, 2), 2, 2, 3)
        applied = apply("broadcast_copies", graph.model(graph.node("Mul", maps, graph.noise(1, 12, 1, 1)), maps))
        assert applied.untouched and "the copies are an output" in applied.refusals

    def test_a_reader_that_mixes_channels_stays(self, net, apply):
        graph = net()
        maps = copied(graph, graph.input(1, 4, 3, 2), 2, 2, 3)
        applied = apply("broadcast_copies", graph.model(graph.conv(maps, 12, 5)))
        assert applied.untouched and "Conv reads the copies" in applied.refusals

    def test_the_copies_twice_in_one_operator_are_copied_afterwards(self, net, apply, equal):
        graph = net()
        maps = copied(graph, graph.input(1, 4, 3, 2), 2, 2, 3)
        applied = apply(
            "broadcast_copies", graph.model(graph.node("Mul", graph.node("Mul", maps, maps), graph.noise(1, 12, 1, 1)))
        )
        assert applied.count("Tile") == 0
        equal(applied)

    def test_all_readers_let_it_through_or_none_is_touched(self, net, apply):
        graph = net()
        maps = copied(graph, graph.input(1, 4, 3, 2), 2, 2, 3)
        ends = graph.node("Sin", maps), graph.node("Add", maps, graph.noise(1, 1, 3, 2))
        applied = apply("broadcast_copies", graph.model(*ends))
        assert applied.untouched and "neither a number per channel nor a map per copy" in applied.refusals

    @pytest.mark.parametrize("change", ["axis", "order", "unequal blocks", "unequal copies", "pixels", "batch"])
    def test_near_misses_stay(self, net, apply, change):
        graph = net()
        axis, sizes = (2, (2, 2)) if change == "axis" else (1, (1, 3) if change == "unequal blocks" else (2, 2))
        parts = graph.node("Split", graph.input(1, 4, 4, 4), graph.ints(*sizes), outputs=2, axis=axis)
        parts = {"order": parts[::-1], "part": parts[:1]}.get(change, parts)
        repeats = {"pixels": (1, 3, 2, 1), "batch": (2, 3, 1, 1)}.get(change, (1, 3, 1, 1))
        each = [repeats, (1, 2, 1, 1) if change == "unequal copies" else repeats]
        tiles = [graph.node("Tile", part, graph.ints(*some)) for part, some in zip(parts, each, strict=False)]
        applied = apply("broadcast_copies", graph.model(graph.node("Sin", graph.node("Concat", *tiles, axis=1))))
        assert applied.untouched

    def test_a_computed_number_of_copies_and_other_ranks_stay(self, net, apply):
        graph = net()
        repeats = graph.input(4, name="repeats", dtype=7)
        tile = graph.node("Tile", graph.input(1, 4, 3, 2), repeats)
        flat = graph.node("Tile", graph.input(1, 4, 3, name="flat"), graph.ints(1, 3, 1))
        ends = [graph.node("Sin", graph.node("Concat", one, axis=1)) for one in (tile, flat)]
        assert apply("broadcast_copies", graph.model(*ends)).untouched

    def test_an_operator_of_another_domain_stays(self, net, apply):
        graph = net()
        maps = copied(graph, graph.input(1, 4, 3, 2), 2, 2, 3)
        end = graph.node("Add", maps, graph.noise(1, 12, 1, 1), domain="someone.else")
        assert apply("broadcast_copies", graph.model(end, check=False)).untouched

    def test_bounds_computed_after_the_copies_come_before_their_reader(self, net, apply, equal):
        graph = net()
        maps = copied(graph, graph.input(1, 4, 3, 2), 2, 2, 3)
        lowest = graph.node("Neg", graph.input(name="highest"))
        end = graph.node("Mul", graph.node("Clip", maps, lowest), graph.noise(1, 12, 1, 1))
        equal(apply("broadcast_copies", graph.model(end)))

    def test_a_long_row_of_elementwise_operators_comes_to_an_end(self, net, apply, equal):
        graph = net()
        value = copied(graph, graph.input(1, 2, 2, 2), 1, 2, 2)
        for _ in range(70):
            value = graph.node("Tanh", value)
        equal(apply("broadcast_copies", graph.model(graph.node("Add", value, graph.noise(1, 4, 1, 1)))))
