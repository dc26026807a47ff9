"""The options of `groupnl train --method gearnn --estimate`, and what it shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.options import BenchMeter, MeterPort
from groupnl_deploy.errors import MeasurementInvalid, UsageError
from groupnl_deploy.words import EMULATOR_PORT, counted, duration_text

if TYPE_CHECKING:
    from groupnl_deploy.cli.gearnn_options import GearnnOptions
    from groupnl_deploy.images.source import DataSource
    from groupnl_deploy.models.spec import ModelSpec
    from groupnl_deploy.training.recipe import Recipe
    from groupnl_deploy.training_estimate.carry_out import EstimatePlan
    from groupnl_deploy.training_estimate.estimate import Estimate, MeasuredStep

_ONLY = "is for --estimate, which measures what a training would take"


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """What the user says of an estimate."""

    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Train nothing: measure single steps on --device, and say how long the training would take there.",
        ),
    ] = False
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="For --estimate: a name, or local.")
    ] = None
    meter: BenchMeter = None
    port: MeterPort = None

    def require_fit(self, method: str | None) -> None:
        """Raise `UsageError` for an option that would do nothing, and for an estimate of what is not estimated."""
        if not self.estimate:
            for name in ("device", "meter", "port"):
                if getattr(self, name) is not None:
                    raise UsageError(f"--{name} {_ONLY}.", f"Add --estimate, or leave --{name} out.")
        elif method is None:
            raise UsageError(
                "--estimate is of a training that grows a network, and no --method is named.",
                "Add --method gearnn with --gamma, or leave --estimate out.",
            )
        elif self.device is None:
            raise UsageError(
                "--estimate measures on a device, and none is named.",
                "Add --device NAME, a name from `groupnl device list`, or --device local for this machine.",
            )


def show_estimate(
    asked: EstimateOptions,
    spec: "ModelSpec",
    recipe: "Recipe",
    gearnn: "GearnnOptions",
    source: "DataSource",
    out: Path,
    json: bool,
) -> None:
    """Measure, and print the estimate. Raises `MeasurementInvalid` behind it where a step's run is invalid."""
    from groupnl_deploy.bench.meter import meter_plan
    from groupnl_deploy.cli.bench_set import Manner
    from groupnl_deploy.images.datasets import load_dataset
    from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
    from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
    from groupnl_deploy.training_estimate.board import require_board
    from groupnl_deploy.training_estimate.carry_out import BACKEND, EstimatePlan, estimated
    from groupnl_deploy.training_estimate.steps import parts_of

    assert asked.device is not None
    images = len(load_dataset(source).train.labels)
    parts = parts_of(spec, recipe, gearnn.settings(recipe), images)
    emulated = asked.meter is not None and asked.port == EMULATOR_PORT
    plan = EstimatePlan(
        asked.device, spec.label, parts, recipe.threads, recipe.batch_size, images, asked.meter, emulated
    )
    manner = Manner(asked.device, meter_plan(asked.meter, asked.port, 1, None), DEFAULT_WAIT_S, DEFAULT_RETRY_S)
    manner.require_possible([BACKEND], [plan.settings], None)
    reporter = console.TerminalReporter()
    require_board(asked.device, recipe.threads, reporter, DEFAULT_RETRY_S)
    folder = out.with_name(f"{out.name}.estimate")
    found = estimated(
        plan, folder, lambda one, run: manner.bench(one.artifact, one.backend, one.settings, run), reporter
    )
    if json:
        console.show_json(found)
    else:
        _show(plan, found)
        console.say(f"{folder}: kept, with every run.")
    _require_sound(found)


def _show(plan: "EstimatePlan", found: "Estimate") -> None:
    from groupnl_deploy.deploy.devices_file import LOCAL

    console.show_prose(
        f"{found.label} by GEARnn on {found.device} ({found.board}), {counted(found.threads, 'thread')}: "
        f"{found.images:,} images an epoch, {found.batch_size} a step."
    )
    if plan.device == LOCAL:
        console.say("Note: local is this machine, and no board.")
    if found.emulated_meter:
        console.say("Note: EMULATED: the meter was, so the joules are no measurement of any board.")
    headings = [("Step", False), *((text, True) for text in ("Images", "s", "J", "MB"))]
    console.show_table(headings, [_row(one) for one in found.steps])
    headings = [("Phase", False), *((text, True) for text in ("Passes", "Steps", "Time", "kJ"))]
    rows = [
        (one.name, str(one.passes), f"{one.steps:,}", _long(one.seconds), _kilojoules(one.joules))
        for one in found.phases
    ]
    rows.append(
        ("all", "", f"{sum(one.steps for one in found.phases):,}", _long(found.seconds), _kilojoules(found.joules))
    )
    console.show_table(headings, rows)
    console.show_prose(
        "Steps alone, each measured by itself: reading and altering images, tests on the test images, and a board that "
        "grows hot over hours come on top. For the grown network stands one whose layers grew by equal numbers."
    )


def _row(one: "MeasuredStep") -> tuple[str, ...]:
    mark = "!" if one.problems else ""
    joules = "–" if one.joules is None else f"{one.joules:.3g}{mark}"
    memory = "–" if one.memory_mb is None else f"{one.memory_mb:,.0f}"
    return f"{one.name}", str(one.images), f"{one.seconds:.3g}{mark}", joules, memory


def _long(seconds: float) -> str:
    """Days where it takes days."""
    return f"{seconds / 86_400:.1f} days" if seconds >= 2 * 86_400 else duration_text(seconds)


def _kilojoules(joules: float | None) -> str:
    return "–" if joules is None else f"{joules / 1e3:,.3g}"


def _require_sound(found: "Estimate") -> None:
    if found.unsound:
        first = found.unsound[0]
        raise MeasurementInvalid(
            f"{len(found.unsound)} of {len(found.steps)} steps could not be measured soundly, so the estimate is none. "
            f"{first.run}: {first.problems[0]}.",
            "See to that; then the same command measures again what is invalid, and nothing else.",
        )
