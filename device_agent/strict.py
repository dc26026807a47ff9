"""Frozen dataclasses ⇄ plain JSON values, strictly: an unknown, missing or mistyped key names itself.

Standard library only, because the smallest machine that reads these files has nothing else.
"""

import dataclasses
import json
import re
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")

# Of these a list may be long, as that of all latencies is, and is looked at as a whole.
_PLAIN = frozenset({int, float, str, bool})
_HALVES = re.compile("[\ud800-\udfff]")  # of characters: bytes of a path that are no UTF-8


class StrictError(ValueError):
    """A value does not have the declared shape; the message names the place, the key and the known keys."""


def to_dict(value: Any) -> Any:
    """Dataclasses become dicts and tuples become lists, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_dict(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return list(value) if _PLAIN.issuperset(map(type, value)) else [to_dict(item) for item in value]
    if isinstance(value, dict):
        return {key: to_dict(item) for key, item in value.items()}
    return value


def to_json(value: Any) -> str:
    """Canonical JSON text: sorted keys, two-space indent, a final newline; equal values give equal bytes.

    All of it can be encoded, whatever bytes a path has, and is read back as it was.
    """
    text = json.dumps(to_dict(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text) + "\n"


def from_dict(cls: type[T], data: Any, where: str = "") -> T:
    """Build `cls` from a dict. Keys with defaults may be absent; no other key may be missing or extra.

    A `schema_version` other than the class's own default is refused: it was written by another version.
    """
    place = where or cls.__name__
    if not isinstance(data, dict):
        raise StrictError(f"{place}: expected a table of keys, found {type(data).__name__}")
    fields = {field.name: field for field in dataclasses.fields(typing.cast("type[Any]", cls))}
    _require_schema_version(fields, data, place)  # first, as other versions have other keys
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise StrictError(f"{place}: unknown key {_quoted(unknown)}; known keys are {', '.join(fields)}")
    missing = [name for name, field in fields.items() if name not in data and _required(field)]
    if missing:
        raise StrictError(f"{place}: missing key {_quoted(missing)}")
    hints = typing.get_type_hints(cls)
    try:
        return cls(**{name: _convert(hints[name], value, f"{place}.{name}") for name, value in data.items()})
    except StrictError:
        raise
    except ValueError as error:  # from the class's own __post_init__; whoever quotes a StrictError ends the sentence
        raise StrictError(f"{place}: {str(error).rstrip('.')}") from error


def from_json(cls: type[T], text: str | bytes, where: str = "") -> T:
    """`from_dict` on JSON text; text that is no JSON is a `StrictError` too, and so is a record without its version.

    People write tables and leave out what they do not know; a record has every key, as `to_json` wrote it.
    """
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # brackets in brackets, thousands deep
        raise StrictError(f"{where or cls.__name__}: not valid JSON ({error})") from error
    record = from_dict(cls, data, where)
    if hasattr(record, "schema_version") and "schema_version" not in data:
        raise StrictError(f"{where or cls.__name__}: missing key “schema_version”")
    return record


def _refuse(constant: str) -> None:
    """For NaN and the infinite ones, which Python reads although no JSON has them."""
    raise ValueError(f"{constant} is no number")


def _require_schema_version(fields: "dict[str, dataclasses.Field[Any]]", data: dict[str, Any], place: str) -> None:
    known = fields["schema_version"].default if "schema_version" in fields else dataclasses.MISSING
    if known is not dataclasses.MISSING and data.get("schema_version", known) != known:
        raise StrictError(
            f"{place}: schema_version {data['schema_version']!r} is not the {known} that this version reads"
        )


def _required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _quoted(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        return _convert_union(args, value, where)
    if origin is typing.Literal:
        if not any(value == option and type(value) is type(option) for option in args):  # True is no 1
            raise StrictError(f"{where}: {value!r} is not one of {', '.join(map(repr, args))}")
        return value
    if origin is tuple:
        return _convert_tuple(args, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise StrictError(f"{where}: expected a table of keys, found {type(value).__name__}")
        return {str(key): _convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast("type[Any]", hint), value, where)
    return _convert_scalar(hint, value, where)


def _convert_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in args:
        return None
    errors = []
    for option in args:
        if option is type(None):
            continue
        try:
            return _convert(option, value, where)
        except StrictError as error:
            errors.append(error)
    raise errors[0]


def _convert_tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise StrictError(f"{where}: expected a list, found {type(value).__name__}")
    if len(args) == 2 and args[1] is Ellipsis:
        if args[0] in _PLAIN and {args[0]} == set(map(type, value)):
            return tuple(value)
        return tuple(_convert(args[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if len(value) != len(args):
        raise StrictError(f"{where}: expected {len(args)} values, found {len(value)}")
    pairs = zip(args, value, strict=True)
    return tuple(_convert(hint, item, f"{where}[{index}]") for index, (hint, item) in enumerate(pairs))


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise StrictError(f"{where}: a number of {value.bit_length()} bits is beyond all floats") from error
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise StrictError(f"{where}: expected {getattr(hint, '__name__', hint)}, found {value!r}")
