"""Options in groups: a dataclass whose fields are options, spread over a command's line and handed over as one."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints


def with_option_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Spread each parameter that is annotated with a dataclass into the fields of that class, one option each.

    A field is annotated as an option is and has the option's default. Where the class knows nothing of options, the
    parameter is annotated `Annotated[TheClass, {field: option}]`; a field whose option is None has none, and keeps its
    default. A field that is a dataclass itself is spread too.
    The command receives the group as one keyword argument; in `--help` its options stand where the parameter stood.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(_class_of(hint))}

    @functools.wraps(command)
    def wrapper(**given: Any) -> Any:
        for name, group in groups.items():
            given[name] = _gather(_class_of(group), _given_options(group), given)
        return command(**given)

    own = inspect.signature(command)
    spread = [option for name, one in own.parameters.items() for option in _options(one, hints[name])]
    # What `inspect.signature` and so Typer looks for first; no type of a function knows of it.
    wrapper.__signature__ = own.replace(parameters=spread)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {option.name: option.annotation for option in spread}
    return wrapper


def _gather(group: Any, options: Mapping[str, Any], given: dict[str, Any]) -> Any:
    """The group's object, made of the options that are its fields; they leave `given`."""
    hints = get_type_hints(group)
    values = {
        field.name: _gather(hints[field.name], options, given)
        if is_dataclass(hints[field.name])
        else given.pop(field.name)
        for field in fields(group)
        if not _is_left_out(field.name, options)
    }
    return group(**values)


def _options(parameter: inspect.Parameter, hint: Any) -> Iterator[inspect.Parameter]:
    if not is_dataclass(_class_of(hint)):
        yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint)
        return
    yield from _spread(_class_of(hint), _given_options(hint))


def _spread(group: Any, options: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        hint = hints[field.name]
        if is_dataclass(hint):
            yield from _spread(hint, options)
            continue
        if _is_left_out(field.name, options):
            continue
        annotation = Annotated[_typed(hint), options[field.name]] if field.name in options else hint
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=annotation
        )


def _given_options(hint: Any) -> Mapping[str, Any]:
    return hint.__metadata__[0] if get_origin(hint) is Annotated else {}


def _is_left_out(field: str, options: Mapping[str, Any]) -> bool:
    return field in options and options[field] is None


def _class_of(hint: Any) -> Any:
    return hint.__origin__ if get_origin(hint) is Annotated else hint


def _typed(hint: Any) -> Any:
    """A choice of words is text on the command line; the class refuses other words itself."""
    return type(get_args(hint)[0]) if get_origin(hint) is Literal else hint


def _default(field: "Field[Any]") -> Any:
    return inspect.Parameter.empty if field.default is MISSING else field.default
