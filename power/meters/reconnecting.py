"""A meter that comes back: unplugged and plugged in again, it is opened anew and the recording goes on."""

import time
from collections.abc import Callable
from dataclasses import replace

from power.errors import AnotherMeter, MeterProtocolError, MeterUnreachable
from power.meters.base import Measurement, Meter
from power.meters.same_device import another_meter, require_same_serial_number
from power.patience import REPLUG_PATIENCE_S
from power.trace import MeterFacts

RETRY_S = 0.25


class ReconnectingMeter(Meter):
    """Stands between a recorder and a meter whose cable may be pulled.

    While the meter is gone its replies are empty, so that the hole shows in the recording; after `patience_s`
    seconds the error that took it away is raised, or `AnotherMeter` where another came in its place, to which
    nothing is sent. A meter that has never given a measurement is not waited for. Raises what `open_meter` raises when
    the first opening fails.
    """

    def __init__(self, open_meter: Callable[[], Meter], patience_s: float = REPLUG_PATIENCE_S) -> None:
        self._open_meter = open_meter
        self._patience_s = patience_s
        self._meter: Meter | None = open_meter()
        self._facts = self._meter.facts
        self._serial_number = self._meter.serial_number
        self._answered = False
        self._lost_s = 0.0
        self._tried_s = 0.0
        self._problem: MeterUnreachable | MeterProtocolError | None = None

    @property
    def facts(self) -> MeterFacts:
        """Those of the meter as it was first opened, and whether it has been seen to renew too fast."""
        if self._meter is not None and self._meter.facts.renews_too_fast:
            self._facts = replace(self._facts, renews_too_fast=True)
        return self._facts

    @property
    def serial_number(self) -> str | None:
        """That of the meter as far as it was ever told."""
        return self._serial_number

    @property
    def missing_s(self) -> float:
        """For how many seconds the meter has been gone; 0 while it answers."""
        return 0.0 if self._problem is None else time.monotonic() - self._lost_s

    @property
    def problem(self) -> MeterUnreachable | MeterProtocolError | None:
        """What took the meter away; None while it answers."""
        return self._problem

    def read(self) -> tuple[Measurement, ...]:
        """The meter's reply, or an empty one while it is gone."""
        try:
            meter = self._meter or self._reopened()
            reply = meter.read()
        except (MeterUnreachable, MeterProtocolError) as error:
            self._lose(error)
            return ()
        self._meter = meter
        if reply:
            self._problem, self._answered = None, True
        elif self._problem is not None and self.missing_s > self._patience_s:
            raise self._problem  # it can be opened, and has nothing to give
        return reply

    def close(self) -> None:
        """Give the device back; harmless when called again."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None

    def _lose(self, error: MeterUnreachable | MeterProtocolError) -> None:
        self.close()
        if self._problem is None:
            self._lost_s, self._problem = time.monotonic(), error
        elif isinstance(error, AnotherMeter):
            self._problem = error
        if not self._answered or self.missing_s > self._patience_s:
            raise self._problem

    def _reopened(self) -> Meter:
        # The port appears before the meter answers on it, and a poll must not become a storm of openings.
        time.sleep(max(0.0, self._tried_s + RETRY_S - time.monotonic()))
        self._tried_s = time.monotonic()
        meter = self._open_meter()
        try:
            self._require_same(meter)
        except AnotherMeter:
            meter.close()
            raise
        self._meter = meter
        return meter

    def _require_same(self, meter: Meter) -> None:
        port = meter.facts.port
        if replace(meter.facts, port=self._facts.port, renews_too_fast=self._facts.renews_too_fast) != self._facts:
            raise another_meter(port)
        require_same_serial_number(port, self._serial_number, meter.serial_number)
        self._serial_number = self._serial_number or meter.serial_number
