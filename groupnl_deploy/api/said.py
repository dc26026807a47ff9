"""What a caller said, checked: names of keywords, and errors of every room as the one family that is promised."""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from typing import Any, ParamSpec, TypeVar

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.words import nearest_word

Given = ParamSpec("Given")
Made = TypeVar("Made")


def speaking(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Raise `UsageError` for a network that cannot be, which the models, who know no errors of ours, refuse."""

    @functools.wraps(function)
    def wrapper(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        try:
            return function(*args, **kwargs)
        except InvalidSpec as error:
            raise UsageError(f"{error.problem[:1].upper()}{error.problem[1:]}.", error.remedy) from error

    return wrapper


def with_fields(value: Made, said: Mapping[str, Any]) -> Made:
    """A frozen dataclass with some fields changed. Raises `UsageError` for what is no field of it."""
    known = [field.name for field in fields(value)]  # type: ignore[arg-type]  # a type variable has no bound for it
    require_known(said, known, type(value).__name__)
    return replace(value, **said)  # type: ignore[type-var]


def require_known(said: Collection[str], known: Collection[str], of: str) -> None:
    """Raise `UsageError` for a keyword that is none of these."""
    unknown = next((name for name in said if name not in known), None)
    if unknown is not None:
        nearest = nearest_word(unknown, known)
        listed = f"Known are {', '.join(sorted(known))}."
        raise UsageError(
            f"“{unknown}” is no keyword of {of}.", f"Did you mean “{nearest}”? {listed}" if nearest else listed
        )


def source_of(data: DataSource | str) -> DataSource:
    """A data set's name stands for the whole of it."""
    return DataSource(data) if isinstance(data, str) else data
