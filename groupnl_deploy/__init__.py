"""GroupNL networks from training to a small board, with speed, memory and energy that were measured.

What docs/api.md promises is had from here; whatever else the package holds may change. Nothing is imported before it is
asked for: the agent's bundle carries this file next to `groupnl_deploy.models`, and nothing else of the package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__dist__ = "groupnl-deploy"

if TYPE_CHECKING:  # for editors and type checkers; the table below is what runs
    from device_agent.settings import Settings as Settings
    from groupnl_deploy.api.network import Network as Network
    from groupnl_deploy.api.network import build_network as build_network
    from groupnl_deploy.api.network import evaluate_network as evaluate_network
    from groupnl_deploy.api.network import load_network as load_network
    from groupnl_deploy.api.network import save_network as save_network
    from groupnl_deploy.api.network import train_network as train_network
    from groupnl_deploy.api.network import wrap_network as wrap_network
    from groupnl_deploy.api.pipeline import bench_artifact as bench_artifact
    from groupnl_deploy.api.pipeline import export_network as export_network
    from groupnl_deploy.api.pipeline import push_artifact as push_artifact
    from groupnl_deploy.api.pipeline import report_runs as report_runs
    from groupnl_deploy.api.power import integrate_power as integrate_power
    from groupnl_deploy.api.power import record_power as record_power
    from groupnl_deploy.errors import GroupNLError as GroupNLError
    from groupnl_deploy.images.source import DataSource as DataSource
    from groupnl_deploy.report.render import render as render
    from groupnl_deploy.training.recipe import Recipe as Recipe
    from groupnl_deploy.version import __version__ as __version__

_WHERE: dict[str, str] = {
    "DataSource": "groupnl_deploy.images.source",
    "GroupNLError": "groupnl_deploy.errors",
    "Network": "groupnl_deploy.api.network",
    "Recipe": "groupnl_deploy.training.recipe",
    "Settings": "device_agent.settings",
    "__version__": "groupnl_deploy.version",
    "bench_artifact": "groupnl_deploy.api.pipeline",
    "build_network": "groupnl_deploy.api.network",
    "evaluate_network": "groupnl_deploy.api.network",
    "export_network": "groupnl_deploy.api.pipeline",
    "integrate_power": "groupnl_deploy.api.power",
    "load_network": "groupnl_deploy.api.network",
    "push_artifact": "groupnl_deploy.api.pipeline",
    "record_power": "groupnl_deploy.api.power",
    "render": "groupnl_deploy.report.render",
    "report_runs": "groupnl_deploy.api.pipeline",
    "save_network": "groupnl_deploy.api.network",
    "train_network": "groupnl_deploy.api.network",
    "wrap_network": "groupnl_deploy.api.network",
}
"""The module of each name that is promised. To promise another: its lines here, and its place in docs/api.md."""


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module “groupnl_deploy” has no “{name}”; it has {', '.join(sorted(_WHERE))}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
