import json

import pytest

from device_agent.strict import StrictError, from_json, to_json
from exporters.costs import TABLES, Costs, SparseCost, load_costs
from exporters.errors import ExportFailed


def cost(channels: int, kernel_size: int = 3, stride: int = 1, pixels: int = 28) -> SparseCost:
    return SparseCost(channels, kernel_size, stride, pixels, grouped_us=4.0, depthwise_us=1.0, pair_sum_us=2.0)


def table(*sparse: SparseCost) -> Costs:
    return Costs("generic", True, "a machine", "a runtime", sparse)


NAMES = sorted(path.stem for path in TABLES.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_every_table_has_positive_times(name) -> None:
    costs = load_costs(name)
    assert costs.target == name and len(costs.sparse) >= 12
    for entry in costs.sparse:
        assert min(entry.grouped_us, entry.depthwise_us, entry.pair_sum_us or 1) > 0


def test_a_board_that_nobody_has_measured_says_so() -> None:
    assert load_costs("generic").measured
    board = load_costs("rpi4")
    assert not board.measured and "stand-in" in board.machine


@pytest.mark.parametrize("name", NAMES)
def test_a_checked_in_table_is_canonical_and_names_every_shape_once(name) -> None:
    text = (TABLES / f"{name}.json").read_text()
    costs = load_costs(name)
    assert text == to_json(costs)
    shapes = [(entry.channels, entry.kernel_size, entry.stride, entry.pixels) for entry in costs.sparse]
    assert len(set(shapes)) == len(shapes)


def test_a_shape_in_the_table_is_its_own_nearest() -> None:
    costs = load_costs("generic")
    for entry in costs.sparse:
        assert costs.nearest_sparse(entry.channels, entry.kernel_size, entry.stride, entry.pixels) == entry


def test_the_nearest_is_counted_in_doublings() -> None:
    costs = table(cost(64), cost(256))
    assert costs.nearest_sparse(100, 3, 1, 28) == costs.sparse[0]
    assert costs.nearest_sparse(160, 3, 1, 28) == costs.sparse[1]


def test_another_kernel_weighs_as_much_as_two_doublings() -> None:
    costs = table(cost(64, kernel_size=5), cost(192, kernel_size=3))
    assert costs.nearest_sparse(64, 3, 1, 28) == costs.sparse[1]


def test_a_table_without_the_pair_sum_is_read() -> None:
    data = json.loads(to_json(table(cost(64))))
    del data["sparse"][0]["pair_sum_us"]
    assert from_json(Costs, json.dumps(data)).sparse[0].pair_sum_us is None


def test_a_misspelt_key_is_named() -> None:
    text = to_json(table(cost(64))).replace("grouped_us", "groupd_us")
    with pytest.raises(StrictError, match="groupd_us"):
        from_json(Costs, text)


def test_a_table_that_is_not_there_is_an_export_error() -> None:
    with pytest.raises(ExportFailed, match="cost table") as caught:
        load_costs("no_such_board")
    assert "generic" in caught.value.remedy and "--write-costs no_such_board" in caught.value.remedy
