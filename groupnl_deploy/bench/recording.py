"""A meter recorded into a file by itself, without a benchmark: it may be unplugged and come back."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from device_agent.messages.bench import Phase
from groupnl_deploy.bench.live_recordings import announced
from groupnl_deploy.bench.meter import MeterPlan, meter_port, phase_stepper
from groupnl_deploy.progress import Say
from groupnl_deploy.workspace import disk_errors, require_absent
from power.marks import marks_path
from power.meters.base import Meter
from power.meters.reconnecting import ReconnectingMeter
from power.patience import POLL_HZ, REPLUG_PATIENCE_S
from power.recorder import Recorder
from power.running import Totals


@dataclass(frozen=True)
class Recording:
    """A recording in progress: who writes it, and the meter that may come and go.

    `enter_phase` tells the emulated meter, where it is one, what its board does from now on.
    """

    recorder: Recorder
    source: ReconnectingMeter
    enter_phase: Callable[[Phase], None]


@contextlib.contextmanager
def recording(
    plan: MeterPlan,
    out: Path | None,
    say: Say,
    poll_hz: float = POLL_HZ,
    patience_s: float = REPLUG_PATIENCE_S,
    heard: Callable[[Totals], None] | None = None,
) -> Iterator[Recording]:
    """Record into `out`, which must not exist yet, until the block ends; into no file where it is None.

    The meter's remarks go to `say`, and the totals after each measurement to `heard`, on the recorder's thread.
    Others can mark a file meanwhile (`live_recordings`). Raises `UsageError` for a file that cannot be made, and the
    meter's `PowerError`.
    """
    if out is not None:
        _require_place(out)
    with contextlib.ExitStack() as stack:
        port, emulator = stack.enter_context(meter_port(plan))
        source = stack.enter_context(ReconnectingMeter(_opener(plan, port, say), patience_s))
        if out is not None:
            stack.enter_context(_marks_with_rows(out))
        recorder = stack.enter_context(Recorder(source, poll_hz, out, keep_rows=False, heard=heard))
        if out is not None:
            stack.enter_context(announced(out, recorder.trace_so_far().t0_s, say))
        yield Recording(recorder, source, phase_stepper(emulator, plan.load))


def _require_place(out: Path) -> None:
    require_absent(out)
    require_absent(marks_path(out))
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _marks_with_rows(out: Path) -> Iterator[None]:
    """A recording that ends without a row leaves no file, so its marks are of nothing."""
    try:
        yield
    finally:
        if not out.exists():
            marks_path(out).unlink(missing_ok=True)


def _opener(plan: MeterPlan, port: str | None, say: Say) -> Callable[[], Meter]:
    """Opens the meter anew each time: the one found first, not another one that is plugged in later."""
    found = port

    def open_again() -> Meter:
        nonlocal found
        meter = plan.open(found)
        found = meter.facts.port
        for remark in meter.remarks:
            say(remark)
        return meter

    return open_again
