"""From a recording and the two instants of a command to its joules. Pure.

::

    ── idle before ──┤ margin ├── command ──┤ margin ├── idle after ──
                     └───────── around ─────────────┘

The command begins and ends with a step of power, and a meter that measures twice a second cannot tell on which side
of such an edge half a second's energy lies. So nothing is cut there: the joules are those of the time *around* it, a
margin more at either end, less what the board takes in the margins when it idles. All edges then lie where the power is
level, and no step is in the bound of the error.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from groupnl_deploy.bench.check import Check, at_most, judged
from groupnl_deploy.bench.metered import METERED_RUNOUT_S
from groupnl_deploy.bench.validity import CLOCK_RATIO, LARGEST_DRIFT, LARGEST_GAPS, MIN_SAMPLES
from groupnl_deploy.power_run.commands import DeviceTimes
from power import renewal
from power.edge_error import CLEAR_PERIODS
from power.energy import Energy, EnergyIndex, net_of_idle
from power.errors import MeterTooFast
from power.trace import MeterFacts

_DOUBTFUL = 0.05  # of the net
_UNEVEN_IDLE = 0.1  # of the idle power
_ABOVE_PEAK = 0.001  # of the peak: less does not show


@dataclass(frozen=True)
class CommandEnergy:
    """Joules of a command that took `duration_s`: gross is idle and net together.

    `net_error_j` is the bound of the net (`power.edge_error`), `gross_error_j` also what the clocks may be wrong by, in
    idle joules; None where nothing bounds them. The peak is the largest measurement while it ran. `samples` counts the
    measurements meanwhile, `gaps_s` is for how long some are missing around it.
    """

    duration_s: float
    gross_j: float
    idle_j: float
    net_j: float
    gross_error_j: float | None
    net_error_j: float | None
    error_assumes: str
    mean_power_w: float
    peak_power_w: float
    idle_power_w: float
    samples: int
    gaps_s: float
    idle_before: Energy
    around: Energy
    idle_after: Energy

    @property
    def emulated(self) -> bool | None:
        """As the recording says."""
        return self.around.emulated


def margin_s(facts: MeterFacts) -> float:
    """Between a command and an idle window: so far away a step is in no bound."""
    return max(METERED_RUNOUT_S, CLEAR_PERIODS * (facts.update_period_s or 0.0))


def command_energy(
    index: EnergyIndex, window_s: tuple[float, float], idle_s: float, clock_uncertainty_s: float = 0.0
) -> CommandEnergy:
    """The joules of a command that ran in `window_s`, in seconds of the recording, with idle windows of `idle_s`.

    Raises `WindowNotCovered`, `SampleGap` or `MeterTooFast` rather than guess.
    """
    if index.renews_too_fast:
        raise MeterTooFast(renewal.MEANING[0].upper() + renewal.MEANING[1:] + ".", renewal.remedy(index.trace.facts))
    (start_s, end_s), margin = window_s, margin_s(index.trace.facts)
    before = index.window(start_s - margin - idle_s, start_s - margin)
    around = index.window(start_s - margin, end_s + margin)
    after = index.window(end_s + margin, end_s + margin + idle_s)
    own, net = index.window(start_s, end_s), net_of_idle(around, before, after)
    idle_j, error_j = net.idle_power_w * own.duration_s, net.edge_error_j
    gross_j, unsure_j = net.net_energy_j + idle_j, abs(net.idle_power_w) * 2 * clock_uncertainty_s
    return CommandEnergy(
        duration_s=own.duration_s,
        gross_j=gross_j,
        idle_j=idle_j,
        net_j=net.net_energy_j,
        gross_error_j=None if error_j is None else error_j + unsure_j,
        net_error_j=error_j,
        error_assumes=net.edge_error_assumes,
        mean_power_w=gross_j / own.duration_s,
        peak_power_w=own.peak_power_w,
        idle_power_w=net.idle_power_w,
        samples=own.samples,
        gaps_s=around.gaps_s,
        idle_before=before,
        around=around,
        idle_after=after,
    )


def command_checks(energy: CommandEnergy, device: DeviceTimes | None) -> Iterator[Check]:
    """Whether the joules may be believed."""
    yield _long_enough(energy)
    around_s = energy.around.duration_s
    missing = (
        f"measurements are missing in {energy.gaps_s:.3g} s of {around_s:.3g} s, more than {100 * LARGEST_GAPS:g} %"
    )
    cable = "See to the meter's cable, and measure again"
    yield at_most("measurements missing", "energy", energy.gaps_s / around_s, LARGEST_GAPS, missing, cable)
    turned = "the meter saw no power flow to the board: it may be plugged the other way round"
    flows = energy.gross_j > 0
    yield judged("direction of the current", "energy", flows, energy.gross_j, 0.0, turned, "Give --sign -1")
    if device is not None:
        yield from _clocks(energy, device)


def _long_enough(energy: CommandEnergy) -> Check:
    """A mean of few measurements is the meter's noise, and a peak between two of them is not seen."""
    period_s = energy.around.update_period_s
    least_s = (MIN_SAMPLES + 1) * period_s
    times = max(2, round(least_s / energy.duration_s + 0.5))
    short = (
        f"the command took {energy.duration_s:.3g} s, in which the meter gave {energy.samples} measurements of the "
        f"{MIN_SAMPLES} that are needed"
    )
    loop = (
        f"It must take {least_s:.2g} s at least, as this meter measures every {period_s:.2g} s: loop it, "
        f"sh -c 'for i in $(seq {times}); do COMMAND; done'"
    )
    return judged("measurements", "energy", energy.samples >= MIN_SAMPLES, energy.samples, MIN_SAMPLES, short, loop)


def _clocks(energy: CommandEnergy, device: DeviceTimes) -> Iterator[Check]:
    excess, unsure_s = device.clock_excess, device.clock.uncertainty_s
    slept = f"the clocks of host and device ran apart by {excess:.2g} of the time: one of them slept"
    yield at_most("clocks' drift", "energy", excess, LARGEST_DRIFT, slept, "Keep both machines awake")
    short = (
        f"the {energy.duration_s:.3g} s are less than {CLOCK_RATIO} times the clocks' uncertainty of {unsure_s:.3g} s"
    )
    longer = "Use a longer command, or a network cable"
    yield at_most("clocks' uncertainty", "energy", unsure_s, energy.duration_s / CLOCK_RATIO, short, longer)
    # Beyond it, some of a long command may lie in the idle windows, and no edge would show that.
    margin_s = (energy.around.duration_s - energy.duration_s) / 2
    beyond = (
        f"the clocks' uncertainty of {unsure_s:.3g} s is more than the margins of {margin_s:.3g} s around the command"
    )
    yield at_most("clocks' uncertainty and margins", "energy", unsure_s, margin_s, beyond, "Use a network cable")


def energy_notes(energy: CommandEnergy) -> Iterator[str]:
    """What a reader of the numbers must know."""
    if energy.net_error_j is None:
        yield "How wrong the joules may be is not known: too few measurements followed."
    elif energy.net_error_j > abs(energy.net_j):
        yield "The net is smaller than its error: it cannot be told from nothing."
    elif energy.net_error_j > _DOUBTFUL * abs(energy.net_j):
        yield f"The net may be wrong by more than {100 * _DOUBTFUL:g} %: a longer command, or one in a loop, is surer."
    if energy.mean_power_w > (1 + _ABOVE_PEAK) * energy.peak_power_w:
        yield (
            "The mean is above the peak, which is the largest measurement while the command ran: what flowed just "
            "before and after it counts as its own, too."
        )
    before_w, after_w = energy.idle_before.mean_power_w, energy.idle_after.mean_power_w
    if abs(after_w - before_w) > _UNEVEN_IDLE * abs(energy.idle_power_w):
        yield (
            f"Idling took {before_w:.3f} W before and {after_w:.3f} W after: something else ran, or went on. The net "
            "is of their mean."
        )
