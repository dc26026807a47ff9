"""Records of the schema before this one, read as what they meant."""

import json
from typing import Any

from groupnl_deploy.training.threads import EVERY_CORE

SCHEMA_VERSION = 2
"""Of `checkpoint.json` and `training.json`. Since 2 a recipe names its threads."""


def as_of_today(record: bytes) -> bytes:
    """A record of schema 1 as one of today's; any other, and what is no record at all, as it is.

    Before its recipe named them, a training took as many threads as PyTorch does by itself. How many that were was not
    written down.
    """
    try:
        data = json.loads(record)
    except (ValueError, RecursionError):
        return record  # whoever decodes it says what is wrong
    if not isinstance(data, dict) or data.get("schema_version") != 1:
        return record
    data["schema_version"] = SCHEMA_VERSION
    for holder in (data, data.get("job")):  # a checkpoint, or the job of a training's state
        _name_threads(holder)
    return json.dumps(data).encode()


def _name_threads(holder: Any) -> None:
    recipe = holder.get("recipe") if isinstance(holder, dict) else None
    if isinstance(recipe, dict):
        recipe.setdefault("threads", EVERY_CORE)
