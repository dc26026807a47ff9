"""One run of a command: recorded with an idle window before and after, and kept in a folder."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from groupnl_deploy.bench.meter import renewal_warning
from groupnl_deploy.bench.recording import Recording, recording
from groupnl_deploy.bench.run import now_utc
from groupnl_deploy.errors import DeviceUnreachable, GroupNLError
from groupnl_deploy.interrupt import POLITE_ENDS
from groupnl_deploy.power_run.child import Outputs
from groupnl_deploy.power_run.commands import KILL_PATIENCE_S, Command, MakeCommand
from groupnl_deploy.power_run.energy import margin_s
from groupnl_deploy.power_run.outcome import Course, RunPlan, record_of
from groupnl_deploy.power_run.record import CommandRecord, write_command
from groupnl_deploy.progress import Reporter
from groupnl_deploy.report.energy_table import enough_s
from groupnl_deploy.workspace import POWER_FILE
from power.errors import PowerError, WindowNotCovered

_LOOK_EVERY_S = 0.1
_REFRESH_S = 0.25
_FIRST_ROW_S, _LAST_ROW_S = 15.0, 10.0
_POLITE_S = 10.0  # a command that was told to end, and does not, is killed


@dataclass
class Measured:
    """One run as far as it came: what is kept of it, and what ended it early, to be raised once that was shown."""

    record: CommandRecord
    error: BaseException | None = None


def measure_command(plan: RunPlan, make: MakeCommand, outputs: Outputs, reporter: Reporter) -> Measured:
    """Record, idle, run the command, idle again; all of it stays in `outputs.folder`, which is there and empty.

    What fails before the command begins is raised. What fails later is in the answer, whose record then has no joules
    and says why.
    """
    course: Course | None = None
    error: BaseException | None = None
    try:
        with (
            recording(plan.meter, outputs.folder / POWER_FILE, reporter.note) as running,
            make(outputs) as command,
        ):
            course = Course(running.recorder.facts, running.recorder.trace_so_far().t0_s)
            watched = _Watched(running, reporter, renewal_warning(running.recorder, reporter.note))
            _idle_before(plan, watched, command)
            _run(watched, command, course)
            _idle_after(plan, watched, course)
    except (PowerError, GroupNLError, KeyboardInterrupt) as stopped:
        if course is None or not course.began_at:
            raise
        error = stopped
    record = record_of(plan, outputs.folder, course, error)
    try:
        write_command(outputs.folder, record)
    except GroupNLError as refused:  # its joules are shown all the same
        error = error or refused
    return Measured(record, error)


@dataclass(frozen=True)
class _Watched:
    """A recording that grows, who is told of it, and what tells once of a meter that is too fast."""

    running: Recording
    reporter: Reporter
    warn: Callable[[], None]


def _idle_before(plan: RunPlan, watched: _Watched, command: Command) -> None:
    recorder, deadline_s = watched.running.recorder, time.monotonic() + _FIRST_ROW_S
    while recorder.totals is None:
        recorder.wait(_LOOK_EVERY_S)
        if time.monotonic() > deadline_s:
            raise WindowNotCovered(f"The meter gave nothing for {_FIRST_ROW_S:g} s.", "See to the meter and its port.")
    command.prepare()
    _wait(watched, time.monotonic() + plan.idle_s + 2 * margin_s(recorder.facts), "idle before")
    if (problem := watched.running.source.problem) is not None:  # its joules would be wanting
        raise problem
    command.require_ready()


def _idle_after(plan: RunPlan, watched: _Watched, course: Course) -> None:
    assert course.ended is not None
    running, facts = watched.running, watched.running.recorder.facts
    running.recorder.raise_failure()
    until_s = course.ended.end_s + margin_s(facts) + plan.idle_s + enough_s(facts)
    _wait(watched, until_s, "idle after")
    if running.source.problem is not None:
        raise running.source.problem
    running.recorder.wait_until_covered(until_s, _LAST_ROW_S)
    running.recorder.stop()
    course.facts = running.recorder.facts


def _wait(watched: _Watched, until_s: float, name: str) -> None:
    """Let the recording go on. Raises what ends it."""
    began_s, recorder = time.monotonic(), watched.running.recorder
    with watched.reporter.task(f"{name}, {until_s - began_s:.0f} s") as task:
        while (left_s := until_s - time.monotonic()) > 0:
            recorder.wait(min(_REFRESH_S, left_s))
            watched.warn()
            totals = recorder.totals
            task(time.monotonic() - began_s, until_s - began_s, "" if totals is None else f"{totals.power_w:.3f} W")


def _run(watched: _Watched, command: Command, course: Course) -> None:
    """From its first moment to its last, whatever the meter does meanwhile: it is the user's."""
    with _heard() as signals:
        watched.running.enter_phase("steady")
        course.began_at = now_utc()
        try:
            command.start()
        except BaseException:
            course.began_at = ""
            raise
        with command.with_terminal():
            _follow(watched, command, signals, course)
        watched.running.enter_phase("idle_after")
    try:
        course.ended = command.settle()
    except DeviceUnreachable as error:
        course.failures.append(error.message)
        raise
    if set(signals) & set(POLITE_ENDS):
        raise KeyboardInterrupt


def _follow(watched: _Watched, command: Command, signals: list[int], course: Course) -> None:
    """Until it ends. Signals are passed on; a meter that fails is told of at once."""
    passed_on, kill_at_s = 0, float("inf")
    while not command.ended(_LOOK_EVERY_S):
        while passed_on < len(signals):
            command.send(signals[passed_on])
            if signals[passed_on] in POLITE_ENDS:
                kill_at_s = min(kill_at_s, time.monotonic() + _POLITE_S)
            passed_on += 1
        if time.monotonic() > kill_at_s:
            command.send(signal.SIGKILL)
            command.ended(KILL_PATIENCE_S)
            return
        watched.warn()
        if not course.failures:
            _note_failure(watched, course)


def _note_failure(watched: _Watched, course: Course) -> None:
    try:
        watched.running.recorder.raise_failure()
    except PowerError as error:
        course.failures.append(error.message)
        watched.reporter.note(f"{error.message} The command goes on, without its joules.")


@contextmanager
def _heard() -> Iterator[list[int]]:
    """In the block Ctrl-C and polite ends are noted, and end nothing; those that are ignored stay so."""
    heard: list[int] = []
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, *POLITE_ENDS)}
    heeded = [number for number, handler in previous.items() if handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, lambda number, frame: heard.append(number))
    try:
        yield heard
    finally:
        for number in heeded:
            signal.signal(number, previous[number])
