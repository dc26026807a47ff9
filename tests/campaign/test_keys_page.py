"""docs/campaigns.md has every key of a campaign file, and what it says where it is left out."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from device_agent.settings import Workload
from groupnl_deploy.bench.meter import EmulatedLoad
from groupnl_deploy.campaign.cell import ExportPoint
from groupnl_deploy.campaign.config import (
    BenchConfig,
    EvaluateConfig,
    MeterConfig,
    ModelConfig,
    PushConfig,
    ReportConfig,
    TrainConfig,
)
from groupnl_deploy.campaign.load import _File, load_campaign
from groupnl_deploy.campaign.sources import sources_of

PAGE = Path(__file__).parents[2] / "docs" / "campaigns.md"
TABLES = {
    "": _File,
    "[train]": TrainConfig,
    "[[models]]": ModelConfig,
    "[export]": ExportPoint,
    "[push]": PushConfig,
    "[evaluate]": EvaluateConfig,
    "[bench]": BenchConfig,
    "[bench.workload]": Workload,
    "[bench.meter]": MeterConfig,
    "[bench.meter.emulator]": EmulatedLoad,
    "[report]": ReportConfig,
}
NAMED = {"": 'out = "out"', "[train]": 'dataset = "digits"', "[bench.meter]": 'meter = "km003c"\nport = "emulator"'}
NAMED["[[models]]"] = 'label = "a"\nmodel = "resnet18_cifar"'
SINGULAR = {"formats": "format", "backends": "backend"}
INNER = {
    "train",
    "models",
    "export",
    "push",
    "evaluate",
    "bench",
    "report",
    "workload",
    "meters",
    "emulator",
}  # tables themselves


def keys_of_the_page() -> dict[str, dict[str, str]]:
    """Of each table the keys, with what is written behind their equals sign."""
    rows = re.findall(r"^\| (?:top of the file|`(\[.*?\])`) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {table: dict(re.findall(r"`(\w+)(?: = ([^`]*))?`(?!\))", keys)) for table, keys in rows}


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_every_key(table: str) -> None:
    singular = SINGULAR if table != "[report]" else {}
    told = {singular.get(key, key) for key in keys_of_the_page()[table]}
    inner = INNER | ({"meter"} if table == "[bench]" else set())
    assert told == {field.name for field in fields(TABLES[table])} - inner


def test_what_a_key_says_where_it_is_left_out_is_as_the_page_has_it(tmp_path: Path) -> None:
    short, long = tmp_path / "short.toml", tmp_path / "long.toml"
    short.write_text("\n".join(f"{table}\n{NAMED.get(table, '')}" for table in TABLES))
    defaults = {
        table: "\n".join(f"{key} = {value}" for key, value in keys.items() if value)
        for table, keys in keys_of_the_page().items()
    }
    long.write_text("\n".join(f"{table}\n{NAMED.get(table, '')}\n{defaults[table]}" for table in TABLES))
    left_out, written = load_campaign(short), load_campaign(long)
    assert sources_of(left_out) == sources_of(written)
    assert replace(left_out, trainings=(), models=()) == replace(written, trainings=(), models=())
    assert sum(map(len, keys_of_the_page().values())) > 40
