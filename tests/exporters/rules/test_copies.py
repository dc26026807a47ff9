"""Copies that a broadcast makes needless."""

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

    def test_a_reader_that_refuses_keeps_the_others_as_they_were(self, net, apply):
        graph = net(12)  # before 13 a Split is written otherwise, and copying behind the sine would need one
        maps = copied(graph, graph.input(1, 4, 3, 2), 2, 2, 2)
        ends = graph.node("Mul", maps, graph.noise(1, 8, 1, 1)), graph.node("Sin", maps)
        applied = apply("broadcast_copies", graph.model(*ends))
        assert applied.untouched and "before opset 13" in applied.refusals

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
