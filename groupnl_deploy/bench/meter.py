"""The meter of a run: opened, drained on a thread, and, when it is the emulator, loaded phase by phase."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device_agent.messages.bench import Phase
from groupnl_deploy.errors import InvalidSetting, UsageError
from groupnl_deploy.words import EMULATOR_PORT, known_word, misspells
from power import renewal
from power.meters import METERS, open_meter
from power.meters.base import Meter
from power.meters.km003c.emulator import Km003cEmulator
from power.recorder import Recorder

EMULATED_METER = "km003c"
RECORDED_METER = "replay"
_IDLE: tuple[Phase, ...] = ("cooldown", "idle_before", "idle_after")
_LARGEST_V_OR_A = 48.0  # volts, the most that USB PD 3.1 supplies; a board takes less, and fewer amperes


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
        if not all(0 <= value <= _LARGEST_V_OR_A for value in (self.voltage_v, self.idle_a, self.busy_a)):
            wrong = next(name for name, value in vars(self).items() if not 0 <= value <= _LARGEST_V_OR_A)
            raise InvalidSetting(
                "The emulated load is not between 0 and 48 V and A.", "Use a board's volts and amperes.", wrong
            )

    def current_a(self, phase: Phase) -> float:
        """Amperes in a phase."""
        return self.idle_a if phase in _IDLE else self.busy_a


@dataclass(frozen=True)
class MeterPlan:
    """Which meter, where. The port `emulator` starts the project's own on a pseudo-terminal; None finds the meter.

    `rate_hz` asks a meter that can be told for that many measurements a second; `allow_implausible` plays a recording
    of what no board takes.
    """

    meter: str
    port: str | None = None
    sign: int = 1
    load: EmulatedLoad = field(default_factory=EmulatedLoad)
    rate_hz: int | None = None
    allow_implausible: bool = False

    def __post_init__(self) -> None:
        if self.meter == EMULATOR_PORT:
            raise InvalidSetting(
                "The emulator is a port, not a meter.",
                f"Use {{meter}} {EMULATED_METER} with {{port}} {EMULATOR_PORT}.",
                "meter",
                "port",
            )
        known_word("meter", self.meter, METERS)
        if self.port is not None and misspells(self.port, EMULATOR_PORT):
            raise InvalidSetting(f"There is no port “{self.port}”.", f"Did you mean “{EMULATOR_PORT}”?", "port")
        if self.allow_implausible and self.meter != RECORDED_METER:
            raise UsageError(
                f"--allow-implausible is for a file that is read, and the meter is {self.meter}.",
                f"Leave it out, or use --meter {RECORDED_METER} --port FILE.csv.",
            )
        if self.sign not in (1, -1):
            raise InvalidSetting(
                f"The sign of the current is {self.sign}.", "Use 1, or -1 for a meter plugged in the other way.", "sign"
            )
        if self.port == EMULATOR_PORT and self.meter != EMULATED_METER:
            raise InvalidSetting(
                f"The port {EMULATOR_PORT} is for {EMULATED_METER}, and the meter is {self.meter}.",
                f"Use {{meter}} {EMULATED_METER} to try it without hardware.",
                "port",
                "meter",
            )

    def require_live(self) -> None:
        """Raise `UsageError` for a recording: its joules were another run's, whatever they were measured by."""
        if self.meter == RECORDED_METER:
            raise InvalidSetting(
                f"The meter {self.meter} plays back a recording, which did not see this run.",
                "Use a meter that measures now; a recording's joules are had with groupnl power integrate.",
                "meter",
            )

    def open(self, port: str | None) -> Meter:
        """The meter itself, on `port`."""
        options: dict[str, Any] = {} if self.rate_hz is None else {"rate_hz": self.rate_hz}
        if self.allow_implausible:
            options["allow_implausible"] = True
        return open_meter(self.meter, port, self.sign, **options)


def meter_plan(meter: str | None, port: str | None, sign: int, rate_hz: int | None = None) -> MeterPlan | None:
    """The plan that the options name, None without a meter. Raises `UsageError` for a port or rate of no meter."""
    if meter is not None:
        return MeterPlan(meter, port, sign, rate_hz=rate_hz)
    if port is None and rate_hz is None and sign == 1:
        return None
    raise UsageError(
        "--port, --sign and --meter-rate need --meter.",
        "For example: --meter km003c --port /dev/ttyACM0, or --port emulator to try it without one.",
    )


@contextlib.contextmanager
def meter_port(plan: MeterPlan) -> Iterator[tuple[str | None, Km003cEmulator | None]]:
    """The port to open, with the emulator behind it where the plan asks for one."""
    if plan.port != EMULATOR_PORT:
        yield plan.port, None
        return
    with Km003cEmulator(plan.load.voltage_v, plan.load.idle_a) as emulator:
        yield emulator.port, emulator


@dataclass(frozen=True)
class Metering:
    """A recording in progress; `enter_phase` must be told each phase as it begins."""

    recorder: Recorder
    enter_phase: Callable[[Phase], None]


@contextlib.contextmanager
def _answering(plan: MeterPlan) -> Iterator[tuple[Meter, Km003cEmulator | None]]:
    """The meter, open, after a first reading: a silent or wrong device must show now, not after the benchmark."""
    with meter_port(plan) as (port, emulator), plan.open(port) as meter:
        meter.read()
        yield meter, emulator


def require_answer(plan: MeterPlan) -> None:
    """Open the meter as a benchmark does, read it once and close it. Raises the meter's `PowerError`."""
    with _answering(plan):
        pass


@contextlib.contextmanager
def start_metering(plan: MeterPlan, recording: Path | None = None) -> Iterator[Metering]:
    """Open the meter and record until the block ends, into `recording` too, which must not exist yet.

    Raises the meter's `PowerError`, or that of what is asked of the recorder.
    """
    with _answering(plan) as (meter, emulator), Recorder(meter, csv_path=recording) as recorder:
        yield Metering(recorder, phase_stepper(emulator, plan.load))


def renewal_warning(recorder: Recorder, note: Callable[[str], None]) -> Callable[[], None]:
    """To be called now and then while it records: tells once of a meter that renews too fast."""
    told = False

    def warn() -> None:
        nonlocal told
        if recorder.facts.renews_too_fast and not told:
            told = True
            note(renewal.verdict(recorder.facts))

    return warn


def phase_stepper(emulator: Km003cEmulator | None, load: EmulatedLoad) -> Callable[[Phase], None]:
    """To be told each phase as it begins: steps the emulated load, where there is one."""
    if emulator is None:
        return _ignore

    def step(phase: Phase) -> None:
        emulator.set_load(load.voltage_v, load.current_a(phase))

    return step


def _ignore(phase: Phase) -> None:
    """A real board draws what it draws."""
