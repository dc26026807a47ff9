"""The meter of a run: opened, drained on a thread, and, when it is the emulator, loaded phase by phase."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from device_agent.wire import Phase
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import known_word
from power.meters import METERS, open_meter
from power.meters.km003c.emulator import Km003cEmulator
from power.recorder import Recorder

EMULATOR_PORT = "emulator"
_IDLE: tuple[Phase, ...] = ("idle_before", "idle_after")


_LARGEST = 48.0


@dataclass(frozen=True)
class EmulatedLoad:
    """What the emulated meter shows: a board at `idle_a`, and at `busy_a` from the import to the last inference.

    The defaults are those of a Raspberry Pi 4B in published measurements, about 2.7 W and 6.2 W; they make the
    demo's joules plausible and known, and every result says that they are emulated.
    """

    voltage_v: float = 5.1
    idle_a: float = 0.53
    busy_a: float = 1.22

    def __post_init__(self) -> None:
        if not all(0 <= value <= _LARGEST for value in (self.voltage_v, self.idle_a, self.busy_a)):
            raise UsageError("The emulated load is not between 0 and 48 V and A.", "Use a board's volts and amperes.")

    def current_a(self, phase: Phase) -> float:
        """Amperes in a phase."""
        return self.idle_a if phase in _IDLE else self.busy_a


@dataclass(frozen=True)
class MeterPlan:
    """Which meter, where. The port `emulator` starts the project's own on a pseudo-terminal."""

    meter: str
    port: str
    sign: int = 1
    load: EmulatedLoad = field(default_factory=EmulatedLoad)

    def __post_init__(self) -> None:
        known_word("meter", self.meter, METERS)
        if self.sign not in (1, -1):
            raise UsageError(
                f"The sign of the current is {self.sign}.", "Use 1, or -1 for a meter plugged in the other way."
            )


def meter_plan(meter: str | None, port: str | None, sign: int) -> MeterPlan | None:
    """The plan that three options name, None without a meter. Raises `UsageError` for half of one."""
    if meter is None and port is None:
        return None
    if meter is None or port is None:
        raise UsageError(
            "A power meter needs both --meter and --port.",
            "For example: --meter km003c --port /dev/ttyACM0, or --port emulator to try it without one.",
        )
    return MeterPlan(meter, port, sign)


@dataclass(frozen=True)
class Metering:
    """A recording in progress; `enter_phase` must be told each phase as it begins."""

    recorder: Recorder
    enter_phase: Callable[[Phase], None]


@contextlib.contextmanager
def start_metering(plan: MeterPlan) -> Iterator[Metering]:
    """Open the meter and record until the block ends."""
    with contextlib.ExitStack() as stack:
        port = plan.port
        enter_phase: Callable[[Phase], None] = _ignore
        if plan.port == EMULATOR_PORT:
            emulator = stack.enter_context(Km003cEmulator(plan.load.voltage_v, plan.load.idle_a))
            port, enter_phase = emulator.port, _stepper(emulator, plan.load)
        meter = stack.enter_context(open_meter(plan.meter, port, plan.sign))
        meter.read()  # a silent or wrong device must show now, not after the benchmark
        yield Metering(stack.enter_context(Recorder(meter)), enter_phase)


def _stepper(emulator: Km003cEmulator, load: EmulatedLoad) -> Callable[[Phase], None]:
    def step(phase: Phase) -> None:
        emulator.set_load(load.voltage_v, load.current_a(phase))

    return step


def _ignore(phase: Phase) -> None:
    """A real board draws what it draws."""
