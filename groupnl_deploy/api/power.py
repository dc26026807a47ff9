"""The meter alone: what a block of Python took."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.recording import recording
from groupnl_deploy.progress import Say
from groupnl_deploy.report.energy_table import Integrated
from groupnl_deploy.report.integrate import integrate
from power.integration import IntegrationMethod
from power.recorder import Recorder


@dataclass(frozen=True)
class Recorded:
    """A recording that grows while its block runs, and stays in `file`."""

    file: Path
    recorder: Recorder

    def __str__(self) -> str:
        totals, facts = self.recorder.totals, self.recorder.facts
        if totals is None:
            return f"{self.file}: no measurement yet"
        marked = ", EMULATED" if facts.emulated else ""
        return f"{self.file}: {totals.rows} measurements in {totals.t_s:.1f} s, {totals.energy_j:.3f} J{marked}"

    __repr__ = __str__


def _unheard(text: str) -> None:
    """Nobody listens."""


@contextlib.contextmanager
def record_power(
    out: Path | str, meter: str = "km003c", port: str | None = None, *, sign: int = 1, say: Say = _unheard
) -> Iterator[Recorded]:
    """Record a meter into a CSV file while the block runs.

    Args:
        out: the file to write; it must not exist.
        meter: a word of `groupnl power list`.
        port: where it is; "emulator" starts the emulated one, whose numbers are marked.
        sign: -1 where the meter is plugged in the other way round.
        say: told what the meter remarks.

    Raises the meter's `PowerError`, at the end of the block where the meter is away then.
    """
    with recording(MeterPlan(meter, port, sign), Path(out), say) as running:
        yield Recorded(Path(out), running.recorder)
        running.recorder.stop()
    if running.source.problem is not None:
        raise running.source.problem


def integrate_power(
    recorded: Recorded | Path | str,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    idle_s: tuple[float, float] | None = None,
    method: IntegrationMethod | None = None,
    max_gap_s: float | None = None,
) -> Integrated:
    """Joules of a window of a recording, and net of an idle window where one is given.

    Args:
        recorded: a recording, or the CSV file of one.
        start_s: of the window, in seconds of the recording; None is its beginning.
        end_s: its end; None is as near to the last row as the error can be told.
        idle_s: start and end of a window without load.
        method: the rule; None is what fits the meter.
        max_gap_s: the longest wait between two rows; None is three update periods.

    Raises `WindowNotCovered`, `SampleGap` and the other errors of `groupnl power integrate`.
    """
    file = recorded.file if isinstance(recorded, Recorded) else Path(recorded)
    return integrate(file, (start_s, end_s), idle_s, method, max_gap_s)
