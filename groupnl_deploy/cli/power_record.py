"""`groupnl power record`: every measurement of a meter into a file, as it comes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import (
    AllowImplausible,
    Duration,
    Json,
    MeterName,
    MeterPort,
    MeterRate,
    MeterSign,
    require_duration,
)
from groupnl_deploy.cli.recording_session import (
    View,
    recorded,
    require_patience,
    say_kept,
)
from groupnl_deploy.errors import GroupNLError, MeasurementInvalid, UsageError
from groupnl_deploy.words import command_line, counted
from power.patience import POLL_HZ, REPLUG_PATIENCE_S

if TYPE_CHECKING:
    from groupnl_deploy.bench.recording import Recording
    from power.running import Totals
    from power.trace import MeterFacts

_FEW_ROWS = 20


@guarded
def record(
    meter: MeterName,
    out: Annotated[Path, typer.Option("--out", help="The CSV file to write; it must not exist yet.")],
    port: MeterPort = None,
    duration: Duration = None,
    poll_hz: Annotated[float, typer.Option(help="Questions a second; answers that repeat are no rows.")] = POLL_HZ,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for a meter that was unplugged.")
    ] = REPLUG_PATIENCE_S,
    allow_implausible: AllowImplausible = False,
    json: Json = False,
) -> None:
    """Record a meter into a CSV file, one row a measurement, with V, A, W and J shown while it grows.

    Ctrl-C keeps what was recorded. A meter that is unplugged and comes back leaves a hole that shows; where it is
    still away at the end, that is an error, and what was recorded is kept. A meter that renews its values faster than
    it is asked is marked in file and result: its joules are not to be trusted.

    A recording that is too short to integrate is kept, and is an error (exit code 6). `groupnl power mark LABEL` in
    another shell marks an instant of it.

    Example: groupnl power record --meter km003c --port /dev/ttyACM0 --duration 60 --out trace.csv

    Example: groupnl power record --meter km003c --port emulator --duration 10 --out trace.csv
    """
    from groupnl_deploy.bench.meter import MeterPlan
    from groupnl_deploy.bench.recording import recording

    require_duration("A recording", duration)
    require_patience(patience)
    plan = MeterPlan(meter, port, sign, rate_hz=meter_rate, allow_implausible=allow_implausible)
    with recording(plan, out, console.say, poll_hz, patience) as running:
        recorder, source = running.recorder, running.source
        is_cut_short, totals = recorded(running, out, duration, _live_line(running, out, duration))
    if source.problem is not None:
        _show_incomplete(totals, recorder.facts, out, json)
        raise source.problem
    _show(totals, recorder.facts, out, json)
    if is_cut_short:
        raise GroupNLError(
            f"Stopped before the {duration:g} s were over.",
            f"What was measured until then is in {out}; record anew with another --out.",
        )
    _require_joules(totals, recorder.facts, out, allow_implausible)
    if not json:
        console.say(f"Next: {command_line('power', 'integrate', out)}")


def _say_if_short(facts: "MeterFacts", duration_s: float | None) -> None:
    from groupnl_deploy.report.energy_table import enough_s

    if duration_s is not None and facts.update_period_s and duration_s < enough_s(facts):
        console.say(
            f"{duration_s:g} s are short: joules whose error is known need {enough_s(facts):g} s of this meter, "
            f"which measures every {facts.update_period_s:g} s."
        )


def _require_joules(totals: "Totals | None", facts: "MeterFacts", out: Path, allow_implausible: bool) -> None:
    """Raise `MeasurementInvalid` for a recording that `integrate` would refuse as too short; say where it would doubt.

    Holes have been told, and long recordings are not read again.
    """
    from groupnl_deploy.report.energy_table import enough_s
    from groupnl_deploy.report.integrate import integrate
    from power.errors import PowerError, WindowNotCovered
    from power.reading.asked import Asked

    if totals is None or totals.rows > _FEW_ROWS or totals.holes:
        return
    longer = f"Record for {enough_s(facts):g} s at least" if facts.update_period_s else "Record for longer"
    try:
        error_j = integrate(
            out, (None, None), None, None, None, Asked(allow_implausible=allow_implausible)
        ).gross.edge_error_j
    except WindowNotCovered as error:
        raise MeasurementInvalid(
            f"The recording {out} is too short to integrate: it has {counted(totals.rows, 'measurement')}.",
            f"{longer}, with another --out.",
        ) from error
    except PowerError:  # of another kind, which `integrate` tells
        return
    if error_j is None and not facts.renews_too_fast:
        console.say(f"The recording is too short to know how wrong its joules may be. {longer}.")


@contextlib.contextmanager
def _live_line(running: "Recording", out: Path, duration_s: float | None) -> Iterator[View]:
    """The line that moves below the command, behind what is to be said before the time is spent."""
    _say_if_short(running.recorder.facts, duration_s)
    recorder, source, reporter = running.recorder, running.source, console.TerminalReporter()
    with reporter.task(f"record to {out}") as task:

        def show(elapsed_s: float) -> None:
            task(elapsed_s, duration_s, _live(recorder.totals, source.missing_s, recorder.facts))

        yield View(show, reporter.note)


def _live(totals: "Totals | None", missing_s: float, facts: "MeterFacts") -> str:
    from groupnl_deploy.bench.recording_words import figure_words, gone_words

    if gone := gone_words(missing_s):
        return f"{gone}, waiting for it"
    if totals is None:
        return "no measurement yet"
    rate = "" if totals.rate_hz is None else f"  {totals.rate_hz:.1f}/s"
    fast = "INVALID, renews too fast  " if facts.renews_too_fast else ""
    return f"{fast}{'  '.join(figure_words(totals, facts).values())}{rate}"


def _show_incomplete(totals: "Totals | None", facts: "MeterFacts", out: Path, json: bool) -> None:
    """What a meter gave that is away at the end."""
    if totals is not None:
        _show_totals(totals, facts, out, json)
    say_kept(totals, out)


def _show(totals: "Totals | None", facts: "MeterFacts", out: Path, json: bool) -> None:
    """What was recorded."""
    if totals is None:
        raise UsageError("No measurement came before the end.", "Record for longer than the meter's update period.")
    _show_totals(totals, facts, out, json)


def _show_totals(totals: "Totals", facts: "MeterFacts", out: Path, json: bool) -> None:
    """One line, or one document."""
    if json:
        console.show_json({"schema_version": 1, "path": str(out), "meter": vars(facts), "recorded": vars(totals)})
        return
    from groupnl_deploy.bench.recording_words import totals_words

    console.show_text(f"{out}: {totals_words(totals, facts)}")
