"""A recording as a picture: power and voltage over time, the phases of a run, and the holes left empty."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from groupnl_deploy.report.downsample import broken_at_holes, rows_to_draw
from groupnl_deploy.report.phases import PhaseTime, phase_words
from groupnl_deploy.report.pictures import picture_bytes
from power import renewal
from power.energy import EnergyIndex
from power.trace import PowerTrace, Samples

# More than twice the dots that a panel has across: what is left out would fall on a dot that is drawn.
COLUMNS = 2600
LONGEST_LINE = 150  # characters of a reason, as wide as the picture
LEAST_SHARE = 0.07  # of the picture's width; a narrower phase has no room for its name
# An upright axis spans at least this share of the mean, and this much: the noise of a steady load is no event.
LEAST_SPAN_OF_MEAN, LEAST_SPAN = 0.05, 1e-3  # the latter in W or V

POWER_COLOUR, VOLTAGE_COLOUR, HOLE_COLOUR, MARK_COLOUR = "#0072B2", "#D55E00", "#999999", "#CC0000"
# Okabe and Ito's colours, made pale by `SHADE`. What is not named here is a phase that only gets the board ready.
PHASE_COLOURS = {"idle_before": "#56B4E9", "warmup": "#F0E442", "steady": "#009E73", "runout": "#F0E442"}
PHASE_COLOURS |= dict.fromkeys(("cooldown", "idle_after"), PHASE_COLOURS["idle_before"])
OTHER_PHASE_COLOUR, SHADE = "#CC79A7", 0.22


def draw_power(
    index: EnergyIndex,
    name: str,
    phases: Sequence[PhaseTime] = (),
    format: str = "png",
    problems: Sequence[str] = (),
    about: str = "",
) -> bytes:
    """`power_figure` as a file in one of `PICTURE_FORMATS`."""
    return picture_bytes(power_figure(index, name, phases, problems, about), format)


def power_figure(
    index: EnergyIndex,
    name: str,
    phases: Sequence[PhaseTime] = (),
    problems: Sequence[str] = (),
    about: str = "",
) -> Figure:
    """Draw a recording of any length.

    What covers the time before it, or holds until the next, is drawn as the steps that it is, instants as lines;
    nothing is drawn across a hole.

    Args:
        index: the recording, ready to integrate.
        name: what to call it.
        phases: to be shaded.
        problems: why the run of this recording is invalid.
        about: lines on the run that was recorded, such as `run_caption` gives.
    """
    trace = index.trace
    figure = Figure(figsize=(12, 7), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    _curve(upper, index, trace.power_w, "Power (W)", POWER_COLOUR)
    _curve(lower, index, trace.voltage_v, "Voltage (V)", VOLTAGE_COLOUR)
    lower.set_xlabel("Seconds since the recording began", fontsize=11)
    upper.set_xlim(trace.t_s[0], trace.t_s[-1])
    for axes in (upper, lower):
        _shade(axes, phases, index.holes_s)
    _label(upper, phases, float(trace.t_s[-1] - trace.t_s[0]))
    invalid = bool(problems) or index.renews_too_fast
    marks = [word for word, is_so in (("EMULATED", trace.facts.emulated), ("INVALID", invalid)) if is_so]
    figure.suptitle(_title(trace, name, invalid), fontsize=15, color=MARK_COLOUR if marks else "black")
    upper.set_title(f"{about}\n{_facts(index)}".lstrip(), fontsize=10)
    patches = _legend(phases, bool(index.holes_s))
    if patches or problems:
        style: dict[str, Any] = {"ncols": 5, "frameon": False, "fontsize": 10, "title_fontsize": 10}
        legend = figure.legend(handles=patches, loc="outside lower center", title=_reasons(problems), **style)
        legend.get_title().set_color(MARK_COLOUR)
    _watermark(figure, marks)
    return figure


def _watermark(figure: Figure, marks: Sequence[str]) -> None:
    style: dict[str, Any] = {
        "fontsize": 90,
        "color": MARK_COLOUR,
        "alpha": 0.13,
        "rotation": 22,
        "ha": "center",
        "va": "center",
    }
    if marks:
        figure.text(0.5, 0.55, "\n".join(marks), **style)


def _reasons(problems: Sequence[str]) -> str | None:
    """Why the run is invalid, a line or more each; None for a sound one."""
    lines = [line for problem in problems for line in textwrap.wrap(f"INVALID: {problem}.", LONGEST_LINE)]
    return "\n".join(lines) or None


def _curve(axes: Any, index: EnergyIndex, values: Samples, label: str, colour: str) -> None:
    trace = index.trace
    rows = rows_to_draw(trace.t_s, values, index.holes_s, COLUMNS)
    times, (shown,) = broken_at_holes(trace.t_s[rows], index.holes_s, values[rows])
    few = len(rows) <= COLUMNS // 20
    style = "steps-pre" if trace.facts.averaging == "block" else "default"
    style = "steps-post" if index.method == "hold" else style
    axes.plot(times, shown, color=colour, linewidth=1.1, drawstyle=style, marker="." if few else None)
    axes.margins(y=0.12)  # room for the names of the phases
    _widen(axes, max(LEAST_SPAN_OF_MEAN * abs(float(values.mean())), LEAST_SPAN))
    axes.set_ylabel(label, fontsize=11)
    axes.grid(color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.ticklabel_format(useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)


def _widen(axes: Any, least: float) -> None:
    """Let the upright axis span `least` or more, its middle where it is."""
    low, high = axes.get_ylim()
    lacking = max(0.0, least - (high - low))
    axes.set_ylim(low - lacking / 2, high + lacking / 2)


def _shade(axes: Any, phases: Sequence[PhaseTime], holes_s: Sequence[tuple[float, float]]) -> None:
    for phase in phases:
        axes.axvspan(phase.start_s, phase.end_s, color=_colour(phase.name), alpha=SHADE, linewidth=0)
    for begin, end in holes_s:
        axes.axvspan(begin, end, facecolor="white", edgecolor=HOLE_COLOUR, hatch="///", linewidth=0)


def _colour(phase: str) -> str:
    return PHASE_COLOURS.get(phase, OTHER_PHASE_COLOUR)


def _label(axes: Any, phases: Sequence[PhaseTime], width_s: float) -> None:
    left, right = axes.get_xlim()
    for phase in phases:
        begin, end = max(phase.start_s, left), min(phase.end_s, right)
        if end - begin >= LEAST_SHARE * width_s:
            middle = (begin + end) / 2
            axes.text(
                middle, 0.985, phase_words(phase.name), transform=axes.get_xaxis_transform(), ha="center", va="top"
            )


def _legend(phases: Sequence[PhaseTime], holes: bool) -> list[Patch]:
    """One entry a colour, with the phases that share it below each other."""
    groups: dict[str, list[str]] = {}
    for phase in phases:
        groups.setdefault(_colour(phase.name), []).append(_lasting(phase))
    shaded = [Patch(color=colour, alpha=SHADE, label="\n".join(names)) for colour, names in groups.items()]
    hatched = Patch(facecolor="white", edgecolor=HOLE_COLOUR, hatch="///", label="no measurement")
    return [*shaded, hatched] if holes else shaded


def _lasting(phase: PhaseTime) -> str:
    return f"{phase_words(phase.name)}, {phase.end_s - phase.start_s:.2f} s"


def _title(trace: PowerTrace, name: str, invalid: bool) -> str:
    emulated = "EMULATED, no measurement of any device: " if trace.facts.emulated else ""
    return f"{emulated}{'INVALID: ' if invalid else ''}{name}"


def _facts(index: EnergyIndex) -> str:
    facts, times = index.trace.facts, index.trace.t_s
    unknown = "\nIt is not known whether a real meter measured this." if facts.emulated is None else ""
    fast = f"\nINVALID: {renewal.WHAT}. How wrong the joules are is not known." if index.renews_too_fast else ""
    source = f"Meter {facts.meter} over {facts.transport}, {facts.field}, sign {facts.sign:+d}."
    rows = f"{len(times):,} rows, a measurement every {index.update_period_s:.3g} s."
    return f"{source}  {rows}  {_total(index)}{fast}{unknown}"


def _total(index: EnergyIndex) -> str:
    """Joules of the whole, unless it has a hole."""
    if index.holes_s:
        return f"{sum(end - begin for begin, end in index.holes_s):.3g} s without measurement."
    whole = index.window(float(index.trace.t_s[0]), float(index.trace.t_s[-1]))
    return f"{whole.energy_j:.4g} J in {whole.duration_s:.4g} s, mean {whole.mean_power_w:.4g} W."
