"""Whether the user wants tracebacks: `--debug` on the line, or the variable that it sets for child processes."""

import os
from collections.abc import Sequence

_OPTION, _VARIABLE = "--debug", "GROUPNL_DEBUG"


def take_debug(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--debug`, which may stand anywhere among them and is remembered.

    What stands behind “--” is somebody else's, such as the command of `power run`.
    """
    ours = arguments.index("--") if "--" in arguments else len(arguments)
    if _OPTION in arguments[:ours]:
        os.environ[_VARIABLE] = "1"
    return [*(argument for argument in arguments[:ours] if argument != _OPTION), *arguments[ours:]]


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return bool(os.environ.get(_VARIABLE))
