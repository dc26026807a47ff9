"""A recording with all that is drawn of it: the run that it lies in, of `bench` or of `power run`, and its marks."""

import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.words import harmless

if TYPE_CHECKING:
    from groupnl_deploy.power_run.energy import CommandEnergy
    from groupnl_deploy.report.phases import PhaseTime
    from groupnl_deploy.report.recordings import DrawnRecording
    from power.integration import IntegrationMethod
    from power.reading.asked import Asked
    from power.trace import PowerTrace

_LONGEST_COMMAND = 70  # letters of a title


def names_of(recordings: Sequence[Path]) -> list[str]:
    """What tells recordings apart: a run's folder, a file's name, or else the path as it is given."""
    short = [path.resolve().parent.name if _is_of_a_run(path) else path.name for path in recordings]
    return [name if short.count(name) == 1 else str(path) for name, path in zip(short, recordings, strict=True)]


def drawn_recording(
    recording: Path, name: str, run: Path | None, rule: "IntegrationMethod | None", asked: "Asked"
) -> "DrawnRecording":
    """One recording, with the phases of `run` or else of the run that it lies in.

    Raises `UsageError` for a run of another time, `VerificationFailed` for a damaged one, and the reader's errors.
    """
    from groupnl_deploy.power_run.record import COMMAND_FILE
    from groupnl_deploy.report.recordings import DrawnRecording
    from groupnl_deploy.workspace import RUN_FILE
    from power.energy import EnergyIndex
    from power.marks import read_marks
    from power.trace_io import read_csv

    marks = read_marks(recording)
    if run is not None or _lies_beside(recording, RUN_FILE):
        return _of_bench(recording, name, run, rule, asked)
    if _lies_beside(recording, COMMAND_FILE):
        return _of_command(recording, name, rule, asked)
    return DrawnRecording(name, EnergyIndex(read_csv(recording, asked), method=rule), marks=marks)


def _lies_beside(recording: Path, record: str) -> bool:
    from groupnl_deploy.workspace import POWER_FILE

    return recording.name == POWER_FILE and (recording.parent / record).is_file()


def _is_of_a_run(recording: Path) -> bool:
    from groupnl_deploy.power_run.record import COMMAND_FILE
    from groupnl_deploy.workspace import RUN_FILE

    return _lies_beside(recording, RUN_FILE) or _lies_beside(recording, COMMAND_FILE)


def _of_bench(
    recording: Path, name: str, run: Path | None, rule: "IntegrationMethod | None", asked: "Asked"
) -> "DrawnRecording":
    from groupnl_deploy.bench.run import load_run
    from groupnl_deploy.report.phases import run_phases
    from groupnl_deploy.report.recordings import DrawnRecording
    from groupnl_deploy.report.row import build_row
    from groupnl_deploy.report.run_caption import run_caption, run_title
    from power.energy import EnergyIndex
    from power.marks import read_marks
    from power.trace_io import read_csv

    folder = (run or recording.parent).resolve()
    bench_run, its_own = load_run(folder)
    if run is None and its_own is None:  # it was measured without a meter, and the recording is another's
        return DrawnRecording(name, EnergyIndex(read_csv(recording, asked), method=rule), marks=read_marks(recording))
    if run is None and its_own is not None:
        _require_nothing_asked(recording, asked)
        trace = its_own
    else:
        trace = read_csv(recording, asked)
    problems = build_row(bench_run, its_own, folder.name).problems
    phases = run_phases(bench_run, trace)
    if not phases:
        raise UsageError(
            f"The run in {run or recording.parent} and the recording {recording} have no moment in common.",
            "Name the run that this recording was made in, or leave --run out.",
        )
    row = build_row(bench_run, trace, folder.name)
    return DrawnRecording(
        name=name,
        index=EnergyIndex(trace, method=rule),
        phases=phases,
        marks=read_marks(recording),
        problems=problems,
        title=run_title(row),
        about=run_caption(row),
    )


def _require_nothing_asked(recording: Path, asked: "Asked") -> None:
    """A run's record has joules of the recording as it is, and stands on the same picture."""
    from power.reading.asked import NOTHING

    if replace(asked, allow_implausible=False) != NOTHING:
        raise UsageError(
            f"{recording} is of a run, whose record says how it was measured.",
            "Leave out what you say of the file, or copy it out of the run's folder, and draw the copy.",
        )


def _of_command(recording: Path, name: str, rule: "IntegrationMethod | None", asked: "Asked") -> "DrawnRecording":
    """That of `power run`: why it is invalid goes with it, into every picture."""
    from groupnl_deploy.power_run.record import read_command
    from groupnl_deploy.report.recordings import DrawnRecording
    from power.energy import EnergyIndex
    from power.marks import read_marks
    from power.trace_io import read_csv

    _require_nothing_asked(recording, asked)
    record = read_command(recording.parent)
    for file in record.files:
        if file.name == recording.name and (damage := file.damage(recording.parent)) is not None:
            raise VerificationFailed(damage, "Measure the command again.")
    trace = read_csv(recording)
    words = textwrap.shorten(shlex.join(record.command), _LONGEST_COMMAND, placeholder=" …")
    return DrawnRecording(
        name=name,
        index=EnergyIndex(trace, method=rule),
        phases=() if record.host is None else _command_phases(record.host.start_s, record.host.end_s, trace),
        marks=read_marks(recording),
        problems=record.problems,
        title=harmless(f"{words} on {record.device or 'this machine'}"),
        about="" if record.energy is None else _joules(record.energy),
    )


def _command_phases(start_s: float, end_s: float, trace: "PowerTrace") -> tuple["PhaseTime", ...]:
    from groupnl_deploy.report.phases import PhaseTime

    edges_s = (float(trace.t_s[0]), start_s - trace.t0_s, end_s - trace.t0_s, float(trace.t_s[-1]))
    names = ("idle_before", "command", "idle_after")
    return tuple(PhaseTime(name, *edges_s[place : place + 2]) for place, name in enumerate(names))


def _joules(energy: "CommandEnergy") -> str:
    """What it took, as its own line says it."""
    star = "*" if energy.emulated is not False else ""
    known = "error not known" if energy.net_error_j is None else f"net wrong by up to {energy.net_error_j:.3g} J"
    return (
        f"The command: {energy.duration_s:.3f} s, {energy.gross_j:.4g}{star} J gross, {energy.net_j:.4g}{star} J net "
        f"of {energy.idle_power_w:.4g} W idle; {known}."
    )
