"""Reasons not to trust a run. Pure: facts in, sentences out; an empty tuple is a sound run."""

from groupnl_deploy.bench.energy import RunEnergy
from groupnl_deploy.bench.run import BenchRun

# So the clocks' error moves a window's edges by at most two per cent of its length.
_CLOCK_RATIO = 50
_MIN_SAMPLES = 10
# Of the steady window: a meter that loses more does not measure the run, however near each lost reply's neighbours are.
_LARGEST_GAPS = 0.05
# Quartz and what NTP slews of it stay below 6e-4; more is a clock that stopped, as in a host that slept.
_LARGEST_DRIFT = 1e-3

# Bits of the firmware's get_throttled word (Raspberry Pi documentation, vcgencmd).
_SINCE_BOOT = 16
_THROTTLE_BITS = {0: "under-voltage", 1: "a capped clock", 2: "throttling", 3: "the soft temperature limit"}


def problems(run: BenchRun, energy: RunEnergy | None) -> tuple[str, ...]:
    """Everything about a run that makes its numbers doubtful."""
    return (*_clock_problems(run), *_board_problems(run), *_energy_problems(energy))


def _clock_problems(run: BenchRun) -> tuple[str, ...]:
    if run.power is not None and abs(run.clock.drift) > _LARGEST_DRIFT:
        return (
            f"the clocks of host and device ran apart by {abs(run.clock.drift):.2g} of the time: one of them slept",
        )
    span = run.result.span("steady")
    window_s = (span.end_ns - span.start_ns) / 1e9
    if run.power is None or window_s >= _CLOCK_RATIO * run.clock.uncertainty_s:
        return ()
    return (
        f"the steady window of {window_s:.3g} s is shorter than {_CLOCK_RATIO} times the clocks' uncertainty "
        f"of {run.clock.uncertainty_s:.3g} s",
    )


def _board_problems(run: BenchRun) -> tuple[str, ...]:
    before, after = run.result.board_before.throttled or 0, run.result.board_after.throttled or 0
    # The upper half says what has happened since boot: what is new there happened during the run.
    word = before | after | (after & ~before) >> _SINCE_BOOT
    return tuple(f"the board reported {what}" for bit, what in _THROTTLE_BITS.items() if word >> bit & 1)


def _energy_problems(energy: RunEnergy | None) -> tuple[str, ...]:
    if energy is None:
        return ()
    found = []
    if energy.steady.samples < _MIN_SAMPLES:
        found.append(f"the meter gave only {energy.steady.samples} measurements in the steady window")
    if energy.steady.gaps_s > _LARGEST_GAPS * energy.steady.duration_s:
        found.append(
            f"measurements are missing in {energy.steady.gaps_s:.3g} s of the steady window's "
            f"{energy.steady.duration_s:.3g} s, more than {_LARGEST_GAPS:.0%} of it"
        )
    if energy.steady.energy_j <= 0:
        found.append("the meter saw no power flow to the board: if it is plugged the other way round, use --sign -1")
    return tuple(found)
