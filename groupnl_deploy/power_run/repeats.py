"""Repeats of one command, and what they say together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agent.strict import to_dict
from groupnl_deploy.analysis.mean import Mean, mean_of
from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.power_run.outcome import RunPlan
from groupnl_deploy.power_run.record import CommandRecord
from groupnl_deploy.power_run.run import Measured
from groupnl_deploy.workspace import disk_errors
from power.energy import any_emulated
from power.errors import PowerError

SCHEMA_VERSION = 1
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Repeats:
    """All runs that were made of those that were wanted, in order, and the folder of each."""

    plan: RunPlan
    wanted: int
    folders: tuple[Path, ...]
    runs: tuple[CommandRecord, ...]
    error: BaseException | None = None

    @property
    def net(self) -> Mean | None:
        """Of the net joules of the runs that may be believed and whose command succeeded; None without any."""
        sound = [run.energy.net_j for run in self.runs if run.valid and run.energy is not None and run.exit_code == 0]
        return mean_of(sound) if sound else None

    @property
    def command_code(self) -> int:
        """The exit code of the command that failed, 0 where none did."""
        return next((run.exit_code for run in self.runs if run.exit_code), 0)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why joules must not be believed, each once."""
        return tuple(dict.fromkeys(problem for run in self.runs for problem in run.problems))


def repeat(
    plan: RunPlan, wanted: int, out: Path, measure: Callable[[Path], Measured], show: Callable[[CommandRecord], None]
) -> Repeats:
    """Measure the command so often, each time into a new folder of `out`; `show` is told of each at once.

    A command that fails, and whatever ends a run early, ends the repeats.
    """
    folders: list[Path] = []
    runs: list[CommandRecord] = []
    error: BaseException | None = None
    while len(runs) < wanted and error is None and not any(run.exit_code for run in runs):
        folder = out / f"run-{len(runs) + 1}"
        with disk_errors(folder):
            folder.mkdir(parents=True)
        try:
            measured = measure(folder)
        except (PowerError, GroupNLError, KeyboardInterrupt) as stopped:
            if not runs:
                raise
            error = stopped  # what was measured before stands
            break
        folders.append(folder)
        runs.append(measured.record)
        show(measured.record)
        error = measured.error
    return Repeats(plan, wanted, tuple(folders), tuple(runs), error)


def document(repeats: Repeats) -> dict[str, Any]:
    """All of it for programs."""
    net = repeats.net
    return {
        "schema_version": SCHEMA_VERSION,
        "command": list(repeats.plan.command),
        "device": repeats.plan.device,
        "repeats": repeats.wanted,
        "exit_code": repeats.command_code if all(run.exit_code is not None for run in repeats.runs) else None,
        "valid": bool(repeats.runs) and all(run.valid for run in repeats.runs),
        "problems": list(repeats.problems),
        "emulated": any_emulated(*(run.meter for run in repeats.runs)),
        "net_j": None if net is None else to_dict(net),
        "runs": [
            {"folder": str(folder), "valid": run.valid, **to_dict(run)}
            for folder, run in zip(repeats.folders, repeats.runs, strict=True)
        ],
    }
