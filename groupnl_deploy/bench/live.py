"""The bar of a running benchmark: its phase, and with a meter volts, watts and joules twice a second.

The device says nothing inside the steady window, so a thread moves the bar. On the device `local` it takes from what is
measured: two redraws a second, as cheap as the bar's own.
"""

import threading
import time
from types import TracebackType
from typing import Self

from device_agent.messages.bench import PHASES, Phase, PhaseMark, Progress
from device_agent.settings import Workload
from groupnl_deploy.bench.result import BenchMessage
from groupnl_deploy.progress import Task
from power.recorder import Recorder
from power.running import Totals

_EVERY_S = 0.5


def power_text(totals: Totals | None, emulated: bool) -> str:
    """What a recording amounts to so far, in few words; an emulated meter says so."""
    mark = " EMULATED" if emulated else ""
    if totals is None:
        return f"no measurement yet{mark}"
    return f"{totals.voltage_v:.2f} V  {totals.power_w:.3f} W  {totals.energy_j:.1f} J{mark}"


def phase_starts(workload: Workload) -> dict[Phase, float]:
    """When each phase should begin, in seconds after the first that is not a cool-down; short ones take no time."""
    lengths: dict[Phase, float] = {"idle_before": workload.idle_s, "warmup": workload.warmup_s}
    lengths |= {"steady": workload.min_seconds, "idle_after": workload.idle_s}
    order: tuple[Phase, ...] = (*PHASES, "profile")
    starts: dict[Phase, float] = {"cooldown": 0.0}
    for number, phase in enumerate(order):
        starts[phase] = sum(lengths.get(one, 0.0) for one in order[:number])
    return starts


class LiveBar:
    """A context manager: while its block runs the bar moves. `watch` hears every message of the benchmark."""

    def __init__(self, task: Task, workload: Workload) -> None:
        self._task, self._starts = task, phase_starts(workload)
        self._total_s = max(self._starts["profile"], 1e-9)
        self._recorder: Recorder | None = None
        self._phase: Phase | None = None
        self._phase_s = 0.0
        self._words = ""
        self._lock, self._halt = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._move, name="live-bar", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._halt.set()
        self._thread.join()

    def metered(self, recorder: Recorder) -> None:
        """From now on the bar shows what this one records."""
        self._recorder = recorder

    def watch(self, message: BenchMessage) -> None:
        """Show the phase that begins, or the image that is checked."""
        if isinstance(message, PhaseMark):
            with self._lock:
                self._phase, self._phase_s = message.phase, time.monotonic()
                self._words = message.phase.replace("_", " ")
            self._show()
        elif isinstance(message, Progress):
            self._words = f"check, image {message.done} of {message.total}"
            self._show()

    def _move(self) -> None:
        while not self._halt.wait(_EVERY_S):
            self._show()

    def _show(self) -> None:
        with self._lock:
            if self._phase is None:
                return
            order = list(self._starts)
            later = [self._starts[one] for one in order[order.index(self._phase) + 1 :]]
            elapsed_s = self._starts[self._phase] + time.monotonic() - self._phase_s
            done_s = min(elapsed_s, later[0] if later else self._total_s)
            recorder = self._recorder
            power = "" if recorder is None else f", {power_text(recorder.totals, recorder.facts.emulated is not False)}"
            self._task(done_s, self._total_s, f"{self._words}{power}")
