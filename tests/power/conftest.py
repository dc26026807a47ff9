"""Traces made by hand, for every test of this folder."""

from collections.abc import Callable, Sequence

import pytest

from power.trace import Averaging, MeterFacts, PowerTrace

MakeTrace = Callable[..., PowerTrace]


@pytest.fixture(scope="session")
def make_trace() -> MakeTrace:
    """Build a trace of the given powers: at a constant voltage, so that the current carries the power."""

    def make(
        t_s: Sequence[float],
        power_w: Sequence[float],
        *,
        voltage_v: float = 1.0,
        update_period_s: float | None = 0.5,
        emulated: bool | None = False,
        sign: int = 1,
        averaging: Averaging = "instant",
    ) -> PowerTrace:
        facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", emulated, sign, "vbus/ibus", update_period_s, averaging)
        current_a = [power / voltage_v for power in power_w]
        return PowerTrace(facts, 100.0, "2026-01-02T03:04:05+00:00", t_s, [voltage_v] * len(t_s), current_a)

    return make
