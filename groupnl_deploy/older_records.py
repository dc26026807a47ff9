"""Records of checkpoints and trainings of older schemas, read as what they meant. Imports nothing slow."""

import json
from collections.abc import Callable
from typing import Any

SCHEMA_VERSION = 4
"""Of `checkpoint.json` and `training.json`. Since 2 a recipe names its threads, since 3 a data set its classes,
since 4 a network its code."""

_EVERY_CORE = 0
_DIGITS = [str(digit) for digit in range(10)]


def as_of_today(record: bytes) -> bytes:
    """A record of an older schema as one of today's; any other, and what is no record at all, as it is."""
    try:
        data = json.loads(record)
    except (ValueError, RecursionError):
        return record  # whoever decodes it says what is wrong
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version not in _STEPS:
        return record
    for step in list(_STEPS)[list(_STEPS).index(version) :]:
        for holder in (data, data.get("job")):  # a checkpoint, or the job of a training's state
            if isinstance(holder, dict):
                _STEPS[step](holder)
    data["schema_version"] = SCHEMA_VERSION
    return json.dumps(data).encode()


def _name_threads(holder: dict[str, Any]) -> None:
    """Before its recipe named them, a training took as many as PyTorch does by itself. How many those were was not
    written down.
    """
    recipe = holder.get("recipe")
    if isinstance(recipe, dict):
        recipe.setdefault("threads", _EVERY_CORE)


def _describe_data(holder: dict[str, Any]) -> None:
    """There was one data set, the digits, and the seed of its split was always 0."""
    if "dataset" not in holder:
        return
    name, seed = holder.pop("dataset"), holder.pop("split_seed", 0)
    known = {"name": name, "sha256": None, "class_names": _DIGITS if name == "digits" else [], "split_seed": seed}
    holder["data"] = None if name is None else known


def _all_code_is_ours(holder: dict[str, Any]) -> None:
    """A network was one of those that are registered."""
    if isinstance(holder.get("spec"), dict):
        holder["spec"]["schema_version"] = 3


_STEPS: dict[Any, Callable[[dict[str, Any]], None]] = {1: _name_threads, 2: _describe_data, 3: _all_code_is_ours}
"""What each schema lacks, by its number."""
