"""An error on its way between two processes.

A class would be called with `args` to make an error again, which our errors' constructors do not take; so the parts
travel, and only those that are plain data.
"""

import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any


class InAnotherProcess(Exception):
    """The traceback of where an error was raised; as a text, because frames do not travel."""


@dataclass(frozen=True)
class Raised:
    """The parts of an error, each of which travels; `kind` is None where its class does not.

    Fields that do not travel, such as functions, stay behind: what is told and how the command ends needs none.
    """

    kind: type[Exception] | None
    args: tuple[Any, ...]
    fields: dict[str, Any]
    name: str
    said: str
    trace: str

    @classmethod
    def of(cls, error: Exception) -> "Raised":
        """What is needed to raise the same elsewhere."""
        kind, args = type(error), error.__reduce__()[1]  # where an OSError has the name of its file
        fields = {name: value for name, value in vars(error).items() if _travels(value)}
        raised = cls(kind, tuple(args), fields, kind.__name__, str(error), "".join(traceback.format_exception(error)))
        whole = _travels(kind) and _travels(args) and raised._again() is not None
        return raised if whole else replace(raised, kind=None, args=(), fields={})

    def error(self) -> Exception:
        """The same error again, or one of the same name that says the same."""
        error = self._again() or type(self.name, (Exception,), {})(self.said)
        error.__cause__ = InAnotherProcess(f"\n{self.trace}")
        return error

    def _again(self) -> Exception | None:
        if self.kind is None:
            return None
        try:
            error = self.kind.__new__(self.kind, *self.args)
            if self.kind.__module__ == "builtins":
                error.__init__(*self.args)  # type: ignore[misc]  # which has fields that no dictionary shows
            vars(error).update(self.fields)
        except Exception:  # a class with ways of its own
            return None
        return error


def _travels(value: Any) -> bool:
    """Whether it is plain data, all the way down, or a class that any process finds under its name."""
    if isinstance(value, type):
        return getattr(sys.modules.get(value.__module__), value.__qualname__, None) is value
    if isinstance(value, tuple | list):
        return all(map(_travels, value))
    if isinstance(value, dict):
        return all(_travels(key) and _travels(item) for key, item in value.items())
    return value is None or isinstance(value, str | bytes | int | float | PurePath)
