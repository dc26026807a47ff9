"""`groupnl energy-model sweep`: single convolutions measured on a device, for a fit."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.bench_set import Manner
from groupnl_deploy.cli.exits import resuming
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import (
    AllowInvalid,
    BenchMeter,
    Json,
    MeterPort,
    MeterRate,
    MeterSign,
    OneDevice,
    RetryFor,
    Wait,
    typed,
)
from groupnl_deploy.cli.setting_options import Quick, SweepSettings, with_workload
from groupnl_deploy.deploy.named_devices import one_device
from groupnl_deploy.errors import MeasurementInvalid
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import EMULATOR_PORT, command_line, counted

if TYPE_CHECKING:
    from device_agent.settings import Settings
    from groupnl_deploy.energy_model.layer import LayerShape
    from groupnl_deploy.energy_sweep.carry_out import SweepDone

MOST_REPEATS = 1000
LARGEST_BATCH = 1024


@resuming
@with_option_groups
def sweep(
    ctx: typer.Context,
    device: OneDevice,
    out: Annotated[
        Path, typer.Option("--out", help="The folder of the sweep; one that is not finished is gone on with.")
    ],
    shapes: Annotated[
        str | None,
        typer.Option(
            metavar="CxHxWxK[,…]",
            help="The layers: channels x height x width x kernel; left out, eight of several widths and maps.",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", min=1, max=LARGEST_BATCH, help="Images at once.")] = 1,
    threads: Annotated[int, typer.Option(metavar="N", min=0, help="On the device; 0 for every core.")] = 0,
    repeats: Annotated[
        int, typer.Option(metavar="N", min=1, max=MOST_REPEATS, help="Windows of each; intervals need two or more.")
    ] = 3,
    quick: Quick = False,
    meter: BenchMeter = None,
    port: MeterPort = None,
    *,
    settings: SweepSettings,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    wait: Wait = DEFAULT_WAIT_S,
    retry_for: RetryFor = DEFAULT_RETRY_S,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """Measure single convolutions on a device, each with 1 group up to as many as channels.

    Each is a chain of 20 copies in one graph, benchmarked as `groupnl bench` does, in a random order. Without a meter
    time stands in for energy. The same command goes on where it was interrupted, and measures again what was invalid.

    Example: groupnl energy-model sweep --device pi --meter km003c --threads 4 --out runs/pi4-sweep

    Example: groupnl energy-model sweep --device local --threads 1 --seconds 2 --idle 0 --out runs/local-sweep
    """
    from groupnl_deploy.bench.meter import meter_plan
    from groupnl_deploy.energy_sweep.layers import DEFAULT_SHAPES, require_fit_for_a_fit, shapes_of

    name = one_device("energy-model sweep", device).name
    layers = shapes_of(shapes if shapes is not None else ",".join(DEFAULT_SHAPES))
    require_fit_for_a_fit(layers)
    asked = with_workload(settings, quick=quick, paper=False, metered=meter is not None, given=typed(ctx))
    manner = Manner(name, meter_plan(meter, port, sign, meter_rate), wait, retry_for)
    done = _measured(manner, layers, replace(asked, threads=threads), batch, repeats, out)
    _show(done, json)
    _require_sound(done, allow_invalid)


def _measured(
    manner: Manner, layers: "tuple[LayerShape, ...]", settings: "Settings", batch: int, repeats: int, out: Path
) -> "SweepDone":
    from groupnl_deploy.energy_sweep.carry_out import carry_out
    from groupnl_deploy.energy_sweep.key import key_of_device
    from groupnl_deploy.energy_sweep.plan import BACKEND, SweepPlan, kept_plan

    manner.require_possible([BACKEND], [settings], None if kept_plan(out) else out)
    reporter = console.TerminalReporter()
    key = key_of_device(manner.device, settings.threads, batch, reporter, manner.retry_for_s)
    used = replace(settings, threads=key.threads)
    meter = manner.plan
    plan = SweepPlan(
        manner.device,
        key,
        layers,
        used,
        repeats,
        None if meter is None else meter.meter,
        meter is not None and meter.port == EMULATOR_PORT,
    )
    return carry_out(
        plan, out, lambda artifact, backend, folder: manner.bench(artifact, backend, used, folder), reporter
    )


def _show(done: "SweepDone", json: bool) -> None:
    from groupnl_deploy.cli.energy_model_sweep_text import show_sweep, sweep_json

    if json:
        console.show_json(sweep_json(done))
    else:
        show_sweep(done)
    if done.record is not None:
        console.say(
            f"{done.record}: kept. Every run with its clock and temperature: {command_line('report', done.folder)}"
        )
        fit = command_line("energy-model", "fit", done.record, "--out", done.folder / "model.json")
        console.say(f"Next: {fit}")


def _require_sound(done: "SweepDone", allow_invalid: bool) -> None:
    """Raise `MeasurementInvalid` where a layer has no window that a fit may take."""
    again = "the same command measures again what is invalid, and nothing else"
    if not done.lacking:
        if done.unsound:
            console.say(f"Note: {counted(len(done.unsound), 'run')} invalid and in no fit; {again}.")
        return
    if allow_invalid:
        return
    first = done.unsound[0]
    raise MeasurementInvalid(
        f"{len(done.lacking)} of {len(done.cells)} layers and numbers of groups have no valid run, and are in no fit. "
        f"{first.run}: {first.problems[0]}.",
        f"See to that; then {again}. What was measured is kept.",
    )
