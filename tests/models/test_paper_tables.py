"""Every count that the GroupNL and E2GC papers print, from one file of their tables; see its "about"."""

import functools
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.profile import Profile, profile, profile_network
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import ConvSpec

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data/paper_tables.json").read_text())["rows"]
UNITS = {"K": 10**3, "M": 10**6, "G": 10**9}
GPUS = 8

profile_once = functools.cache(profile)  # some networks stand in several tables

TABLE_LENGTHS = {"3": 20, "4": 10, "14": 14, "15": 12, "16": 14, "III": 11, "IV": 11}
MISPRINTS = {"3: VGG11, GhostNet: params", "IV: ResNeXt-50, E2GC (G=32): macs"}


def label(row: dict[str, Any]) -> str:
    return f"{row['table']}: {row['row']}"


def marked(row: dict[str, Any]) -> Any:
    """Knobs do in the larger network of a table what they do in its smaller one, and between what they do at the ends:
    for `make test` the ends of the smaller one are enough."""
    larger = (row["table"], row["model"]) in (("14", "resnet101_cifar"), ("15", "resnet101_cifar"))
    larger |= row["table"] == "3" and row["model"] == "resnet34_cifar"
    between = row["table"] in ("III", "IV") and 1 < max(row["knobs"].values()) < 32
    between |= row["table"] in ("14", "15", "16") and row["knobs"].get("ratio") == 4
    between |= row["table"] == "15" and row["knobs"]["nl_groups"] == 8
    return pytest.param(row, id=label(row), marks=[pytest.mark.slow] if larger or between else [])


@pytest.fixture(params=map(marked, ROWS), scope="module")
def row(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture(scope="module")
def counts(row: dict[str, Any]) -> dict[str, Decimal]:
    total = counted(row).total
    return {name: Decimal(value) for name, value in vars(total).items()} | {
        "traffic_per_gpu": Decimal(total.traffic_count) / GPUS
    }


def counted(row: dict[str, Any]) -> Profile:
    if row["model"] is None:
        conv = build_conv(ConvSpec.preset(row["method"], **row["knobs"]), ConvShape(**row["conv"]))
        return profile_network(conv, tuple(row["input_shape"]), GPUS)
    return profile_once(model_spec(row["model"], row["method"], knobs=row["knobs"]), GPUS)


def as_printed(count: Decimal, example: str) -> str:
    """The count in the unit and with the digits of the example, such as "9.23 M"."""
    digits, unit = example.split()
    return f"{(count / UNITS[unit]).quantize(Decimal(digits), ROUND_HALF_UP)} {unit}"


def distance(count: Decimal, printed: str) -> Decimal:
    digits, unit = printed.split()
    return abs(count - Decimal(digits) * UNITS[unit])


def test_every_count_of_a_row(row: dict[str, Any], counts: dict[str, Decimal]) -> None:
    """As the papers print it, as an independent calculation has it, and other than a known misprint."""
    for name, cell in row["counts"].items():
        status = cell.get("status")
        if status == "matched" and "within" in cell:
            digits, unit = cell["within"].split()
            assert distance(counts[name], cell["printed"]) <= Decimal(digits) * UNITS[unit], name
        elif status == "matched":
            assert as_printed(counts[name], cell["printed"]) == cell["printed"], name
        elif status == "known_misprint":
            assert cell["reason"] and as_printed(counts[name], cell["printed"]) != cell["printed"], name
        if "exact" in cell:
            assert counts[name] == cell["exact"], name
        if "calculated" in cell:
            assert as_printed(counts[name], cell["calculated"]) == cell["calculated"], name


def test_the_file_holds_every_row_of_the_tables() -> None:
    for table, length in TABLE_LENGTHS.items():
        labels = {label(row) for row in ROWS if row["table"] == table}
        assert len(labels) == length, table
    cells = [(f"{label(row)}: {name}", cell) for row in ROWS for name, cell in row["counts"].items()]
    assert {name for name, cell in cells if cell.get("status") == "known_misprint"} == MISPRINTS
    assert all(cell["status"] in ("matched", "known_misprint") for _, cell in cells if "printed" in cell)
    assert all("printed" in cell or "exact" in cell for _, cell in cells)
