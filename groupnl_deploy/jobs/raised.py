"""An error on its way between two processes.

Pickle calls the class with `args` to make an error again, which our errors' constructors do not take.
"""

import pickle
import traceback
from dataclasses import dataclass, replace
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
        whole = _travels(raised) and raised._again() is not None
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
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301  # made in this process a moment ago
    except Exception:
        return False
    return True
