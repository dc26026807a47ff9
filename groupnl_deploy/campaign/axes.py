"""Lists in a campaign file: each is an axis, and every combination of their values is a table without lists. Pure."""

import itertools
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from device_agent.strict import StrictError, from_dict

T = TypeVar("T")


@dataclass(frozen=True)
class Point(Generic[T]):
    """One combination of a table's axes.

    `changes` are the keys that are not at the first value of their list, with their values: they tell it from the
    table's first combination.
    """

    value: T
    changes: tuple[tuple[str, Any], ...] = ()

    @property
    def suffix(self) -> str:
        """What its name has more than the first combination's: "-seed1-ratio4", and nothing for the first."""
        return "".join(f"-{slug(key, value)}" for key, value in self.changes)


def read_points(
    cls: type[T], table: Any, where: str, fixed: Collection[str] = (), **plurals: str
) -> tuple[Point[T], ...]:
    """Read a table, whose keys may have lists, into one `cls` for each combination; the first keys vary slowest.

    Args:
        cls: a dataclass whose fields have one value each.
        table: as TOML has it.
        where: what errors call the table.
        fixed: keys that are no axes.
        plurals: other names of keys, such as `seeds="seed"`.

    Raises `StrictError`.
    """
    if not isinstance(table, dict):
        return (Point(from_dict(cls, table, where)),)
    table = _singular(table, where, plurals)
    _require_known(cls, table, where, plurals)
    axes = {
        key: _values(table[key], where, key) for key in table if key not in fixed and _is_axis(cls, key, table[key])
    }
    return tuple(
        Point(from_dict(cls, table | dict(zip(axes, chosen, strict=True)), where), _changes(axes, chosen))
        for chosen in itertools.product(*axes.values())
    )


def slug(key: str, value: Any) -> str:
    """A value as a part of a file's name; a word alone says what it is, a number needs its key."""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return name if value else f"no-{name}"
    if isinstance(value, str):
        return value.replace(":", "-")
    if isinstance(value, list | tuple):
        return name + "-".join(f"{part:g}" for part in value)
    return f"{name}{value:g}" if isinstance(value, int | float) else f"{name}-{value}"


def _singular(table: dict[str, Any], where: str, plurals: Mapping[str, str]) -> dict[str, Any]:
    for plural, name in plurals.items():
        if plural in table and name in table:
            raise StrictError(f"{where}.{plural}: it stands beside {name}, which says the same")
    return {plurals.get(key, key): value for key, value in table.items()}


def _require_known(cls: type, table: dict[str, Any], where: str, plurals: Mapping[str, str]) -> None:
    names = [field.name for field in fields(cls)]
    unknown = sorted(set(table) - set(names))
    if unknown:
        quoted = ", ".join(f"“{name}”" for name in unknown)
        raise StrictError(f"{where}: unknown key {quoted}; known keys are {', '.join([*names, *plurals])}")


def _is_axis(cls: type, key: str, value: Any) -> bool:
    """Whether this is a list of values, and not one value that is a list."""
    if not isinstance(value, list):
        return False
    hint = typing.get_type_hints(cls)[key]
    own_is_list = any(typing.get_origin(option) is tuple for option in (hint, *typing.get_args(hint)))
    return not own_is_list or (bool(value) and isinstance(value[0], list))


def _values(given: list[Any], where: str, key: str) -> list[Any]:
    if not given:
        raise StrictError(f"{where}.{key}: the list has no value")
    seen: set[str] = set()
    for value in map(repr, given):  # as text: 1 and true are not the same
        if value in seen:
            raise StrictError(f"{where}.{key}: {value} stands there twice")
        seen.add(value)
    return given


def _changes(axes: Mapping[str, list[Any]], chosen: tuple[Any, ...]) -> tuple[tuple[str, Any], ...]:
    pairs = zip(axes.items(), chosen, strict=True)
    return tuple((key, value) for (key, values), value in pairs if value != values[0])
