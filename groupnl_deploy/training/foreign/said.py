"""What a file holds besides weights, as plain values; most of it is of no use here and becomes None."""

from collections.abc import Mapping
from typing import Any

from groupnl_deploy.pickles.inert import Thing, as_mapping

LONGEST_TABLE, DEEPEST = 1000, 3


def plain_values(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Numbers, words, and short lists and tables of them; None for anything else."""
    made: dict[tuple[int, int], Any] = {}
    return {str(key): _plain(value, DEEPEST, made) for key, value in content.items()}


def _plain(value: Any, depth: int, made: dict[tuple[int, int], Any]) -> Any:
    """`made` holds what was made already: a file can name one list a thousand times, in one that it names likewise."""
    if isinstance(value, str | int | float | bool):
        return value
    seen = (id(value), depth)
    if seen not in made:
        made[seen] = _table(value, depth, made) if depth else None
    return made[seen]


def _table(value: Any, depth: int, made: dict[tuple[int, int], Any]) -> Any:
    if isinstance(value, Thing) and isinstance(value.state, dict) and "_val" in value.state:
        return _plain(value.state["_val"], depth - 1, made)  # a value of omegaconf's
    if isinstance(value, list | tuple) and len(value) <= LONGEST_TABLE:
        return [_plain(item, depth - 1, made) for item in value]
    table = as_mapping(value)
    if table is None or len(table) > LONGEST_TABLE:
        return None
    return {str(key): _plain(item, depth - 1, made) for key, item in table.items()}
