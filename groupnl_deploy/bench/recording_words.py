"""What is said of a recording while it grows and when it ends. Pure."""

from groupnl_deploy.words import counted
from power import renewal
from power.running import Totals
from power.trace import MeterFacts

_GONE_S = 1.0  # a shorter silence is not worth a word


def gone_words(missing_s: float) -> str:
    """That the meter is away, and for how long; "" while it answers."""
    return f"the meter has been gone for {missing_s:.0f} s" if missing_s > _GONE_S else ""


def figure_words(totals: Totals | None, facts: MeterFacts) -> dict[str, str]:
    """The newest volts, amperes and watts, and the joules so far, by their names; of watts alone no volts and amperes.

    A dash each before the first measurement.
    """
    volts_amperes = {
        "voltage": "– V" if totals is None else f"{totals.voltage_v:.3f} V",
        "current": "– A" if totals is None else f"{totals.current_a:.3f} A",
    }
    return ({} if facts.watts_alone else volts_amperes) | {
        "power": "– W" if totals is None else f"{totals.power_w:.3f} W",
        "energy": "– J" if totals is None else f"{totals.energy_j:.1f} J",
    }


def totals_words(totals: Totals, facts: MeterFacts) -> str:
    """What a recording amounts to, with its marks."""
    marked = ", EMULATED" if facts.emulated else ""
    if facts.renews_too_fast:
        marked += f", INVALID ({renewal.WHAT})"
    rows = counted(totals.rows, "measurement")
    return f"{rows} in {totals.t_s:.1f} s, {totals.energy_j:.3f} J{marked}, {holes_words(totals)}"


def holes_words(totals: Totals) -> str:
    """How often and for how long measurements were missing."""
    if not totals.holes:
        return "no holes"
    return f"{counted(totals.holes, 'hole')} of {totals.hole_s:.1f} s in all, not counted"
