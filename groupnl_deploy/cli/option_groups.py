"""Options in groups: a dataclass whose fields are options, spread over a command's line and handed over as one."""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

F = TypeVar("F", bound=Callable[..., Any])


def with_option_groups(command: F) -> F:
    """Spread each parameter that is annotated with a dataclass into the fields of that class, one option each.

    A field is annotated as an option is and has the option's default. The command receives the group as one keyword
    argument; in `--help` its options stand where the parameter stood.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @functools.wraps(command)
    def wrapper(**given: Any) -> Any:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        return command(**given)

    own = inspect.signature(command)
    spread = [option for name, one in own.parameters.items() for option in _options(one, hints[name])]
    wrapper.__signature__ = own.replace(parameters=spread)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {option.name: option.annotation for option in spread}
    return wrapper  # type: ignore[return-value]


def _options(parameter: inspect.Parameter, hint: Any) -> Iterator[inspect.Parameter]:
    if not is_dataclass(hint):
        yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint)
        return
    hints = get_type_hints(hint, include_extras=True)
    for field in fields(hint):
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
