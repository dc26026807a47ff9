"""Did anything else use the processor while it was measured? Pure.

`foreign` is the busy time of all cores less the agent's own, as a share of all cores' time. On the device `local` the
host's own threads (the recorder, the emulated meter, the progress bar) are foreign too: they do disturb, and the
limit leaves room for them. It counts all cores, not those alone that our threads use: a foreign program on a free core
costs little time there, but it takes memory bandwidth and clock, and its power is in the joules.

The limits and where they come from: docs/validity.md.
"""

from collections.abc import Iterator

from device_agent.messages.bench import CpuUse, Phase, PhaseSpan
from groupnl_deploy.bench.check import Check, Doubts, at_most, judged, not_judged
from groupnl_deploy.bench.steadiness import QUIET

# Of all cores' time, and never more than half a core: more cores do not make one core's disturbance smaller.
FOREIGN_LIMIT, FOREIGN_CORES_LIMIT = 0.05, 0.5
STOLEN_LIMIT = 0.05  # of all cores' time
HELD_BACK_LIMIT = 0.01  # of the window
CLOCK_LIMIT = 1.25  # the higher over the lower
# A kernel that counts by ticks is wrong by some on every core: it rounds, and samples what ran at the tick.
TICKS_OF_DOUBT = 3

_NAMES: dict[Phase, str] = {
    "steady": "the steady window",
    "idle_before": "the idle phase before",
    "idle_after": "the idle phase after",
}
_NO_COUNTERS = "the device does not tell its processor time (it has no /proc/stat)"


def load_checks(span: PhaseSpan) -> Iterator[Check]:
    """The checks of the steady window, whose time they are about."""
    yield foreign(span, "time")
    if span.cpu is not None and span.cpu.elapsed_s > 0:
        yield from (check for rule in (_stolen, _held_back, _clock) if (check := rule(span.cpu)) is not None)


def foreign(span: PhaseSpan, doubts: Doubts) -> Check:
    """What else ran in a phase."""
    cpu, where, rule = span.cpu, _NAMES[span.phase], f"foreign load, {span.phase.replace('_', ' ')}"
    if cpu is None or cpu.busy_s is None or not cpu.cores or cpu.elapsed_s <= 0:
        return not_judged(rule, doubts, f"whether anything else ran in {where} is not known: {_NO_COUNTERS}")
    limit = min(FOREIGN_LIMIT, FOREIGN_CORES_LIMIT / cpu.cores)
    foreign_s = max(cpu.busy_s - cpu.own_s, 0.0)
    share, doubt = foreign_s / (cpu.cores * cpu.elapsed_s), _doubt(cpu)
    if share <= limit + doubt and doubt > limit:
        says = f"{cpu.elapsed_s:.2g} s of {where} are too short for ticks of {cpu.tick_s:.2g} s to tell what else ran"
        return not_judged(rule, doubts, says, limit)
    says = (
        f"other programs took {foreign_s:.3g} s of processor time in the {cpu.elapsed_s:.3g} s of {where}: "
        f"{_percent(share)} of the device's {cpu.cores} cores (at most {_percent(limit)})"
    )
    # Invalid only where it is above the limit for certain.
    return judged(rule, doubts, share <= limit + doubt, share, limit, says, QUIET)


def _doubt(cpu: CpuUse) -> float:
    """How wrong a share of all cores' time may be."""
    return TICKS_OF_DOUBT * cpu.tick_s / cpu.elapsed_s


def _stolen(cpu: CpuUse) -> Check | None:
    if cpu.stolen_s is None or not cpu.cores:
        return None
    share = max(cpu.stolen_s, 0.0) / (cpu.cores * cpu.elapsed_s)
    says = (
        f"the hypervisor gave {_percent(share)} of the virtual machine's processor time to others "
        f"(at most {_percent(STOLEN_LIMIT)})"
    )
    remedy = "Use a machine that is not shared, or wait until its neighbours rest"
    return judged("stolen time", "time", share <= STOLEN_LIMIT + _doubt(cpu), share, STOLEN_LIMIT, says, remedy)


def _held_back(cpu: CpuUse) -> Check | None:
    if cpu.held_back_s is None:
        return None
    share = max(cpu.held_back_s, 0.0) / cpu.elapsed_s
    says = (
        f"a CPU quota of the control group held the agent back for {cpu.held_back_s:.3g} s in {cpu.elapsed_s:.3g} s "
        f"(at most {_percent(HELD_BACK_LIMIT)})"
    )
    remedy = "Lift the container's CPU limit, or use fewer --threads"
    return at_most("CPU quota", "time", share, HELD_BACK_LIMIT, says, remedy)


def _clock(cpu: CpuUse) -> Check | None:
    before_hz, after_hz = cpu.clock_before_hz, cpu.clock_after_hz
    if not before_hz or not after_hz:
        return None
    ratio = max(before_hz, after_hz) / min(before_hz, after_hz)
    says = (
        f"the processor's clock went from {before_hz / 1e6:.0f} to {after_hz / 1e6:.0f} MHz within the window "
        f"({ratio:.3g} times; at most {CLOCK_LIMIT:g})"
    )
    remedy = "Set the governor to performance, and let the device cool"
    return at_most("clock", "time", ratio, CLOCK_LIMIT, says, remedy)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
