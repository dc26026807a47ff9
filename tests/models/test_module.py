"""Single modules as networks: those of the paper's Table 16, and nothing beside them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.registry import create_model, list_models, list_modules, model_spec

TABLES = Path(__file__).parents[1] / "data/paper_tables.json"
TABLE_16 = [row for row in json.loads(TABLES.read_text())["rows"] if row["table"] == "16"]


@pytest.mark.parametrize("row", TABLE_16, ids=lambda row: row["row"])
def test_a_module_has_the_parameters_and_flops_of_table_16(row: dict[str, Any]) -> None:
    depthwise = row["method"] == "depthwise"  # no method of whole networks, but as many groups as channels
    method, knobs = ("grouped", {"num_groups": 512}) if depthwise else (row["method"], row["knobs"])
    total = profile(model_spec("conv3x3_512", method, knobs=knobs)).total
    assert total.params == row["counts"]["params"]["exact"]
    calculated, _ = row["counts"]["flops"]["calculated"].split()
    assert f"{total.flops / 1e6:.{len(calculated.partition('.')[2])}f}" == calculated


def test_its_outputs_are_all_values_of_the_convolutions_maps() -> None:
    spec = model_spec("conv3x3_512", "groupnl", input_shape=(16, 6, 7), width=16 / 512, num_classes=16 * 3 * 4)
    network = create_model(spec).eval()
    x = torch.randn(2, 16, 6, 7)
    with torch.inference_mode():
        assert torch.equal(network(x), network.conv(x).flatten(1)) and network(x).shape == (2, 192)


def test_another_number_of_outputs_is_refused_with_the_right_one() -> None:
    with pytest.raises(InvalidSpec, match="has 131072 outputs"):
        create_model(model_spec("conv3x3_512", "standard", num_classes=10))


def test_modules_are_no_networks_of_the_list() -> None:
    assert not {entry.name for entry in list_models()} & {entry.name for entry in list_modules()}
