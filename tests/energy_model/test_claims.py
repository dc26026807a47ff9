"""docs/e2gc.md says of the paper's tables what the script that it names calculates from them."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from groupnl_deploy.energy_model.network import grouped_layers
from groupnl_deploy.models.registry import model_spec

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """With the files that lie beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(ROOT / "benchmarks")])
        import e2gc_claims

        return e2gc_claims


@pytest.mark.parametrize("name", ["claims", "savings", "laws", "transfer", "intensity", "widths"])
def test_each_table_stands_in_the_page_as_it_is_calculated(script: ModuleType, name: str) -> None:
    assert script.markdown(script.TABLES[name]()) in (ROOT / "docs/e2gc.md").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_page_alone(script: ModuleType) -> None:
    assert set(script.TABLES) == {"claims", "savings", "laws", "transfer", "intensity", "widths"}


def test_the_group_convolutions_are_those_of_the_networks(script: ModuleType) -> None:
    for network in (script.MOBILENET, script.RESNEXT):
        built = [layer.shape for layer in grouped_layers(model_spec(network.network))]
        assert sorted(built) == sorted(network.layers), network.name
