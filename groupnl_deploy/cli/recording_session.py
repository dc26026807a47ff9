"""A meter that is recorded or watched until its end: by Ctrl-C, after a time, or where a replayed recording ends."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import counted

if TYPE_CHECKING:
    from groupnl_deploy.bench.recording import Recording
    from power.running import Totals

_REFRESH_S = 0.25


@dataclass(frozen=True)
class View:
    """What people see meanwhile: `show` is told the seconds since it began, `note` a line that stays."""

    show: Callable[[float], None]
    note: Callable[[str], None]


def require_patience(seconds: float) -> None:
    """Raise `UsageError` for seconds of waiting that are none."""
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"A patience of {seconds} s is none.", "Give --patience in seconds, 0 or more.")


def recorded(
    running: "Recording", out: Path | None, duration_s: float | None, view: AbstractContextManager[View]
) -> tuple[bool, "Totals | None"]:
    """Go on until the end; whether Ctrl-C came before the duration was over, and what it amounts to.

    The view is opened here: the recording has begun by then, and Ctrl-C ends it with what there is. Where the meter is
    away at the end, its absence is a hole of the totals. Raises what ended the recording.
    """
    from power.errors import TraceLost

    recorder, is_interrupted = running.recorder, False
    try:
        try:
            with view as shown:
                _look_on(running, duration_s, shown)
        except KeyboardInterrupt:
            is_interrupted = True
        ended_s = time.monotonic()
        recorder.stop()
    except TraceLost:
        raise
    except Exception:
        say_kept(recorder.totals, out)
        raise
    totals = recorder.totals
    if totals is not None and running.source.problem is not None:
        totals = _with_hole_at_the_end(totals, ended_s - recorder.trace_so_far().t0_s)
    return is_interrupted and duration_s is not None, totals


def _look_on(running: "Recording", duration_s: float | None, view: View) -> None:
    """Show it now and then, until the time is over or a replayed recording has ended."""
    from groupnl_deploy.bench.meter import renewal_warning

    began_s, recorder = time.monotonic(), running.recorder
    warn = renewal_warning(recorder, view.note)
    while (left_s := (duration_s or float("inf")) - (time.monotonic() - began_s)) > 0:
        has_ended = recorder.wait(min(_REFRESH_S, left_s))
        warn()
        if has_ended:
            return
        view.show(time.monotonic() - began_s)


def _with_hole_at_the_end(totals: "Totals", end_s: float) -> "Totals":
    """No measurement closes the stretch in which a meter is away at `end_s`, so no total has counted it."""
    return replace(totals, holes=totals.holes + 1, hole_s=totals.hole_s + max(0.0, end_s - totals.t_s))


def say_kept(totals: "Totals | None", out: Path | None) -> None:
    """How many measurements a file has that nothing more is written to."""
    if totals is not None and out is not None and out.is_file():
        verb = "is" if totals.rows == 1 else "are"
        console.say(f"{counted(totals.rows, 'measurement')} until then {verb} kept in {out}.")
