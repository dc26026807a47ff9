"""Drains a meter on a thread of its own and keeps every distinct measurement.

With `keep_rows=False` the rows go to the file alone and memory stays constant, however long the recording.
"""

import contextlib
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from power.errors import EndOfRecording, MeterSettingError, TraceNotWritten, WindowNotCovered
from power.host_sleep import SleepWatch
from power.meters.base import Measurement, Meter
from power.patience import POLL_HZ, NoReadingPatience
from power.renewal import RenewalWatch
from power.running import RunningTotals, Totals
from power.trace import MeterFacts, PowerTrace
from power.trace_io import TraceWriter

SLOWEST_HZ, FASTEST_HZ = 0.001, 1000.0


def is_repeat(reply: Measurement, kept: Measurement | None, update_period_s: float) -> bool:
    """Whether `reply` is the measurement `kept` once more.

    Equal numbers are a repeat only within one update period (seconds) of the kept row. Later they are a new
    measurement, so that a steady load is no hole: gaps in time come from unanswered polls alone.
    """
    return kept is not None and reply.identity == kept.identity and reply.t_s - kept.t_s < update_period_s


class Recorder:
    """Polls an open meter `poll_hz` times a second while its `with` block lasts; the meter stays the caller's.

    With `csv_path` each measurement is also written there as it comes. A failure, which is an error of the meter
    or `HostSlept`, ends the recording; `stop`, `raise_failure`, `wait` and `wait_until_covered` raise it, the rows of
    the CSV stay, and `trace_so_far` still gives those in memory. The end of a replayed recording is no failure, nor is
    a driver that has no reading for a moment (`power.patience`): it leaves a hole.
    A recorder is used once. `watch_sleep` begins to watch whether the host sleeps. `heard` is told the totals after
    each measurement, on the recorder's thread: it must return at once and raise nothing.
    """

    def __init__(
        self,
        meter: Meter,
        poll_hz: float = POLL_HZ,
        csv_path: Path | None = None,
        *,
        keep_rows: bool = True,
        watch_sleep: Callable[[], SleepWatch] = SleepWatch,
        heard: Callable[[Totals], None] | None = None,
    ) -> None:
        if not SLOWEST_HZ <= poll_hz <= FASTEST_HZ:
            raise MeterSettingError(
                f"A meter cannot be polled at {poll_hz} Hz.",
                f"Choose {SLOWEST_HZ:g} to {FASTEST_HZ:g}, usually 10 to 20.",
            )
        self._meter = meter
        self._poll_period_s = 1.0 / poll_hz
        # Where measurements were dated by other polls, as in a recording that is played, the meter says by which.
        poll_period_s = meter.facts.poll_period_s or self._poll_period_s
        self._facts = replace(meter.facts, poll_period_s=poll_period_s)
        self._csv_path = csv_path
        self._csv: TraceWriter | None = None
        self._t0_s = 0.0
        self._started_at = ""
        self._columns = (array("d"), array("d"), array("d")) if keep_rows else ()
        self._totals = RunningTotals(meter.facts)
        # The rows of a recording that is played came to no poll of ours, and it has been judged as a whole.
        self._renewal = None if meter.facts.poll_period_s else RenewalWatch(self._facts)
        self._latest: Measurement | None = None
        self._patience = NoReadingPatience()
        self._watch_sleep = watch_sleep
        self._heard = heard
        self._failure: Exception | None = None
        self._ended = False
        self._halt = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._drain, name="power-recorder", daemon=True)

    def __enter__(self) -> Self:
        self._t0_s = time.monotonic()
        self._sleep = self._watch_sleep()
        self._started_at = datetime.now(UTC).isoformat()
        if self._csv_path is not None:
            self._csv = TraceWriter(self._csv_path, self._facts, self._t0_s, self._started_at)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the recording. A failure that nobody has seen yet is raised, unless another is on its way."""
        if kind is not None:
            with contextlib.suppress(TraceNotWritten):  # the error on its way came first
                self._finish()
        elif not self._halt.is_set():
            self.stop()

    @property
    def facts(self) -> MeterFacts:
        """Those of the recording: the meter's, how often it is asked, and whether it renews too fast for that."""
        with self._changed:
            return self._facts

    @property
    def latest(self) -> Measurement | None:
        """The newest distinct measurement, or None before the first."""
        with self._changed:
            return self._latest

    @property
    def totals(self) -> Totals | None:
        """What the recording amounts to so far, or None before the first measurement."""
        with self._changed:
            return self._totals.now()

    def wait(self, seconds: float) -> bool:
        """Let the recording go on; True at once when a replayed recording has ended. Raises the failure, if any."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._ended, seconds)
            self.raise_failure()
            return self._ended

    def stop(self) -> PowerTrace:
        """End the recording and return all of it; may be called again."""
        self._finish()
        self.raise_failure()
        return self.trace_so_far()

    def raise_failure(self) -> None:
        """Raise what has ended the recording, if it was a failure."""
        with self._changed:
            if self._failure is not None:
                raise self._failure

    def trace_so_far(self) -> PowerTrace:
        """Return what was recorded, also where a failure has ended it since. Without kept rows it is empty."""
        with self._changed:
            t_s, voltage_v, current_a = (np.array(column) for column in self._columns or ((), (), ()))
        return PowerTrace(self._facts, self._t0_s, self._started_at, t_s, voltage_v, current_a)

    def wait_until_covered(self, monotonic_s: float, timeout_s: float) -> None:
        """Wait for a measurement at or after `monotonic_s` (`time.monotonic()`), so that a window can end there.

        Raises `WindowNotCovered` after `timeout_s` seconds, or the failure, if any.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._covers(monotonic_s), timeout_s)
            self.raise_failure()
            if not self._covers(monotonic_s):
                raise WindowNotCovered(
                    f"No measurement came within {timeout_s} s to close the window.",
                    "Allow at least two update periods of the meter, and wait before stopping the recorder.",
                )

    def _covers(self, monotonic_s: float) -> bool:
        return self._latest is not None and self._latest.t_s >= monotonic_s

    def _finish(self) -> None:
        self._halt.set()
        self._thread.join()
        if self._csv is not None:
            self._csv.close()

    def _drain(self) -> None:
        due_s = time.monotonic()
        try:
            while not self._halt.is_set():
                for measurement in self._poll():
                    self._keep(measurement)
                # Polls missed during a slow reply are dropped, not made up for in a burst.
                due_s = max(due_s + self._poll_period_s, time.monotonic())
                self._halt.wait(due_s - time.monotonic())
        except EndOfRecording:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
        except Exception as error:  # whoever waits for this thread must learn of any end of it
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _poll(self) -> tuple[Measurement, ...]:
        if self._renewal is not None:
            self._renewal.count_poll()
        try:
            return self._patience.read(self._meter.read)
        finally:  # what came during a sleep has no known instant, and the meter's error then is only its consequence
            self._sleep.require_awake()

    def _keep(self, reply: Measurement) -> None:
        if reply.t_s < self._t0_s:  # taken by a meter with a queue before the recording began
            return
        if is_repeat(reply, self._latest, self._meter.facts.update_period_s or 0.0):
            return
        row = (reply.t_s - self._t0_s, reply.voltage_v, reply.current_a)
        if self._csv is not None:
            self._csv.append(*row)
        with self._changed:
            for column, value in zip(self._columns, row, strict=False):  # no columns where no row is kept
                column.append(value)
            self._totals.add(row[0], reply)
            self._latest = reply
            self._judge_renewal(row[0], reply)
            self._changed.notify_all()
            totals = self._totals.now()
        if self._heard is not None and totals is not None:
            self._heard(totals)

    def _judge_renewal(self, t_s: float, reply: Measurement) -> None:
        if self._renewal is None or self._facts.renews_too_fast:
            return
        self._renewal.add(t_s, reply.identity)
        if self._renewal.too_fast or self._meter.facts.renews_too_fast:
            self._facts = replace(self._facts, renews_too_fast=True)
            if self._csv is not None:
                self._csv.restate(self._facts)
