"""An integrated window as a table, as a document, and with what has to be said about it. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from device_agent.strict import to_dict
from groupnl_deploy.words import counted
from power import renewal
from power.energy import JOULES_IN_WH, Energy, NetEnergy
from power.integration import METHODS
from power.trace import MeterFacts

SCHEMA_VERSION = 1
PERIODS_DIFFER = 1.5  # estimated over nominal, or the other way round
DOUBTFUL_EDGES = 0.05  # of the energy
OTHER_RULE_MATTERS = 0.01  # of the energy
ENOUGH_PERIODS = 5  # two reaches, where polls as rare as measurements are late by one more period, and some jitter

Headings = tuple[tuple[str, bool], ...]


def enough_s(facts: MeterFacts) -> float:
    """How long rows must follow a window, or a recording be, so that its error is known; seconds.

    Nothing where nobody knows how often the meter measures, or is asked.
    """
    return ENOUGH_PERIODS * max(facts.update_period_s or 0.0, facts.poll_period_s or 0.0)


@dataclass(frozen=True)
class Integrated:
    """A window of one recording and, with an idle window, what the load cost beyond idling.

    `left_out_s` is how much of the recording's end is not in a window whose end nobody chose. `remarks` are the
    recording's. `held` is the gross window were its rows changes of a value, None where they are none for certain.
    """

    facts: MeterFacts
    gross: Energy
    idle: Energy | None
    net: NetEnergy | None
    left_out_s: float
    remarks: tuple[str, ...] = ()
    held: Energy | None = None

    def __str__(self) -> str:
        gross, marks = self.gross, {True: ", EMULATED", False: "", None: ", of an unknown meter"}
        edge = "" if gross.edge_error_j is None else f" ± {gross.edge_error_j:.3f} J at its edges"
        net = "" if self.net is None else f", net of idle {self.net.net_energy_j:.3f} J"
        return (
            f"{gross.energy_j:.3f} J{edge} in {gross.duration_s:.3f} s, {gross.mean_power_w:.3f} W{net}, "
            f"rule {gross.method}{_invalid(self)}{marks[self.facts.emulated]}"
        )


def document(done: Integrated) -> dict[str, Any]:
    """All of it for programs; the keys of the idle window and the net are null without one."""
    idle, net = done.idle, done.net
    return {
        "schema_version": SCHEMA_VERSION,
        **to_dict(done.gross),
        "energy_wh": done.gross.energy_wh,
        "left_out_s": done.left_out_s,
        "idle": None if idle is None else to_dict(idle),
        "idle_power_w": None if net is None else net.idle_power_w,
        "idle_energy_j": None if net is None else net.idle_energy_j,
        "net_energy_j": None if net is None else net.net_energy_j,
        "net_edge_error_j": None if net is None else net.edge_error_j,
        "meter": to_dict(done.facts),
        "notes": list(notes(done)),
    }


def table(done: Integrated) -> tuple[Headings, list[list[str]]]:
    """Headings (each with whether it is of numbers) and rows: gross, and with an idle window idle and net beside it."""
    columns = [_window_cells(done.gross)]
    if done.idle is not None and done.net is not None:
        columns += [_window_cells(done.idle), _net_cells(done.gross, done.net)]
    headings = (("Window", False), *((f"{name}{_invalid(done)}", True) for name in ("Gross", "Idle", "Net")))
    rows = [list(row) for row in zip(_LABELS, *columns, strict=True)]
    return headings[: 1 + len(columns)], rows


def _invalid(done: Integrated) -> str:
    """Beside the numbers, so that no copy of them loses it."""
    invalid = ", INVALID" if done.gross.renews_too_fast else ""
    return f"{invalid}, GAPS SKIPPED" if done.gross.skipped_gaps else invalid


_LABELS = (
    "Energy (J)",
    "  edge error up to (J)",
    "Energy (Wh)",
    "Mean power (W)",
    "Peak power (W)",
    "Lowest voltage (V)",
    "From (s)",
    "To (s)",
    "Measurements",
)


def _window_cells(window: Energy) -> list[str]:
    values = (window.energy_wh, window.mean_power_w, window.peak_power_w)
    times = [f"{instant_s:.3f}" for instant_s in (window.start_s, window.end_s)]
    return [
        _number(window.energy_j),
        bound_text(window.edge_error_j),
        *map(_number, values),
        "–" if window.min_voltage_v is None else _number(window.min_voltage_v),
        *times,
        str(window.samples),
    ]


def _net_cells(gross: Energy, net: NetEnergy) -> list[str]:
    values = (net.net_energy_j / JOULES_IN_WH, gross.mean_power_w - net.idle_power_w)
    cells = [_number(net.net_energy_j), bound_text(net.edge_error_j), *map(_number, values)]
    return [*cells, *[""] * (len(_LABELS) - len(cells))]


def notes(done: Integrated) -> Iterator[str]:
    """What a reader of the numbers must know, the gravest first."""
    gross = done.gross
    if gross.emulated:
        yield "EMULATED: these joules come from an emulated meter and are no measurement of any device."
    if gross.renews_too_fast:
        yield renewal.verdict(done.facts)
    if gross.emulated is None:
        yield "The recording does not say whether a real meter measured it."
    yield from done.remarks
    yield from _about_rows(done)
    if gross.energy_j < 0:
        yield f"The energy is negative: {_other_way_round(done)}"
    if not gross.renews_too_fast:
        yield from _about_edges(done)
    yield from _about_time(done)
    if done.idle is not None and done.idle.start_s < gross.end_s and gross.start_s < done.idle.end_s:
        yield "The idle window overlaps the load window: what they share counts as load and as idle."


def _other_way_round(done: Integrated) -> str:
    """What makes a negative energy positive, where it should be."""
    if done.facts.sign < 0:
        return "--sign -1 turned it, here or when recording; if that was wrong, leave it out, or turn it back by it."
    return "if the meter was plugged in the other way round, give --sign -1, here and when recording."


def net_of_what(net: NetEnergy, gross: Energy) -> str:
    """What the net is the difference of."""
    return (
        f"Net is gross minus the idle {_number(net.idle_power_w)} W over {gross.duration_s:.3f} s, "
        f"{_number(net.idle_energy_j)} J."
    )


def provenance(done: Integrated) -> str:
    """By which meter and which rule."""
    facts, gross = done.facts, done.gross
    nominal = "nominal period unknown" if facts.update_period_s is None else f"nominal {facts.update_period_s:g} s"
    return (
        f"Meter {facts.meter} over {facts.transport}, {facts.field}, sign {facts.sign:+d}. "
        f"Rule: {gross.method}. A measurement every {gross.update_period_s:.4g} s ({nominal}), "
        f"the longest wait between two rows {gross.max_gap_s:.4g} s."
    )


def _about_rows(done: Integrated) -> Iterator[str]:
    """What would be, had the rows another meaning."""
    gross, held = done.gross, done.held
    if held is not None and abs(held.energy_j - gross.energy_j) > OTHER_RULE_MATTERS * abs(gross.energy_j):
        yield (
            f"The rows come at uneven times: if a row was written when the value changed, it is "
            f"{_number(held.energy_j)} J (--method hold)."
        )


def _about_edges(done: Integrated) -> Iterator[str]:
    gross = done.gross
    if gross.skipped_gaps:
        yield (
            f"{counted(gross.skipped_gaps, 'gap')} of {gross.skipped_s:.3f} s in all {_were(gross.skipped_gaps)} "
            "skipped: what flowed meanwhile is in no number, and how wrong the edges may be is not known."
        )
        return
    if gross.method == METHODS["hold"]:
        yield (
            f"Each value holds until the next row, and nothing is counted after the last. The joules suppose "
            f"{gross.edge_error_assumes}; how wrong they may be is not known."
        )
        return
    for name, window in (("", gross), ("idle ", done.idle)):
        if window is not None and window.edge_error_j is None:
            yield (
                f"How wrong the {name}window's edges may be is not known: a step at its end shows in the rows behind "
                f"it, and too few follow. Record for {ENOUGH_PERIODS} update periods more, or end the window as much "
                "earlier."
            )
    if gross.edge_error_j is not None and gross.edge_error_j > DOUBTFUL_EDGES * abs(gross.energy_j):
        yield (
            "The joules may be wrong by more than 5 %: take a longer window away from steps, or a meter that measures "
            "more often."
        )
    if done.left_out_s > 0:
        yield (
            f"The window ends {done.left_out_s:.3f} s before the last row: the rows behind it tell how wrong its end "
            "may be. --to sets another end."
        )
    supposed = gross.edge_error_assumes if done.net is None else done.net.edge_error_assumes
    yield f"The edge error supposes {supposed}. {_ripple(done)}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _ripple(done: Integrated) -> str:
    """What a load that changes faster than that may do to the joules."""
    if done.facts.averaging == "instant":
        return "What changes faster may show in no row, and nothing bounds its error."
    # The energy of the period that an edge divides may have flowed on either side of it.
    misplaced_j = abs(done.gross.mean_power_w) * done.gross.update_period_s
    return (
        f"Ripple faster than that shows in no row: up to about {misplaced_j:.2g} J of it may lie on the wrong side of "
        "each edge."
    )


def _about_time(done: Integrated) -> Iterator[str]:
    gross, nominal_s = done.gross, done.facts.update_period_s
    if nominal_s is not None:
        ratio = gross.update_period_s / nominal_s
        if not 1 / PERIODS_DIFFER <= ratio <= PERIODS_DIFFER:
            yield (
                f"The meter measured every {gross.update_period_s:.4g} s, not every {nominal_s:g} s as its reader "
                "takes for granted."
            )
    if gross.gaps:
        lack = "lacks at least one measurement" if gross.gaps == 1 else "lack at least one measurement each"
        yield f"{counted(gross.gaps, 'wait')}, {gross.gaps_s:.4g} s in all, {lack}."


def bound_text(value_j: float | None) -> str:
    """Rounded up, and never down to nothing: what the rows do not show is not zero."""
    if value_j is None:
        return "not known"
    return "< 0.001" if value_j < 0.001 else f"{math.ceil(1000 * value_j) / 1000:.3f}"


def _number(value: float) -> str:
    """Three decimals, or four digits of what is small; what is below a nanojoule or a nanowatt is rounding."""
    value = round(value, 9) + 0.0  # without the sign of a zero
    return f"{value:.3f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"
