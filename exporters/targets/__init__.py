"""The registry of targets. To add one, write a file here that defines `TARGET`, and add the file's name below."""

from importlib import import_module

from exporters.errors import ExportFailed
from exporters.targets.base import Target

_FILES = (
    "generic",
    "rpi4",
    "x86",
)

TARGETS: dict[str, Target] = {name: import_module(f"exporters.targets.{name}").TARGET for name in _FILES}
DEFAULT_TARGET = "generic"


def target_named(name: str) -> Target:
    """The target of that name. Raises `ExportFailed` for a name that no target has."""
    if name not in TARGETS:
        raise ExportFailed(f"There is no target {name}.", f"Choose one of {', '.join(TARGETS)}.")
    return TARGETS[name]
