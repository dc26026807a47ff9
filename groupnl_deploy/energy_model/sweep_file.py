"""A sweep from its file: the record that is JSON, or a table of measured layers that a user has (docs/e2gc.md)."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import KEY_FIELDS, Key, OtherKey, Point, Quantity, Sweep
from groupnl_deploy.errors import UsageError
from groupnl_deploy.record import read_record
from groupnl_deploy.words import known_word

_LAYER = ("in_channels", "out_channels", "kernel", "height", "width", "groups")
_COSTS: Mapping[str, Quantity] = {"energy_mj": "energy", "time_ms": "time"}
_KEY = ("board", "threads", "runtime")
_DEFAULTS = {
    "stride": "1",
    "clock_mhz": "",
    "precision": "float32",
    "passes": "forward",
    "batch": "1",
    "meter": "",
    "emulated": "no",
}
_COLUMNS = (*_LAYER, *_COSTS, *_KEY, *_DEFAULTS)
_YES = {"yes": True, "no": False}
_LOOK = "docs/e2gc.md has the columns and an example."


def read_sweep(path: Path) -> Sweep:
    """A CSV by its ending, else JSON. Raises `UsageError` or `VerificationFailed`."""
    if not path.is_file():
        raise UsageError(f"{path} is no file.", f"Name a table of measured layers. {_LOOK}")
    if path.suffix.lower() == ".csv":
        return _sweep_of(path, _rows(path))
    return read_record(Sweep, path, "Name a sweep as JSON or a CSV of measured layers; docs/e2gc.md describes both.")


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            rows = [{name: value or "" for name, value in row.items() if name} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as a CSV: {error}.", "Check its name and its encoding.") from error
    lacking = [name for name in (*_LAYER, *_KEY) if name not in names]
    unknown = [name for name in names if name not in _COLUMNS]
    if lacking or unknown:
        what = f"lacks the column {lacking[0]}" if lacking else f"has a column “{unknown[0]}” that is none of ours"
        raise UsageError(f"{path} {what}; the columns are {', '.join(_COLUMNS)}.", _LOOK)
    if sum(name in names for name in _COSTS) != 1:
        raise UsageError(f"{path} has to have one of the columns {' and '.join(_COSTS)}.", _LOOK)
    if not any(row.get(name, "").strip() for row in rows for name in _COSTS):
        raise UsageError(f"{path} has no row with a cost.", _LOOK)
    return [_DEFAULTS | {name: value.strip() for name, value in row.items() if value.strip()} for row in rows]


def _sweep_of(path: Path, rows: list[dict[str, str]]) -> Sweep:
    values: dict[tuple[LayerShape, int], list[float]] = {}
    column = next(name for name in _COSTS if any(name in row for row in rows))
    for number, row in enumerate(rows, start=2):
        try:
            shape = LayerShape(*(int(row[name]) for name in (*_LAYER[:-1], "stride")))
            values.setdefault((shape, int(row["groups"])), []).append(float(row[column]) / 1e3)
        except (KeyError, ValueError) as error:
            problem = f"the column {error.args[0]} is empty" if isinstance(error, KeyError) else str(error)
            raise UsageError(f"{path}, line {number}: {problem}.", _LOOK) from error
    try:
        return Sweep(
            key=Key(**_one_key(path, rows)),
            quantity=_COSTS[column],
            meter=_same(path, rows, "meter") or None,
            emulated=_YES[known_word("answer whether the meter was emulated", _same(path, rows, "emulated"), _YES)],
            points=tuple(Point(shape, groups, tuple(each)) for (shape, groups), each in values.items()),
        )
    except ValueError as error:
        raise UsageError(f"{path}: {error}.", _LOOK) from error


def _one_key(path: Path, rows: list[dict[str, str]]) -> dict[str, Any]:
    said = {name: _same(path, rows, name) for name in KEY_FIELDS}
    clock = said["clock_mhz"]
    if clock and not math.isfinite(float(clock)):
        raise ValueError(f"clock_mhz is {clock}")
    numbers = {"threads": int(said["threads"]), "batch": int(said["batch"])}
    return said | numbers | {"clock_mhz": float(clock) if clock else None}


def _same(path: Path, rows: list[dict[str, str]], name: str) -> str:
    """What stands in a column in every row. Raises `OtherKey` where two rows differ."""
    found = list(dict.fromkeys(row.get(name, "") for row in rows))
    if len(found) > 1:
        raise OtherKey(
            f"{path} has rows of two: {name} is “{found[0]}” and “{found[1]}”. One model is of one board and setting.",
            f"Put the rows of each {name} into a file of its own, and fit each.",
        )
    if not found[0] and name in _KEY:
        raise ValueError(f"{name} is empty")
    return found[0]
