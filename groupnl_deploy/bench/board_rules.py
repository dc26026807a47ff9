"""Did the board run as it should while it was measured: at its clock, with its voltage, cool, and out of memory? Pure.

What the board does not tell makes no check: most machines that are no small board tell none of it.
"""

from collections.abc import Iterable, Iterator

from device_agent.messages.board import SINCE_BOOT, THROTTLE_BITS, BoardFacts, BoardState
from groupnl_deploy.bench.check import Check, at_most
from groupnl_deploy.bench.result import BenchResult

# A governor's step is larger, and a reading of the clock is off by less.
CLOCK_SHARE = 0.95
OFF_TARGET_LIMIT = 0.01  # of the window's readings
WARMER_LIMIT_C = 1.0  # a sensor's step, and what the board warms up by until it is read

_SUPPLY = "Use a stronger supply and a fan, and let the board cool"


def board_checks(result: BenchResult) -> Iterator[Check]:
    """Of the firmware's throttle bits, the supply's alarm, the clock, the temperature at the start, and swap."""
    yield from _throttling(result)
    for found in (_low_voltage, _off_target, _warm_start, _swap):
        yield from found(result)


def temperature_at_start(result: BenchResult) -> float | None:
    """In degrees Celsius, where the idle phase before begins: behind the cool-down. None where no state tells it."""
    begin_ns = result.span("idle_before").start_ns
    known = [(abs(one.at_ns - begin_ns), one.temperature_c) for one in result.states if one.temperature_c is not None]
    return min(known)[1] if known else None


def _throttling(result: BenchResult) -> Iterator[Check]:
    earlier, states = _by_the_beginning(result)
    before = _words(result.board_before, *earlier)
    cooled_down = result.settings.workload.cool_to_c is not None  # what a hot board said before that is no matter
    known = [*(before[-1:] if not cooled_down else []), *_words(*states, result.board_after)]
    if not known:
        return
    # The upper half says what has happened since boot: what is new there happened during the run.
    ever, first = 0, before[-1] if before else ~0
    for word in known:
        ever |= word | (word & ~first) >> SINCE_BOOT
    for bit, what in THROTTLE_BITS.items():
        yield at_most(what, "time", float(ever >> bit & 1), 0.0, f"the board reported {what}", _SUPPLY)


def _words(*told: BoardFacts | BoardState) -> list[int]:
    return [one.throttled for one in told if one.throttled is not None]


def _by_the_beginning(result: BenchResult) -> tuple[list[BoardState], list[BoardState]]:
    """The states before the idle phase before, where a hot board cools down, and those from there on."""
    begin_ns = result.span("idle_before").start_ns
    earlier = [one for one in result.states if one.at_ns < begin_ns]
    return earlier, [one for one in result.states if one.at_ns >= begin_ns]


def _low_voltage(result: BenchResult) -> Iterable[Check]:
    alarms = [one.low_voltage for one in _by_the_beginning(result)[1] if one.low_voltage is not None]
    if alarms:
        says = f"the sensor of the supply's voltage gave alarm in {sum(alarms)} of {len(alarms)} readings"
        yield at_most("low voltage", "time", float(sum(alarms)), 0.0, says, _SUPPLY)


def _off_target(result: BenchResult) -> Iterable[Check]:
    target_hz = result.board_before.clock_target_hz
    clocks = [max(state.clocks_hz) for state in result.states_in("steady") if state.clocks_hz]
    if not target_hz or not clocks:
        return
    slow = [clock for clock in clocks if clock < CLOCK_SHARE * target_hz]
    says = (
        f"the processor's clock was below its {target_hz / 1e6:.0f} MHz in {len(slow)} of {len(clocks)} readings of "
        f"the window, down to {min(clocks) / 1e6:.0f} MHz"
    )
    remedy = "Set the governor to performance, use a fan, and let the device cool"
    yield at_most("clock off target", "time", len(slow) / len(clocks), OFF_TARGET_LIMIT, says, remedy)


def _warm_start(result: BenchResult) -> Iterable[Check]:
    target_c = result.settings.workload.cool_to_c
    if target_c is None:
        return
    at_start_c = temperature_at_start(result)
    if at_start_c is not None:
        says = f"the board began at {at_start_c:.1f} °C, and was to cool down to {target_c:g} °C"
        remedy = "Wait longer (--cool-within), use a fan, or ask for a higher temperature (--cool-to)"
        yield at_most("temperature at the start", "time", at_start_c, target_c + WARMER_LIMIT_C, says, remedy)


def _swap(result: BenchResult) -> Iterable[Check]:
    memory = result.span("steady").memory
    if memory is None or (memory.swap_bytes is None and memory.swapped_bytes is None):
        return
    lies, moved = memory.swap_bytes or 0, memory.swapped_bytes or 0
    says = (
        f"{lies / 1e6:.1f} MB of the agent lay in swap behind the window, and {moved / 1e6:.1f} MB were moved to or "
        "from swap within it"
    )
    remedy = "Close other programs on the device, or use a smaller model"
    yield at_most("swap", "time", float(lies + moved), 0.0, says, remedy)
