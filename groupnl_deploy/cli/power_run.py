"""`groupnl power run`: the joules of any command, here or on a device."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import AllowInvalid, Json, MeterName, MeterPort, MeterRate, MeterSign
from groupnl_deploy.errors import MeasurementInvalid, Stopped, UsageError

if TYPE_CHECKING:
    from groupnl_deploy.power_run.commands import MakeCommand
    from groupnl_deploy.power_run.outcome import RunPlan
    from groupnl_deploy.power_run.record import CommandRecord
    from groupnl_deploy.power_run.repeats import Repeats
    from groupnl_deploy.remote.device import Device

LEAST_IDLE_S, MOST_REPEATS = 2.0, 1000  # of a meter that measures twice a second, four measurements


@guarded
def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="The command and its words, behind “--”.")],
    device: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="NAME", help="Run it there, by your ssh; else it runs on this machine."),
    ] = None,
    meter: MeterName = "km003c",
    port: MeterPort = None,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    idle: Annotated[
        float, typer.Option(help="Seconds of idling, 2 at least, that are measured before and after.")
    ] = 10.0,
    repeats: Annotated[int, typer.Option(min=1, max=MOST_REPEATS, help="How often it is run and measured.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write; else a new one below power-runs.")
    ] = None,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """Measure the joules of any command: gross, idle, and net of idling before and after, with the error.

    The command's output is passed on as it comes, and kept; what is said of it goes to stderr. Its exit code becomes
    that of this command, 127 where it is not found. A command that succeeds and was too short for the meter is INVALID:
    exit code 6. From six repeats on the mean of the net has its interval of 95 %; under six, the range is shown.

    On a device it is run by the system's own `ssh`, in the home folder, with an empty stdin. With --json its stdout
    goes to stderr.

    Example: groupnl power run --device pi -- stress-ng --cpu 4 --timeout 30

    Example: groupnl power run --port emulator --repeats 6 --json -- sh -c 'gzip -9 <photos.tar >/dev/null'
    """
    from groupnl_deploy.bench.meter import MeterPlan
    from groupnl_deploy.power_run.outcome import RunPlan
    from groupnl_deploy.workspace import require_absent

    _require_idle(idle)
    board = _board(device or [])
    name = None if board is None else board.name
    plan = RunPlan(tuple(command), name, MeterPlan(meter, port, sign, rate_hz=meter_rate), idle)
    plan.meter.require_live()
    folder = out or _new_folder(command[0])
    require_absent(folder)
    with console.talk_may_be_lost():
        with _commands(board, plan, repeats) as make:
            done = _measured(plan, repeats, folder, make, json)
        _end(done, folder, allow_invalid, json)


def _require_idle(seconds: float) -> None:
    if not LEAST_IDLE_S <= seconds < float("inf"):
        raise UsageError(
            f"{seconds:g} s of idling are too few to know what the net is net of.",
            f"Give --idle {LEAST_IDLE_S:g} or more; 10 is usual.",
        )


def _board(names: list[str]) -> "Device | None":
    from groupnl_deploy.deploy.named_devices import one_device

    found = one_device("power run", names) if names else None
    return None if found is None or found.transport == "local" else found


def _new_folder(program: str) -> Path:
    from groupnl_deploy.bench.run import plain_name

    return Path("power-runs") / f"{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}-{plain_name(Path(program).name)}"


@contextlib.contextmanager
def _commands(board: "Device | None", plan: "RunPlan", repeats: int) -> "Iterator[MakeCommand]":
    """How each run of the command is made. What cannot be run is known before anything is recorded."""
    from groupnl_deploy.power_run.commands import LocalCommand, require_program

    if board is not None:
        from groupnl_deploy.power_run.on_device import commands_on

        with commands_on(board, plan.command) as make:
            yield make
        return
    require_program(plan.command[0])
    yield lambda outputs: LocalCommand(plan.command, outputs, reads_stdin=repeats == 1)


def _measured(plan: "RunPlan", repeats: int, folder: Path, make: "MakeCommand", json: bool) -> "Repeats":
    from groupnl_deploy.power_run.child import Outputs
    from groupnl_deploy.power_run.repeats import repeat
    from groupnl_deploy.power_run.run import Measured, measure_command
    from groupnl_deploy.power_run.words import run_lines

    number = 0

    def measure(run_folder: Path) -> "Measured":
        stdout, stderr = (2 if json else 1), 2
        # A bar that moves here would be in the idle power of this machine, and not in the command's.
        reporter = console.LineReporter() if plan.device is None else console.TerminalReporter()
        return measure_command(plan, make, Outputs(run_folder, stdout, stderr), reporter)

    def show(record: "CommandRecord") -> None:
        nonlocal number
        number += 1
        for line in run_lines(record, number, repeats):
            console.say(line)

    try:
        return repeat(plan, repeats, folder, measure, show)
    except KeyboardInterrupt as error:
        raise Stopped(f"What was recorded until then is in {folder}; measure anew with another --out.") from error


def _end(done: "Repeats", folder: Path, allow_invalid: bool, json: bool) -> None:
    """Say what they say together, keep it, and end as the command did, or by what is gravest of ours."""
    from device_agent.strict import to_json
    from groupnl_deploy.power_run.repeats import SUMMARY_FILE, document
    from groupnl_deploy.power_run.words import repeats_line
    from groupnl_deploy.workspace import write_atomically

    whole = document(done)
    try:  # it is kept though nobody reads what is said, and said though the disk is full
        write_atomically(folder / SUMMARY_FILE, to_json(whole).encode())
    finally:
        if (line := repeats_line(done)) is not None:
            console.say(line)
        if json:
            console.show_json(whole)
    console.say(f"Kept in {folder}.")
    if done.command_code:
        raise typer.Exit(done.command_code)
    if isinstance(done.error, KeyboardInterrupt):
        raise Stopped(f"What was recorded until then is in {folder}; measure anew with another --out.")
    if done.error is not None:
        raise done.error
    if done.problems and not allow_invalid:
        raise MeasurementInvalid(
            "These joules are not to be trusted, as said above.",
            "Do what stands there, or give --allow-invalid where the exit code is to be the command's alone.",
        )
