"""GroupNL networks from training to a small board, with speed, memory and energy that were measured.

What docs/api.md promises is had from here; whatever else the package holds may change. Nothing is imported before it is
asked for: the agent's bundle carries this file next to `groupnl_deploy.models`, and nothing else of the package.
"""

from importlib import import_module
from typing import Any

__dist__ = "groupnl-deploy"

_WHERE: dict[str, str] = {"__version__": "groupnl_deploy.version"}
"""The module of each name that is promised."""


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module “groupnl_deploy” has no “{name}”; it has {', '.join(sorted(_WHERE))}")
    return getattr(import_module(_WHERE[name]), name)
