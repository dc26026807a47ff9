"""From what has happened to a command to the record of it: joules where there are any, else why there are none."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from groupnl_deploy.bench.check import Check
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.run import host_facts
from groupnl_deploy.bench.validity import problems as broken_rules
from groupnl_deploy.power_run.commands import Ended
from groupnl_deploy.power_run.energy import CommandEnergy, command_checks, command_energy, energy_notes
from groupnl_deploy.power_run.record import CommandRecord, HostTimes, digests
from groupnl_deploy.workspace import POWER_FILE
from power.energy import EnergyIndex
from power.errors import PowerError
from power.marks import Mark, add_mark
from power.trace import MeterFacts
from power.trace_io import read_csv

BEGINS, ENDS = "command begins", "command ends"
_STOPPED = "it was stopped before the idle window behind it was over"


@dataclass(frozen=True)
class RunPlan:
    """What is run where, and how it is measured. `device` is None for this machine."""

    command: tuple[str, ...]
    device: str | None
    meter: MeterPlan
    idle_s: float


@dataclass
class Course:
    """What has happened so far. `began_at` is empty until the command begins; `t0_s` is the recording's."""

    facts: MeterFacts
    t0_s: float
    began_at: str = ""
    ended: Ended | None = None
    failures: list[str] = field(default_factory=list)


def record_of(plan: RunPlan, folder: Path, course: Course, error: BaseException | None) -> CommandRecord:
    """The record of a command that has begun; `error` is what ended the course early."""
    ended, problems = course.ended, list(course.failures)
    if error is not None and not problems:
        problems.append(getattr(error, "message", _STOPPED))
    times = None if ended is None else _host_times(course, ended)
    if times is not None:
        _mark(folder / POWER_FILE, times, course.began_at)
    energy, checks = None, tuple[Check, ...]()
    if times is not None and ended is not None and error is None:
        try:
            energy = _energy(plan, folder, times, ended)
            checks = tuple(command_checks(energy, ended.device))
        except PowerError as refusal:
            problems.append(f"{refusal.message} {refusal.remedy}")
    problems += [*broken_rules(checks)]
    return CommandRecord(
        command=plan.command,
        device=plan.device,
        began_at=course.began_at,
        idle_s=plan.idle_s,
        exit_code=None if ended is None else ended.exit_code,
        host=times,
        clock=None if ended is None else ended.device,
        meter=course.facts,
        energy=energy,
        checks=checks,
        problems=tuple(problem.rstrip(".") for problem in problems),
        notes=tuple(_notes(energy, ended)),
        files=digests(folder),
        versions=host_facts(),
    )


def _host_times(course: Course, ended: Ended) -> HostTimes:
    return HostTimes(ended.start_s, ended.end_s, ended.start_s - course.t0_s, ended.end_s - course.t0_s)


def _energy(plan: RunPlan, folder: Path, times: HostTimes, ended: Ended) -> CommandEnergy:
    index = EnergyIndex(read_csv(folder / POWER_FILE))
    unsure_s = 0.0 if ended.device is None else ended.device.clock.uncertainty_s
    return command_energy(index, (times.recording_start_s, times.recording_end_s), plan.idle_s, unsure_s)


def _mark(recording: Path, times: HostTimes, began_at: str) -> None:
    """So that a picture of the recording shows it."""
    with suppress(PowerError):  # on a full disk the record still has the times
        began = datetime.fromisoformat(began_at)
        for at_s, label in ((times.recording_start_s, BEGINS), (times.recording_end_s, ENDS)):
            add_mark(recording, Mark(at_s, label), began + timedelta(seconds=at_s - times.recording_start_s))


def _notes(energy: CommandEnergy | None, ended: Ended | None) -> Iterator[str]:
    if energy is not None:
        yield from energy_notes(energy)
    if ended is not None and ended.left_running:
        yield "Something that it started still holds its output: what that takes is in the idle window behind it."
    if ended is not None and ended.output_problem is not None:
        yield f"Not all of its output could be kept: {(ended.output_problem.strerror or '').lower()}."
