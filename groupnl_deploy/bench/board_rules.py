"""Did the board run as it should while it was measured: at its clock, with its voltage, cool, and out of memory? Pure.

What the board does not tell makes no check: most machines that are no small board tell none of it.
"""

from collections.abc import Iterable, Iterator

from device_agent.messages.board import SINCE_BOOT, THROTTLE_BITS
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


def _throttling(result: BenchResult) -> Iterator[Check]:
    words = [result.board_before.throttled, result.board_after.throttled, *(one.throttled for one in result.states)]
    known = [word for word in words if word is not None]
    if not known:
        return
    # The upper half says what has happened since boot: what is new there happened during the run.
    first = result.board_before.throttled
    ever = 0
    for word in known:
        ever |= word | (0 if first is None else (word & ~first) >> SINCE_BOOT)
    for bit, what in THROTTLE_BITS.items():
        yield at_most(what, "time", float(ever >> bit & 1), 0.0, f"the board reported {what}", _SUPPLY)


def _low_voltage(result: BenchResult) -> Iterable[Check]:
    alarms = [state.low_voltage for state in result.states if state.low_voltage is not None]
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
    begin_ns = result.span("idle_before").start_ns
    known = [(state.at_ns, state.temperature_c) for state in result.states if state.temperature_c is not None]
    if known:
        at_start_c = min(known, key=lambda one: abs(one[0] - begin_ns))[1]
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
