"""`groupnl power record`: every measurement of a meter into a file, as it comes."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Duration, Json, MeterName, MeterPort, MeterRate, MeterSign, require_duration
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.bench.meter import MeterPlan
    from power.meters.base import Meter
    from power.meters.reconnecting import ReconnectingMeter
    from power.recorder import Recorder
    from power.running import Totals

_REFRESH_S = 0.25


@guarded
def record(
    meter: MeterName,
    out: Annotated[Path, typer.Option("--out", help="The CSV file to write; it must not exist yet.")],
    port: MeterPort = None,
    duration: Duration = None,
    poll_hz: Annotated[float, typer.Option(help="Questions a second; answers that repeat are no rows.")] = 20.0,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    patience: Annotated[float, typer.Option(help="Seconds to wait for a meter that was unplugged.")] = 60.0,
    json: Json = False,
) -> None:
    """Record a meter into a CSV file, one row a measurement, with V, A, W and J shown while it grows.

    Ctrl-C keeps what was recorded. A meter that is unplugged and comes back leaves a hole that shows.

    Example: groupnl power record --meter km003c --port /dev/ttyACM0 --duration 60 --out trace.csv

    Example: groupnl power record --meter km003c --port emulator --duration 10 --out trace.csv
    """
    from groupnl_deploy.bench.meter import MeterPlan

    require_duration("A recording", duration)
    _require_patience(patience)
    plan = MeterPlan(meter, port, sign, rate_hz=meter_rate)
    _make_room_for(out)
    with _recording(plan, out, poll_hz, patience) as (recorder, source):
        try:
            _watch(recorder, source, f"record {meter} to {out}", duration)
            recorder.stop()
        except KeyboardInterrupt:
            recorder.stop()
            _show(recorder, source, out, json)
            if duration is not None:
                raise
            return
        except Exception:
            _say_kept(recorder.totals, out)
            raise
    _show(recorder, source, out, json)


def _require_patience(seconds: float) -> None:
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"A patience of {seconds} s is none.", "Give --patience in seconds, 0 or more.")


def _make_room_for(out: Path) -> None:
    """The folder of a file that is not there yet. Raises `UsageError`."""
    from groupnl_deploy.workspace import disk_errors, require_absent

    require_absent(out)
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _recording(
    plan: "MeterPlan", out: Path, poll_hz: float, patience_s: float
) -> Iterator[tuple["Recorder", "ReconnectingMeter"]]:
    """A recorder at work on a meter that may come and go."""
    from groupnl_deploy.bench.meter import meter_port
    from power.meters.reconnecting import ReconnectingMeter
    from power.recorder import Recorder

    with (
        meter_port(plan) as (port, _),
        ReconnectingMeter(_opener(plan, port), patience_s) as source,
        Recorder(source, poll_hz, out, keep_rows=False) as recorder,
    ):
        yield recorder, source


def _opener(plan: "MeterPlan", port: str | None) -> Callable[[], "Meter"]:
    """Opens the meter anew each time: the one found first, not another one that is plugged in later."""
    found = port

    def open_again() -> "Meter":
        nonlocal found
        meter = plan.open(found)
        found = meter.facts.port
        return meter

    return open_again


def _watch(recorder: "Recorder", source: "ReconnectingMeter", name: str, duration_s: float | None) -> None:
    """The live line, until the time is over or a replayed recording has ended."""
    began_s = time.monotonic()
    with console.TerminalReporter().task(name) as task:
        while (left_s := (duration_s or float("inf")) - (time.monotonic() - began_s)) > 0:
            if recorder.wait(min(_REFRESH_S, left_s)):
                return
            task(time.monotonic() - began_s, duration_s, _live(recorder.totals, source.missing_s))


def _live(totals: "Totals | None", missing_s: float) -> str:
    if missing_s > 1:
        return f"the meter has been gone for {missing_s:.0f} s, waiting for it"
    if totals is None:
        return "no measurement yet"
    rate = "" if totals.rate_hz is None else f"  {totals.rate_hz:.1f}/s"
    return f"{totals.voltage_v:.3f} V  {totals.current_a:.3f} A  {totals.power_w:.3f} W  {totals.energy_j:.1f} J{rate}"


def _say_kept(totals: "Totals | None", out: Path) -> None:
    if totals is not None:
        console.say(f"{totals.rows} measurements until then are kept in {out}.")


def _show(recorder: "Recorder", source: "ReconnectingMeter", out: Path, json: bool) -> None:
    """What was recorded: one line, or one document."""
    totals, facts = recorder.totals, source.facts
    if totals is None:
        raise UsageError("No measurement came before the end.", "Record for longer than the meter's update period.")
    if json:
        console.show_json({"schema_version": 1, "path": str(out), "meter": vars(facts), "recorded": vars(totals)})
        return
    marked = ", EMULATED" if facts.emulated else ""
    console.show_text(
        f"{out}: {totals.rows} measurements in {totals.t_s:.1f} s, {totals.energy_j:.3f} J{marked}, {_holes(totals)}"
    )
    console.say(f"Next: groupnl power integrate {out}")


def _holes(totals: "Totals") -> str:
    return f"{totals.holes} holes of {totals.hole_s:.1f} s in all, not counted" if totals.holes else "no holes"
